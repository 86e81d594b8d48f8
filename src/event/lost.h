/*-------------------------------------------------------------------------
 *
 * lost.h
 *	  Shards that are lost: they wait until resume_subscription() lets them
 *	  skip what is gone, or seek() moves them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_LOST_H
#define JDG_EVENT_LOST_H

#include "event/subscription.h"

typedef enum JdgLostReason
{
	JDG_LOST_EXPIRED,			/* a leaf that it needs goes */
	JDG_LOST_FULL				/* it has kept a topic full for too long */
} JdgLostReason;

/*
 * Marks a shard as lost.  This transaction has locked its cursor.  Inside or
 * outside jdg_internal_begin().
 */
extern void jdg_shard_lose(const JdgSubscription *s, int32 shard,
						   JdgLostReason reason);

#endif							/* JDG_EVENT_LOST_H */
