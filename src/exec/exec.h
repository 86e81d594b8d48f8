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

#include "base/errors.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "task/current.h"
#include "task/task.h"

/*
 * The task that this process is running, in a worker or in run_task(); or the
 * call of a handler, by a subscription or by execute(), without a task.
 */
typedef struct JdgCurrentTask
{
	int64		task_id;
	const struct JdgCurrentEvent *event;	/* event/current.h; NULL: none */
	int32		attempt;		/* 1 is the first */
	Oid			owner;
	Jsonb	   *payload;
	int64		schedule_id;
	const char *schedule;		/* its name when the task was made */
	TimestampTz scheduled_for;
	const char *trace;
	const char *tenant;
	const char *concurrency_key;
	int64		flow_run;		/* 0: not a step of a flow */
	const char *step;
	const Interval *timeout;	/* NULL: none */
	bool		is_call;		/* of execute() or query(), of a task or not */
	bool		starts_flow;	/* its command is JDG_COMMAND_FLOW */
	int64		awaits_run;		/* the run that it has started; 0: none */
	bool		handed_over;	/* a request: its payload is filled in */
	/* the statement of its text that runs, see jdg_exec_statement() */
	int			statement;		/* its number, from 1; 0: none yet */
	int			statements;		/* how many there are */
	const char *statement_text; /* as SPI has it, or NULL */
	int			statement_start;	/* characters of the text before it */
	/* set by snooze() and discard() before they leave the task */
	bool		snoozed;
	int64		snooze_us;
	const char *discard_reason;
} JdgCurrentTask;

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
	void		(*statement) (void);	/* a statement of the task begins */
} JdgExecHooks;

extern JdgExecHooks jdg_exec_hooks;

/*
 * A statement of the running task begins: number n of "statements".  "text" is
 * what SPI is given, if it is; it must outlive the task.  Of the whole text,
 * "start" characters precede it.
 */
extern void jdg_exec_statement(int n, int statements, const char *text,
							   int start);

/*
 * Raises TASK_EXECUTION_ERROR if the work of the running task did not return or
 * change as many rows as expected.
 */
extern void jdg_exec_check_rows(JdgExpectRows expect, int64 rows);

/* Where in the running task's text was this error raised? */
extern JdgErrorPlace jdg_exec_error_place(const ErrorData *edata);

/*
 * Adds a hint to an error of the running task if its cause is that the command
 * ran as a task.  "standalone": it ran outside a transaction.
 */
extern void jdg_exec_add_hint(ErrorData *edata, bool standalone);

#endif							/* JDG_EXEC_EXEC_H */
