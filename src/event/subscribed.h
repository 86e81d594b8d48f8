/*-------------------------------------------------------------------------
 *
 * subscribed.h
 *	  Subscriptions that a session is about to change, and positions in the
 *	  log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_SUBSCRIBED_H
#define JDG_EVENT_SUBSCRIBED_H

#include "datatype/timestamp.h"

#include "base/compat.h"
#include "event/subscription.h"

/*
 * Locks the row of the owner's subscription of that name, and returns its id.
 * If there is none, returns 0 or raises NOT_FOUND.  Inside
 * jdg_internal_begin().
 */
extern int64 jdg_subscription_find(const char *name, Oid owner,
								   bool missing_ok);

/*
 * Is the event in a topic of the subscription, one of its types, keys and
 * headers, and may its owner read it?
 */
extern bool jdg_subscription_is_offered(const JdgSubscription *s,
										const JdgEvent *e,
										const JdgTopic *topic);

/*
 * The id of the owner's subscription of that name, without a lock; raises
 * NOT_FOUND.  Outside jdg_internal_begin().
 */
extern int64 jdg_subscription_id(const char *name, Oid owner);

/* raises NOT_FOUND; the hint names another owner.  Inside
 * jdg_internal_begin() */
JDG_NORETURN extern void jdg_subscription_missing(const char *name, Oid owner);

/*
 * Locks the cursors of a subscription, and then JDG_LOCK_SUBSCRIPTION: waits
 * for the transaction of a worker that handles its events.  Raises CONFLICT in
 * a handler of the same subscription.  Inside jdg_internal_begin().
 */
extern void jdg_subscription_lock(int64 subscription_id);

/*
 * Raises VALIDATION_ERROR for an id that no event has had yet.  "argument" is
 * its argument.  Outside jdg_internal_begin().
 */
extern void jdg_event_check_id(const char *argument, int64 event_id);

/* the highest id below the first event that was published then or later */
extern int64 jdg_event_before(TimestampTz when);

#endif							/* JDG_EVENT_SUBSCRIBED_H */
