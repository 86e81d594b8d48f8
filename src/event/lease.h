/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  Leases: a shard of a subscription with delivery => 'fetch' belongs to
 *	  one consumer for a time.
 *
 * A lease is columns of the shard's cursor (JdgLease).  A token names it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_LEASE_H
#define JDG_EVENT_LEASE_H

#include "event/cursor.h"
#include "event/failure.h"
#include "event/subscription.h"

/* limit of the events that a lease has, and of its duration */
#define JDG_GIVEN_MAX	1000
#define JDG_LEASE_US_MAX (12 * USECS_PER_HOUR)

/* a lease that begins at "now" lasts until; raises VALIDATION_ERROR */
extern TimestampTz jdg_lease_until(TimestampTz now, const Interval *lease);

/* the token of the lease that the cursor has, in the current memory context */
extern char *jdg_lease_token(const JdgCursor *c);

/*
 * Locks the cursor of the lease that a token names, and reads it.  Waits for
 * another transaction that has locked it.  Raises VALIDATION_ERROR for a text
 * that is no token, FORBIDDEN if the caller may not act for the owner of the
 * subscription, and LEASE_LOST if the lease has ended.  One that has run out
 * counts as long as no other one has begun.
 */
extern const JdgSubscription *jdg_lease_hold(const char *token, JdgCursor *c);

/*
 * Writes a cursor that this transaction has locked, with its lease.  Notes when
 * consumers are to look at the shard: at the end of the lease or of a wait, or
 * at commit if it is free and has more ("more": in its window).
 */
extern void jdg_lease_write(const JdgSubscription *s, const JdgCursor *c,
							bool more);

/*
 * The functions below change a cursor that the caller has locked and will
 * write with jdg_lease_write().
 */

/* a lease begins, without events */
extern void jdg_lease_begin(JdgCursor *c, const char *consumer,
							TimestampTz until);

/* the lease has ended; its token is void */
extern void jdg_lease_end(JdgCursor *c);

/*
 * The events up to this one, NULL: all, have been handled.  The lease ends
 * with the last one.  Raises VALIDATION_ERROR if the lease does not have it.
 */
extern void jdg_lease_ack(const JdgSubscription *s, JdgCursor *c,
						  const int64 *up_to);

/*
 * The first event, which must be this one, has failed: applies on_failure, and
 * ends the lease.  Raises VALIDATION_ERROR for another event.
 */
extern void jdg_lease_nack(const JdgSubscription *s, JdgCursor *c,
						   int64 event_id, const JdgCallFailure *failure);

/*
 * The lease has run out and another one is to begin: ends it, and charges its
 * event.  If it had several, nobody knows which one is to blame: they come one
 * by one.
 */
extern void jdg_lease_expire(const JdgSubscription *s, JdgCursor *c);

#endif							/* JDG_EVENT_LEASE_H */
