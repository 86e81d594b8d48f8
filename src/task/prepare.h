/*-------------------------------------------------------------------------
 *
 * prepare.h
 *	  From a caller's options to the fields of a task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_PREPARE_H
#define JDG_TASK_PREPARE_H

#include "handler/handler.h"
#include "queue/queue.h"
#include "task/task.h"

/* the options of a task or a schedule; NULL: not given */
typedef struct JdgTaskOptions
{
	const char *command;
	int64		command_id;		/* of one that is known; 0: "command" */
	Jsonb	   *payload;
	const char *queue;
	const int32 *priority;
	Interval   *timeout;
	Jsonb	   *retry;
	const char *transaction;
	const bool *isolate;
	const JdgExpectRows *expect_rows;
	Jsonb	   *settings;
	Jsonb	   *metadata;
	const char *concurrency_key;
	const char *tenant;
	const char *trace;
	bool		check_only;		/* write nothing: there is no command_id */
} JdgTaskOptions;

/*
 * Check all of that as the current user and fill the fields of "task" that
 * follow from it (command_id, queue_id, priority, transaction, isolate,
 * bounded, timeout, retry, max_attempts, settings, metadata, ...), with
 * defaults from handler, queue and settings.  "owner" from
 * jdg_resolve_owner().  default_attempts: used when no retry policy says.
 * Outside jdg_internal_begin(); allocates in the current context.  "handler"
 * is set to the handler or NULL.  Without a payload none is checked.
 */
extern void jdg_task_prepare(const JdgTaskOptions *opts, Oid owner,
							 int32 default_attempts, JdgTask *task,
							 JdgQueue *queue, JdgHandler **handler);

/*
 * Raises an error unless the tasks of "owner" may have the fallback of this
 * retry policy.  NULL, or a policy without one, is accepted.  Outside
 * jdg_internal_begin().
 */
extern void jdg_check_fallback(Jsonb *retry, Oid owner);

/*
 * Raises VALIDATION_ERROR unless the settings, {"name": "value", ...}, can be
 * applied by the current user.  NULL must not be given.
 */
extern void jdg_check_settings(Jsonb *settings);

/*
 * Apply settings for a task, as the current user: until the caller's GUC nest
 * level ends, or (session) as SET would, past the transaction's commit.
 */
extern void jdg_apply_settings(Jsonb *settings, bool session);

#endif							/* JDG_TASK_PREPARE_H */
