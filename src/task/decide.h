/*-------------------------------------------------------------------------
 *
 * decide.h
 *	  Decides the effect of an attempt's end on its task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_DECIDE_H
#define JDG_TASK_DECIDE_H

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
	JDG_END_PAUSED,				/* stopped by pause_task: back, uncharged */
	JDG_END_AWAITS,				/* has started a run, and ends with it */
	JDG_END_HANDED				/* its payload is filled in, or it has another
								 * endpoint: the http process goes on */
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
	int			http_status;	/* of the answer, with HTTP_STATUS; else 0 */
	Jsonb	   *error;
	const char *reason;			/* of cancelling, discarding */
	Oid			by;				/* role that cancelled or paused it, if known */
	int64		snooze_us;
	bool		guilty;			/* of its worker's death, with JDG_END_LOST */
	bool		no_retry;		/* whatever the policy says */
	TimestampTz not_before;		/* of the next attempt; 0: the policy says */
	bool		pause;			/* instead of the next attempt */
	const char *cleanup;		/* hooks of its handler, signatures */
	const char *on_error;
} JdgOutcome;

/* the decision about one task */
typedef struct JdgDecision
{
	bool		stays;			/* its row is put back */
	JdgTaskState state;			/* then: its new state */
	bool		fallback;		/* and runs another command: fallback.h */
	TimestampTz run_at;
	JdgStatus	status;			/* of the history row */
	const char *error_code;
} JdgDecision;

/* Also counts the attempt in "t".  Touches nothing but its arguments. */
extern void jdg_decide(JdgTask *t, const JdgOutcome *o, JdgDecision *d);

#endif							/* JDG_TASK_DECIDE_H */
