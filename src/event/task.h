/*-------------------------------------------------------------------------
 *
 * task.h
 *	  Tasks of events, for subscriptions with delivery => 'task'.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_TASK_H
#define JDG_EVENT_TASK_H

#include "event/current.h"
#include "event/subscription.h"

typedef enum JdgTaskMade
{
	JDG_EVENT_TASK_REFUSED,		/* error: no task can be made of any event */
	JDG_EVENT_TASK_FAILED,		/* error: none can be made of this one */
	JDG_EVENT_TASK_FULL,		/* its queue has no room */
	JDG_EVENT_TASK_BUSY,		/* a drop_queue() is under way */
	JDG_EVENT_TASK_MADE
} JdgTaskMade;

/* what has become of an event */
typedef struct JdgEventTask
{
	JdgTaskMade made;
	int32		queue_id;		/* the queue that is full */
} JdgEventTask;

/*
 * Inserts the task of an event, as the owner of the subscription.  Errors are
 * raised; result->made then says whose they are.  After FULL, the feed is looked at
 * again when there is room: see jdg_depth_watch().
 */
extern void jdg_event_make_task(const JdgSubscription *s,
								const JdgEvent *e, const JdgTopic *topic,
								JdgEventTask *result);

#endif							/* JDG_EVENT_TASK_H */
