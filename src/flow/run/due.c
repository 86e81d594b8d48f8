/*-------------------------------------------------------------------------
 *
 * due.c
 *	  The time of a row has come, see due.h.
 *
 * Runs in the scheduler: a sleep is over, a wait or a container times out, or a
 * delayed run begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/cancel.h"
#include "flow/run/due.h"
#include "flow/run/happened.h"

void
jdg_step_due(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (step->due == DT_NOBEGIN || step->due > rs->pass->now)
		return;
	if (step->state == JDG_STEP_WAITING && step->parent < 0)
	{
		/* a delayed run */
		step->due = DT_NOBEGIN;
		rs->r.started_at = rs->pass->now;
		rs->r.live--;
		jdg_run_started(rs);
		jdg_agenda_put(rs, JDG_ACT_BEGIN, step, NULL);
		return;
	}
	if (step->state == JDG_STEP_RUNNING && node->kind->due)
		node->kind->due(rs, step);
	else if (step->state == JDG_STEP_RUNNING && !jdg_node_is_leaf(node))
		jdg_container_time_out(rs, step);
	else
	{
		step->due = DT_NOBEGIN;
		jdg_step_change(rs, step);
	}
}
