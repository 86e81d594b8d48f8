/*-------------------------------------------------------------------------
 *
 * task_end.h
 *	  The task of a step has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_TASK_END_H
#define JDG_FLOW_RUN_TASK_END_H

#include "flow/run/pass.h"

typedef struct JdgTaskEnd
{
	int64		task_id;
	JdgStatus	status;
	bool		timed_out;
	int			attempts;
	TimestampTz started_at;		/* DT_NOBEGIN: not known */
	Jsonb	   *result;
	Jsonb	   *error;
	const char *reason;
} JdgTaskEnd;

/* how a task ends, by its outcome and the decision about it */
extern void jdg_task_end_of(const JdgTask *t, const JdgOutcome *o,
							const JdgDecision *d, JdgTaskEnd *e);

/* the same as the payload of a message */
extern Jsonb *jdg_task_end_to_jsonb(const JdgTaskEnd *e);
extern void jdg_task_end_from_jsonb(Jsonb *j, JdgTaskEnd *e);

/* a task has ended for good: its step goes on, or ends too */
extern void jdg_task_ended(JdgRunState *rs, int64 step_id,
						   const JdgTaskEnd *e);

#endif							/* JDG_FLOW_RUN_TASK_END_H */
