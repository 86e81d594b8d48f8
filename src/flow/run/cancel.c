/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  Cancelling what a run does not need any more.
 *
 * Runs where runs are advanced, see run.h.  What only waits is ended here and
 * now.  A task that a worker holds is its worker's: the scheduler is asked to
 * stop it, by a message that is kept until the step has ended.  Until then the
 * step counts as live; if it completes all the same, it has completed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "flow/kind/kind.h"
#include "flow/run/message.h"
#include "flow/run/run.h"
#include "task/follow.h"
#include "task/settle.h"

/* Is it one of those that this transaction is settling, to be tried again? */
static bool
cancel_settling(JdgAdvance *adv, int64 task_id)
{
	for (int i = 0; i < adv->nsettling; i++)
	{
		if (adv->settling[i].task_id != task_id)
			continue;
		if (adv->decisions[i].stays)
		{
			adv->decisions[i].stays = false;
			adv->decisions[i].status = JDG_STATUS_CANCELLED;
			adv->decisions[i].error_code = NULL;
		}
		return true;
	}
	return false;
}

/*
 * Take the task of a step out.  False: a worker has it, or somebody its row;
 * it will be stopped.
 */
bool
jdg_task_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	JdgAdvance *adv = rs->adv;
	JdgTask		t;

	if (cancel_settling(adv, step->task_id) || jdg_follow_drop(adv->follow, step->task_id))
		return true;
	jdg_advance_write_tasks(adv);
	if (jdg_task_load(step->task_id, true, &t, CurrentMemoryContext) &&
		t.state != JDG_STATE_STANDALONE)
	{
		jdg_settle_cancel(&t, "flow");
		return true;
	}
	if (!step->cancelling)
		jdg_flow_message(JDG_MESSAGE_CANCEL, rs->r.run_id, step->step_id, NULL,
						 NULL);
	step->cancelling = true;
	jdg_step_change(rs, step);
	return false;
}

/* A leaf, or a container that has a task of its own. */
void
jdg_step_cancel_task(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_task_cancel(rs, step))
		return;
	rs->r.live--;
	if (jdg_node_is_leaf(jdg_step_node(rs, step)))
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
	else
		step->task_id = 0;
}

static void
cancel_leaf(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	if (step->task_id != 0)
		jdg_step_cancel_task(rs, step);
	else if (step->child_run != 0)
	{
		if (!step->cancelling)
			jdg_flow_message(JDG_MESSAGE_ABORT, step->child_run, 0,
							 rs->r.compensate ? "compensate" : "kill", NULL);
		step->cancelling = true;
		jdg_step_change(rs, step);
	}
	else
	{
		rs->r.live--;
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
	}
}

static void
cancel_container(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	if (step->task_id != 0)
		jdg_step_cancel_task(rs, step);
	jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
	jdg_children_cancel(rs, step);
	jdg_skip_unreached(rs, node, step->base);
}

/* Whatever is under way in it.  Its container is not told. */
void
jdg_step_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	CHECK_FOR_INTERRUPTS();
	if (step->state == JDG_STEP_WAITING)
	{
		/* a run that was to begin later waits itself */
		rs->r.live -= step->parent < 0;
		jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
		jdg_skip_unreached(rs, node, step->base);
	}
	else if (step->state == JDG_STEP_RUNNING && jdg_node_is_leaf(node))
		cancel_leaf(rs, step, node);
	else if (step->state == JDG_STEP_RUNNING)
		cancel_container(rs, step, node);
	else if (!jdg_node_is_leaf(node))
		jdg_children_cancel(rs, step);	/* what it has left running */
}

/* The children of a container that has ended, or ends. */
void
jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *nodes = rs->plan->graph->nodes;
	JdgFlowStep *child;

	if (node->kind->cancel)
	{
		node->kind->cancel(rs, step);
		return;
	}
	for (int i = 0; i < node->nchildren; i++)
	{
		child = jdg_step_get(rs, jdg_step_place(&nodes[node->children[i]],
												step->base));
		if (child != NULL)
			jdg_step_cancel(rs, child);
	}
}
