/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  What a wait has waited for has come, or its time is over.
 *
 * Runs where runs are advanced, see run.h.  A signal that is there when a
 * time is over counts: it came first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"
#include "flow/run/message.h"
#include "flow/run/run.h"

/* Has a signal come already, or an approval been decided?  Then take it. */
bool
jdg_take_signal(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	Jsonb	   *payload;

	if (rs->is_new)
		return false;
	if (!jdg_flow_signal_take(node->kind->message, rs->r.run_id,
							  node->kind->message_name(node), &payload))
		return false;
	node->kind->answer(rs, step, payload);
	return true;
}

void
jdg_container_timed_out(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_cancel(rs, step);
	jdg_step_end(rs, step, JDG_STEP_TIMED_OUT, NULL,
				 jdg_flow_error("TASK_TIMEOUT", "it did not end in time", NULL),
				 NULL);
}

/* The time of a row has come. */
void
jdg_step_due(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (step->due == DT_NOBEGIN || step->due > rs->adv->now)
		return;
	if (step->state == JDG_STEP_WAITING && step->parent < 0)
	{
		/* a run that was to begin later */
		step->due = DT_NOBEGIN;
		rs->r.started_at = rs->adv->now;
		rs->r.live--;
		jdg_step_start(rs, step);
		return;
	}
	if (step->state == JDG_STEP_RUNNING && node->kind->due)
		node->kind->due(rs, step);
	else if (step->state == JDG_STEP_RUNNING && !jdg_node_is_leaf(node))
		jdg_container_timed_out(rs, step);
	else
	{
		step->due = DT_NOBEGIN;
		jdg_step_change(rs, step);
	}
}
