/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Breakers and holds of gates (gate.h).
 *
 * A task that holds a place of a gate with a breaker is a call: it begins when
 * the place is taken (jdg_gates_take(), jdg_gates_begin()), and ends here, before
 * the place is given back.  Without an end it is returned, and says nothing
 * about the service.
 *
 * The functions take spinlocks of gates; what takes JdgGatesLock says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_GUARD_H
#define JDG_SHARED_GUARD_H

#include "datatype/timestamp.h"

#include "shared/gatetable.h"

/*
 * A copy of these options for JdgLimit.breaker, which stays as long as the
 * process; NULL if no breaker is needed: it is off, and not forced.  There is
 * one copy for each limit, which has the options of the last call.
 */
extern const JdgBreakerOptions *jdg_breaker_keep(const JdgLimit *of,
												 const JdgBreakerOptions *o);

/*
 * A call ends, after this time in us: a good one may have been slow.  Returns
 * whether a breaker has opened now.  The place is given back next.
 */
extern bool jdg_gates_ended(JdgPlaces *places, JdgBreakerEnd end, int64 us);

/*
 * A call has taken this time and goes on: it is slow for those breakers whose
 * slow_after has passed.  Returns the time at which to call this again, or 0.
 * *opened is set if a breaker has opened now.  With us = 0 it only asks.
 */
extern int64 jdg_gates_slow(JdgPlaces *places, int64 us, bool *opened);

/*
 * Is a breaker open for a call that has not been made yet?  Then it is to be
 * given back.
 */
extern bool jdg_gates_are_open(const JdgPlaces *places);

/* does the call probe a half-open breaker? */
extern bool jdg_gates_are_probing(const JdgPlaces *places);

/*
 * Lets nothing through until some time, or longer if it is held already; the
 * limit is that of the configuration.  Takes JdgGatesLock.
 */
extern void jdg_gates_hold(const JdgLimit *limit, TimestampTz until,
						   JdgHold why);

/*
 * Ends the hold of a limit's gate, and closes its breaker, which begins with its
 * ramp.  Takes JdgGatesLock.
 */
extern void jdg_gate_close(const JdgLimit *limit);

/* the same for an endpoint and all its hosts */
extern void jdg_gates_close_endpoint(int32 endpoint_id);

#endif							/* JDG_SHARED_GUARD_H */
