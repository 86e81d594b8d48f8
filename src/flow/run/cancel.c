/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  Cancelling nodes that a run no longer needs, see cancel.h.
 *
 * A node that only waits ends at once.  A task that a worker holds, and the run
 * of a sub_flow, are asked to end by a message.  Until they have, the step
 * counts as live, and it may still complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/message.h"
#include "flow/run/step_task.h"

bool
jdg_step_cancel_task(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_step_remove_task(rs, step))
		return false;
	rs->r.live--;
	if (jdg_node_is_leaf(jdg_step_node(rs, step)))
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
	else
		step->task_id = 0;
	return true;
}

/* The run of a sub_flow, which has a lock of its own. */
static void
abort_child_run(JdgRunState *rs, JdgFlowStep *step)
{
	if (!step->cancelling)
		jdg_flow_message(JDG_MESSAGE_ABORT, step->child_run, 0,
						 rs->r.compensate ? "compensate" : "kill", NULL);
	step->cancelling = true;
	jdg_step_change(rs, step);
}

bool
jdg_leaf_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	if (step->state == JDG_STEP_RUNNING && step->task_id != 0)
		return jdg_step_cancel_task(rs, step);
	if (step->state == JDG_STEP_RUNNING && step->child_run != 0)
	{
		abort_child_run(rs, step);
		return false;
	}
	if (step->state == JDG_STEP_RUNNING)
		rs->r.live--;
	jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
	return true;
}

void
jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	if (node->kind->cancel)
	{
		node->kind->cancel(rs, step);
		return;
	}
	for (int i = 0; i < node->nchildren; i++)
	{
		JdgFlowStep *child =
		jdg_step_get(rs, jdg_step_place(&nodes[node->children[i]],
										step->base));

		if (child != NULL)
			jdg_agenda_put(rs, JDG_ACT_CANCEL, child, NULL);
	}
}

void
jdg_container_close(JdgRunState *rs, JdgFlowStep *step)
{
	if (step->task_id != 0)
		(void) jdg_step_cancel_task(rs, step);
	jdg_children_cancel(rs, step);
	jdg_agenda_put(rs, JDG_ACT_SKIP_UNREACHED, step, NULL);
}

void
jdg_container_time_out(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_change(rs, step);
	jdg_container_close(rs, step);
	jdg_agenda_put(rs, JDG_ACT_CONCLUDE, step, NULL);
}

void
jdg_step_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (jdg_node_is_leaf(node))
	{
		if (step->state == JDG_STEP_WAITING || step->state == JDG_STEP_RUNNING)
			(void) jdg_leaf_cancel(rs, step);
	}
	else if (step->state == JDG_STEP_WAITING)
	{
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
		jdg_skip_unreached(rs, node, step->base);
	}
	else if (step->state == JDG_STEP_RUNNING)
	{
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
		jdg_container_close(rs, step);
	}
	else
		jdg_children_cancel(rs, step);	/* it may have left some running */
}
