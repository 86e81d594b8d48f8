/*-------------------------------------------------------------------------
 *
 * timer.c
 *	  Times of rows: timeouts, and waits without a task, see timer.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/interval.h"
#include "flow/run/timer.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

void
jdg_step_set_due(JdgFlowStep *step, TimestampTz due)
{
	step->due = due;
	jdg_wake_scheduler_at_commit(JDG_WAKE_FLOWS);
}

TimestampTz
jdg_step_timeout(JdgRunState *rs, const JdgFlowNode *node)
{
	return node->timeout ? jdg_time_after(rs->pass->now, node->timeout) :
		DT_NOBEGIN;
}

void
jdg_step_start_wait(JdgRunState *rs, JdgFlowStep *step, TimestampTz due)
{
	rs->r.live++;
	if (due != DT_NOBEGIN)
		jdg_step_set_due(step, due);
}
