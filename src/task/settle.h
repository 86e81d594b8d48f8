/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  What follows when a task ends: the one place where that is decided.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_SETTLE_H
#define JDG_TASK_SETTLE_H

#include "base/module.h"
#include "task/follow.h"
#include "task/history.h"
#include "task/task.h"

typedef enum JdgEnd
{
	JDG_END_COMPLETED,
	JDG_END_FAILED,				/* an error; the policy decides on a retry */
	JDG_END_CANCELLED,
	JDG_END_DISCARDED,			/* by discard(): failed, no retry */
	JDG_END_SNOOZED,			/* by snooze(): again later, uncharged */
	JDG_END_LOST,				/* a standalone command's worker died */
	JDG_END_CRASHED,			/* its worker died: charged, alone next */
	JDG_END_PAUSED				/* stopped by pause_task: back, uncharged */
} JdgEnd;

typedef struct JdgOutcome
{
	JdgEnd		end;
	TimestampTz started_at;		/* DT_NOBEGIN: never ran */
	TimestampTz finished_at;
	int32		worker_pid;
	int64		row_count;		/* < 0: none */
	Jsonb	   *result;
	int			sqlerrcode;		/* with an error */
	Jsonb	   *error;
	const char *reason;			/* of cancelling, discarding */
	int64		snooze_us;
	bool		guilty;			/* of its worker's death, with JDG_END_LOST */
	const char *cleanup;		/* hooks of its handler, signatures */
	const char *on_error;
} JdgOutcome;

/*
 * Write what follows from the ends of n tasks, whose rows this transaction
 * has locked: delete or put back the rows, history, dependants, keys,
 * hooks, and what the modules that follow ends write (base/module.h).  What
 * may run at once in this transaction goes to "follow", if that is not NULL.
 * With an active snapshot.  Wake-ups are queued for commit.
 */
extern void jdg_settle(JdgTask *tasks, const JdgOutcome *outcomes, int n,
					   JdgFollow *follow);

/* a task leaves that never ran: cancelled; inside jdg_internal_begin() */
extern void jdg_settle_cancel(JdgTask *task, const char *reason);

/* what is decided about one task */
typedef struct JdgDecision
{
	bool		stays;			/* its row is put back */
	char		state;			/* then: its new state */
	TimestampTz run_at;
	char		status;			/* of the history row, '\0': none */
	const char *error_code;
} JdgDecision;

#endif							/* JDG_TASK_SETTLE_H */
