/*-------------------------------------------------------------------------
 *
 * message.h
 *	  Messages to runs, from processes that do not have their locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_MESSAGE_H
#define JDG_FLOW_RUN_MESSAGE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* flow_message.kind */
typedef enum JdgMessageKind
{
	JDG_MESSAGE_SIGNAL,			/* kept until a wait takes it */
	JDG_MESSAGE_VERDICT,		/* the same, of an approval */
	JDG_MESSAGE_EVENT,			/* of the log, for a wait: events.c */
	JDG_MESSAGE_ABORT,			/* name: kill or compensate */
	JDG_MESSAGE_CANCEL,			/* stop the task of a step */
	JDG_MESSAGE_SUB_ENDED,		/* the run of a sub_flow has ended */
	JDG_MESSAGE_TASK_ENDED,		/* a step's task has ended */
	JDG_MESSAGE_PAUSE,
	JDG_MESSAGE_RESUME,
	JDG_MESSAGE_RETRY,			/* a step again */
	JDG_MESSAGE_SKIP,			/* a step not at all */
	JDG_MESSAGE_UNDO,			/* compensate a run that has completed */
	JDG_MESSAGE_RUN_ENDED		/* run_id null: to the task step_id, which
								 * started a run */
} JdgMessageKind;

/* "signal:name", "approval:name", for flow_step.event; "event:type", for views */
extern char *jdg_message_event(JdgMessageKind kind, const char *name);

/*
 * flow_step.event of a wait for an event: "event:type", or "event:type key".
 * A type has no blank.
 */
extern char *jdg_message_event_subject(const char *type, const char *key);

/* the letter in the table */
extern char jdg_message_kind_out(JdgMessageKind kind);

/*
 * Send one; the scheduler serves it after the commit.  Inside
 * jdg_internal_begin(); the sender is "role".
 */
extern void jdg_flow_message_as(JdgMessageKind kind, int64 run_id, int64 step_id,
								const char *name, Jsonb *payload, Oid role);

/*
 * Has a user sent a message to this run in the current transaction?  True also
 * after messages to very many runs.
 */
extern bool jdg_flow_asked(int64 run_id);

/* the same from a run to another, or to itself */
extern void jdg_flow_message(JdgMessageKind kind, int64 run_id, int64 step_id,
							 const char *name, Jsonb *payload);

/* an event for a wait; it ends the wait that has this wait_start only */
extern void jdg_flow_message_event(int64 run_id, int64 step_id,
								   int64 wait_start, Jsonb *result);

typedef struct JdgFlowMessage
{
	int64		message_id;
	int64		run_id;
	JdgMessageKind kind;
	int64		step_id;
	char	   *name;
	Oid			role;
	TimestampTz at;
	Jsonb	   *payload;
	int64		wait_start;		/* of an event; 0: none */
} JdgFlowMessage;

/*
 * Messages not seen yet, oldest first: those to tasks, or those to runs.  Not
 * all up to "max" if their payloads are large; sets *more if there may be more.
 * Inside jdg_internal_begin().
 */
extern JdgFlowMessage *jdg_flow_messages_new(bool to_tasks, int max, int *n,
											 bool *more);
extern void jdg_flow_message_done(int64 message_id);
extern void jdg_flow_message_keep(int64 message_id);

/* the task of a step has ended: requests to cancel it are served */
extern void jdg_flow_cancel_done(int64 run_id, int64 step_id);

/*
 * Serve messages again that have been seen: all, or those that cancel a step
 * or end a task, which may have had no effect.
 */
extern void jdg_flow_messages_again(bool all);

/* take the oldest signal of a name; false: there is none */
extern bool jdg_flow_signal_take(JdgMessageKind kind, int64 run_id, const char *name,
								 Jsonb **payload);

#endif							/* JDG_FLOW_RUN_MESSAGE_H */
