/*-------------------------------------------------------------------------
 *
 * lifecycle.h
 *	  Events of topic "jadugar": what happens to tasks, schedules, queues and
 *	  subscriptions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_LIFECYCLE_H
#define JDG_EVENT_LIFECYCLE_H

#include "event/subscription.h"
#include "shared/happening.h"

/* the "happened" of the module, see base/module.h */
extern void jdg_event_happened(JdgHappening kind, Oid owner,
							   const char *tenant, const char *key,
							   Jsonb *data);

/* for the scheduler: brings JdgDb.happenings up to date with the tables */
extern void jdg_event_find_asked(JdgDb *db);

/*
 * A subscription is made or changed: from its commit on, what it asks for is
 * written.  With "check", raises VALIDATION_ERROR if a pattern matches no type
 * of the topic.  Inside jdg_internal_begin(), after its row is written.
 */
extern void jdg_lifecycle_subscribed(int64 subscription_id, bool check);

/*
 * Makes the first leaf of the topic, if there is none: so that events can be
 * written from the commit on.  Inside jdg_internal_begin().
 */
extern void jdg_lifecycle_prepare(void);

/*
 * Something has happened to an event of a subscription, or to the subscription
 * itself: event_id 0.
 */
extern void jdg_subscription_happened(JdgHappening kind,
									  const JdgSubscription *s, int32 shard,
									  int64 event_id);

#endif							/* JDG_EVENT_LIFECYCLE_H */
