/*-------------------------------------------------------------------------
 *
 * exec.h
 *	  The running task, its result, and the callbacks through which it
 *	  reports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_EXEC_H
#define JDG_EXEC_EXEC_H

#include "handler/command.h"
#include "handler/handler.h"
#include "task/task.h"

/* The task that this process is running, in a worker or in run_task(). */
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
	const Interval *timeout;	/* NULL: none */
	bool		starts_flow;	/* its command is JDG_COMMAND_FLOW */
	int64		awaits_run;		/* the run that it has started; 0: none */
	/* set by snooze() and discard() before they leave the task */
	int64		snooze_us;
	const char *discard_reason;
} JdgCurrentTask;

extern JdgCurrentTask *jdg_current_task;	/* NULL: no task is running */

typedef struct JdgExecResult
{
	int64		row_count;		/* < 0: unknown */
	Jsonb	   *result;			/* in the caller's context, or NULL */
} JdgExecResult;

/*
 * Callbacks through which a running task reports, and learns that it is to be
 * cancelled.  A worker sets them; a member may be NULL.
 */
typedef struct JdgExecHooks
{
	void		(*progress) (double fraction, const char *message);
	bool		(*cancel_requested) (void);
	void		(*log) (const char *level, const char *message, Jsonb *fields);
} JdgExecHooks;

extern JdgExecHooks jdg_exec_hooks;

#endif							/* JDG_EXEC_EXEC_H */
