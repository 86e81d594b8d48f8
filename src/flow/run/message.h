/*-------------------------------------------------------------------------
 *
 * message.h
 *	  What is asked of a run by those who do not have its lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_MESSAGE_H
#define JDG_FLOW_RUN_MESSAGE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* flow_message.kind */
#define JDG_MESSAGE_SIGNAL		's' /* kept until a wait takes it */
#define JDG_MESSAGE_VERDICT		'v' /* the same, of an approval */
#define JDG_MESSAGE_EVENT		'e' /* for whoever waits: run_id is null */
#define JDG_MESSAGE_ABORT		'a' /* name: kill or compensate */
#define JDG_MESSAGE_CANCEL		'c' /* stop the task of a step */
#define JDG_MESSAGE_SUB_ENDED	'd' /* the run of a sub_flow has ended */
#define JDG_MESSAGE_TASK_ENDED	'f' /* a step's task has ended */
#define JDG_MESSAGE_PAUSE		'p'
#define JDG_MESSAGE_RESUME		'u'
#define JDG_MESSAGE_RETRY		'r' /* a step again */
#define JDG_MESSAGE_SKIP		'k' /* a step not at all */
#define JDG_MESSAGE_UNDO		'x' /* a run that has completed */

/*
 * Send one; the scheduler looks at it after the commit.  run_id 0: to all who
 * wait for the event "name".  Inside jdg_internal_begin(); the sender is
 * "role".
 */
extern void jdg_flow_message_as(char kind, int64 run_id, int64 step_id,
								const char *name, Jsonb *payload, Oid role);

/* the same from a run to another, or to itself */
extern void jdg_flow_message(char kind, int64 run_id, int64 step_id,
							 const char *name, Jsonb *payload);

typedef struct JdgFlowMessage
{
	int64		message_id;
	int64		run_id;
	char		kind;
	int64		step_id;
	char	   *name;
	Oid			role;
	TimestampTz at;
	Jsonb	   *payload;
} JdgFlowMessage;

/* messages not seen yet, oldest first; inside jdg_internal_begin() */
extern JdgFlowMessage *jdg_flow_messages_new(int max, int *n);
extern void jdg_flow_message_done(int64 message_id);
extern void jdg_flow_message_keep(int64 message_id);

/*
 * Messages that have been seen: cancels, which may have come to nothing, or
 * all, once more.
 */
extern void jdg_flow_messages_again(bool all);

/* take the oldest signal of a name; false: there is none */
extern bool jdg_flow_signal_take(char kind, int64 run_id, const char *name,
								 Jsonb **payload);

#endif							/* JDG_FLOW_RUN_MESSAGE_H */
