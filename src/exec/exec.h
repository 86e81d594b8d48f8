/*-------------------------------------------------------------------------
 *
 * exec.h
 *	  Executing the work of one task, and its context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_EXEC_H
#define JDG_EXEC_EXEC_H

#include "handler/command.h"
#include "handler/handler.h"
#include "task/task.h"

/* the task that this process is running; task_id 0: none */
typedef struct JdgCurrentTask
{
	int64		task_id;
	int32		attempt;		/* 1 is the first */
	Oid			owner;
	Jsonb	   *payload;
	int64		schedule_id;
	const char *schedule;
	TimestampTz scheduled_for;
	const char *trace;
	const char *tenant;
	int64		flow_run;		/* 0: not a step of a flow */
	const char *step;
	/* what it asked for */
	int64		snooze_us;
	const char *discard_reason;
} JdgCurrentTask;

extern JdgCurrentTask *jdg_current_task;	/* NULL: none */

typedef struct JdgExecResult
{
	int64		row_count;		/* < 0: none */
	Jsonb	   *result;			/* in the caller's context, or NULL */
} JdgExecResult;

/* set by the worker: where a running task reports, and learns of a cancel */
typedef struct JdgExecHooks
{
	void		(*progress) (double fraction, const char *message);
	bool		(*cancel_requested) (void);
	void		(*log) (const char *level, const char *message, Jsonb *fields);
} JdgExecHooks;

extern JdgExecHooks jdg_exec_hooks;

#endif							/* JDG_EXEC_EXEC_H */
