/*-------------------------------------------------------------------------
 *
 * current.h
 *	  The event that a handler of a subscription is called for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CURRENT_H
#define JDG_EVENT_CURRENT_H

#include "event/event.h"

/* exec/exec.h points to it while the handler runs */
typedef struct JdgCurrentEvent
{
	const JdgEvent *event;		/* the first one of a batch */
	const JdgTopic *topic;
	int64		subscription_id;
	const char *subscription;	/* its name */
	int32		shard;
	int			attempt;		/* 1 is the first */
} JdgCurrentEvent;

#endif							/* JDG_EVENT_CURRENT_H */
