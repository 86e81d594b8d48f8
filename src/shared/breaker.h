/*-------------------------------------------------------------------------
 *
 * breaker.h
 *	  Circuit breakers: when calls of a service that fails are held back.
 *
 * Pure C: the code takes no lock, reads no clock and needs no server header.
 * The same code runs in the server and in the model test (test/fuzz).  The
 * caller passes the time, in microseconds since 2000, and protects the breaker
 * (gate.h).
 *
 *	closed ──── too many calls failed, or were slow ────▶ open
 *	  ▲                                                  │ its time is over,
 *	  │ most of half_open calls succeeded                ▼ and a call begins
 *	  └──────────────────────────────────────────── half_open ─▶ open
 *
 * Closed: a call counts when it ends, or when it becomes slow, in one of ten
 * parts of the window.  It is good, failed or slow, never two of these: a slow
 * call that fails is a failed one.
 *
 * Open: no call begins.  That ends by time alone.
 *
 * Half-open: at most half_open calls begin, each with a ticket: first one alone,
 * and the others when that has ended.  If the share that failed cannot be below
 * failure_pct any more, the breaker opens; when all have ended, it closes.  A
 * ticket that is returned is free at once.  One that has expired is a failure.
 *
 * The first half_open places after closing grow by one with each success, for
 * the time "ramp".
 *
 * Each change of the state begins a generation.  The end of a call counts only
 * in the generation in which it began.
 *
 * Time does not run backward here.  If the clock was set back, all instants
 * move with it, so that no breaker stays open longer than it should.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_BREAKER_H
#define JDG_SHARED_BREAKER_H

#include "shared/breakerstate.h"

/* a breaker that has no history: closed since "at", with its ramp */
extern void jdg_breaker_start(JdgBreaker *b, const JdgBreakerOptions *o,
							  int64_t at);

/* the same for one that has calls: their ends do not count any more */
extern void jdg_breaker_reset(JdgBreaker *b, const JdgBreakerOptions *o,
							  int64_t now);

/*
 * How many calls may begin now, INT32_MAX if there is no bound.  in_use: how
 * many are under way, of any generation.
 */
extern int32_t jdg_breaker_room(JdgBreaker *b, const JdgBreakerOptions *o,
								int64_t now, int32_t in_use);

/*
 * When there may be room, if there is none and no call ends; NEVER: that needs
 * the end of a call.
 */
extern int64_t jdg_breaker_next(JdgBreaker *b, const JdgBreakerOptions *o,
								int64_t now);

/*
 * A call begins; false: there is no room.  Its ticket expires at "expires",
 * or NEVER.
 */
extern bool jdg_breaker_begin(JdgBreaker *b, const JdgBreakerOptions *o,
							  int64_t now, int64_t expires, int32_t in_use,
							  JdgBreakerCall *call);

/*
 * A call that has begun some time ago is made only now.  False: the breaker has
 * changed, and it may not; then it is to be returned.
 */
extern bool jdg_breaker_go_on(JdgBreaker *b, const JdgBreakerOptions *o,
							  int64_t now, int64_t expires,
							  JdgBreakerCall *call);

/* A call has taken slow_after and goes on; counts once. */
extern void jdg_breaker_slow(JdgBreaker *b, const JdgBreakerOptions *o,
							 int64_t now, JdgBreakerCall *call);

/* A call ends; only the first end counts. */
extern void jdg_breaker_end(JdgBreaker *b, const JdgBreakerOptions *o,
							int64_t now, JdgBreakerEnd end, JdgBreakerCall *call);

/* A breaker as it is now, for views. */
typedef struct JdgBreakerView
{
	JdgBreakerState state;
	JdgBreakerForce forced;
	int64_t		since;
	int64_t		until;			/* NEVER: not known */
	int32_t		calls;			/* in the window; half-open: with a ticket */
	int32_t		failures;
	int32_t		slow;
	int32_t		consecutive;
	int32_t		trips;
	int32_t		ramp;			/* places; 0: no bound */
} JdgBreakerView;

extern void jdg_breaker_view(JdgBreaker *b, const JdgBreakerOptions *o,
							 int64_t now, JdgBreakerView *view);

/*
 * Does it say no more than a new one?  And less strictly: might it be forgotten
 * if its entry is needed, since no call waits for it to change?
 */
extern bool jdg_breaker_is_quiet(JdgBreaker *b, const JdgBreakerOptions *o,
								 int64_t now);
extern bool jdg_breaker_is_idle(JdgBreaker *b, const JdgBreakerOptions *o,
								int64_t now);

#endif							/* JDG_SHARED_BREAKER_H */
