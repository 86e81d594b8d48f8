/*-------------------------------------------------------------------------
 *
 * breakerstate.h
 *	  The state of a circuit breaker: its time, its window, its changes.
 *
 * The structures are what others use through breaker.h, which has the rules;
 * the functions are for breaker.c alone.  Instants "t" are those of
 * jdg_breaker_see().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_BREAKERSTATE_H
#define JDG_SHARED_BREAKERSTATE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef JDG_STANDALONE
#include <assert.h>
#include <string.h>
#define Assert(condition) assert(condition)
#define Min(x, y) ((x) < (y) ? (x) : (y))
#define Max(x, y) ((x) > (y) ? (x) : (y))
#endif

/* parts of the window; the most calls of one half-open generation */
#define JDG_BREAKER_BUCKETS 10
#define JDG_BREAKER_TICKETS 10

/* no instant */
#define JDG_BREAKER_NEVER INT64_MAX

/* what a role has decided about a breaker */
typedef enum JdgBreakerForce
{
	JDG_FORCE_AUTO,
	JDG_FORCE_OPEN,				/* no call begins */
	JDG_FORCE_DISABLED			/* all calls begin, and do not count */
} JdgBreakerForce;

/* when a breaker opens, and for how long; times in microseconds */
typedef struct JdgBreakerOptions
{
	bool		on;
	int64_t		window_us;
	int32_t		min_calls;
	int32_t		failure_pct;
	int32_t		consecutive;	/* 0: they do not count */
	int64_t		slow_after_us;	/* 0: off */
	int32_t		slow_pct;
	int64_t		open_for_us;
	int64_t		open_max_us;
	int32_t		half_open;
	int64_t		ramp_us;
	JdgBreakerForce forced;
	int64_t		forced_until;	/* 0: no end */
} JdgBreakerOptions;

typedef enum JdgBreakerState
{
	JDG_BREAKER_CLOSED,
	JDG_BREAKER_OPEN,
	JDG_BREAKER_HALF_OPEN
} JdgBreakerState;

typedef enum JdgTicket
{
	JDG_TICKET_FREE,
	JDG_TICKET_HELD,
	JDG_TICKET_HELD_SLOW,		/* by a call that has become slow */
	JDG_TICKET_GOOD,
	JDG_TICKET_SLOW,
	JDG_TICKET_FAILED
} JdgTicket;

typedef struct JdgBreakerBucket
{
	int32_t		calls;
	int32_t		failures;
	int32_t		slow;
} JdgBreakerBucket;

/* All zeroes is a breaker that is closed. */
typedef struct JdgBreaker
{
	JdgBreakerState state;
	uint32_t	generation;
	int64_t		seen;			/* the latest instant; those below are like it */
	int64_t		shift;			/* from the caller's time to these */
	int64_t		since;			/* of the state */
	int64_t		until;			/* open: half-open after that */
	int64_t		ramp_until;
	int64_t		failed_at;		/* the last failure while closed */
	int64_t		calm_at;		/* trips are halved some time after this */
	int64_t		width;			/* of a bucket */
	int64_t		epoch;			/* number of the latest bucket */
	int32_t		trips;			/* how often it has opened, halved with time */
	int32_t		consecutive;	/* failures */
	int32_t		ramp;			/* places after closing; 0: no bound */
	int32_t		permits;		/* tickets of this half-open generation */
	uint32_t	stale;			/* ends of an older generation */
	uint8_t		ticket[JDG_BREAKER_TICKETS];	/* JdgTicket */
	int64_t		expires[JDG_BREAKER_TICKETS];
	JdgBreakerBucket bucket[JDG_BREAKER_BUCKETS];
} JdgBreaker;

/* one call; all zeroes: it does not count */
typedef struct JdgBreakerCall
{
	uint32_t	generation;
	uint32_t	slow_in;		/* the bucket that counts it as slow */
	bool		counts;			/* it has begun and not ended */
	bool		slow;			/* counted as slow */
	int8_t		ticket;			/* half-open: its number */
} JdgBreakerCall;

typedef enum JdgBreakerEnd
{
	JDG_BREAKER_RETURNED,		/* it says nothing about the service */
	JDG_BREAKER_GOOD,
	JDG_BREAKER_SLOW,			/* good, but it took longer than slow_after */
	JDG_BREAKER_FAILED
} JdgBreakerEnd;

/* how the tickets of a half-open breaker are used */
typedef struct JdgTickets
{
	int32_t		free;
	int32_t		held;
	int32_t		ended;
	int32_t		failed;
	int32_t		slow;			/* ended or not */
} JdgTickets;

/*
 * The instant that the caller means by "now", which is never before another
 * one; and the caller's time for an instant.
 */
extern int64_t jdg_breaker_see(JdgBreaker *b, int64_t now);
extern int64_t jdg_breaker_told(const JdgBreaker *b, int64_t at);

/* what is in force now: a breaker that is off lets all through */
extern JdgBreakerForce jdg_breaker_force_of(const JdgBreakerOptions *o,
											int64_t now);

/* does what time alone has changed up to now */
extern void jdg_breaker_age(JdgBreaker *b, const JdgBreakerOptions *o,
							int64_t t);

/* the bucket of this instant, and the sum of all buckets of the window */
extern JdgBreakerBucket *jdg_breaker_bucket(JdgBreaker *b,
											const JdgBreakerOptions *o,
											int64_t t);
extern JdgBreakerBucket jdg_breaker_window(JdgBreaker *b,
										   const JdgBreakerOptions *o,
										   int64_t t);

/* Do so many failures, or slow ones, of these calls open a breaker? */
extern bool jdg_breaker_too_many(const JdgBreakerOptions *o,
								 int32_t failures, int32_t slow,
								 int32_t calls);

/* changes of the state */
extern void jdg_breaker_become(JdgBreaker *b, JdgBreakerState state,
							   int64_t t);
extern void jdg_breaker_open(JdgBreaker *b, const JdgBreakerOptions *o,
							 int64_t t);
extern void jdg_breaker_close(JdgBreaker *b, const JdgBreakerOptions *o,
							  int64_t t);

/* begins the ramp of a breaker that is closed */
extern void jdg_breaker_ramp(JdgBreaker *b, const JdgBreakerOptions *o,
							 int64_t t);

/* half_open, within what there is room for */
extern int32_t jdg_breaker_permits(const JdgBreakerOptions *o);

extern JdgTickets jdg_breaker_tickets(const JdgBreaker *b);

/* the held ticket that expires first; -1: none is held */
extern int	jdg_breaker_first_to_expire(const JdgBreaker *b);

/* opens or closes a half-open breaker if its tickets say so */
extern void jdg_breaker_decide(JdgBreaker *b, const JdgBreakerOptions *o,
							   int64_t t);

#endif							/* JDG_SHARED_BREAKERSTATE_H */
