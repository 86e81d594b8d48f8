/*-------------------------------------------------------------------------
 *
 * create.h
 *	  Creating subscriptions, for subscribe() and replay().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CREATE_H
#define JDG_EVENT_CREATE_H

#include "event/options.h"
#include "event/subscription.h"
#include "event/xidset.h"

/* the events that a subscription gets */
typedef struct JdgSubscriptionRange
{
	JdgXidSet  *base;			/* those of later transactions; NULL: all */
	int64		after_id;		/* with a greater id */
	JdgXidSet  *upto;			/* a replay: of these transactions; or NULL */
	int64	   *until_id;		/* a replay: up to this id; or NULL */
} JdgSubscriptionRange;

/*
 * Inserts a subscription and its cursors, and wakes the scheduler at commit.
 * What the options do not give is as in the original, or has its default if
 * there is none.  The options have been checked.  Returns the id; 0: the owner
 * has a subscription of that name.
 */
extern int64 jdg_subscription_create(const JdgSubscriptionOptions *o,
									 Oid owner,
									 const JdgSubscription *original,
									 int64 command_id,
									 const JdgSubscriptionRange *range);

#endif							/* JDG_EVENT_CREATE_H */
