/*-------------------------------------------------------------------------
 *
 * current.h
 *	  The event that a handler of a subscription handles, in a call or in a
 *	  task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_CURRENT_H
#define JDG_EVENT_CURRENT_H

#include "event/subscription.h"
#include "task/task.h"

/* the header that events pass on to those that follow from them */
#define JDG_CORRELATION_ID "correlation_id"

/* exec/exec.h points to it while the handler runs */
typedef struct JdgCurrentEvent
{
	int64		event_id;		/* the first one of a batch */
	int			hops;			/* the most that an event of the call has */
	Jsonb	   *correlation_id; /* the header that all have; or NULL */
	int64		subscription_id;
	const char *subscription;	/* its name */
	int32		shard;
	int			attempt;		/* 1 is the first */
	bool		replay;			/* the subscription is a replay */
	bool		moves;			/* its transaction moves the position */

	/* of a call: the first event of a batch; NULL: the handler is a task's */
	const JdgEvent *event;
	const JdgTopic *topic;

	/* of a task: the event; or all but its data, which are the payload */
	Jsonb	   *info;			/* NULL: the payload is the event */
	Jsonb	   *payload;
} JdgCurrentEvent;

/*
 * Sets the event of a call for n events of a subscription, which has failed
 * "attempts" times.
 */
extern void jdg_current_event_set(JdgCurrentEvent *c,
								  const JdgSubscription *s, int32 shard,
								  int attempts, const JdgPending *p, int n);

/* $1 of the SQL of a subscription: an event_info, or an array of them */
extern void jdg_event_argument(const JdgSubscription *s, const JdgPending *p,
							   int n, Oid *type, Datum *value);

/*
 * What the task of an event keeps of it, for task.event.  "info": the event,
 * unless it is the payload.
 */
extern Jsonb *jdg_current_event_keep(const JdgSubscription *s,
									 const JdgEvent *e, Jsonb *info);

/*
 * The reverse, for the task that this process is about to run; NULL: it is not
 * the task of an event.  Valid as long as the task and the memory context.
 */
extern const JdgCurrentEvent *jdg_current_event_of_task(const JdgTask *t);

/* the row of type jadugar.event_info */
extern Datum jdg_current_event_info(const JdgCurrentEvent *c);

/* $1 of a command of kind JDG_COMMAND_EVENT, from the payload of its task */
extern Datum jdg_event_of_payload(Jsonb *payload);

#endif							/* JDG_EVENT_CURRENT_H */
