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

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/spi.h"
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
	if (jdg_flow_is_leaf(jdg_step_node(rs, step)))
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
	if (node->kind == JDG_FLOW_LOOP && step->waiting > 0)
	{
		/* between two passes */
		step->waiting = 0;
		rs->r.live--;
	}
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
	else if (step->state == JDG_STEP_RUNNING && jdg_flow_is_leaf(node))
		cancel_leaf(rs, step, node);
	else if (step->state == JDG_STEP_RUNNING)
		cancel_container(rs, step, node);
	else if (!jdg_flow_is_leaf(node))
		jdg_children_cancel(rs, step);	/* what it has left running */
}

static bool
leaves_rest(const JdgFlowNode *nodes, const JdgFlowNode *body)
{
	for (int i = body->no; i < body->end; i++)
	{
		if (nodes[i].rest_runs)
			return true;
	}
	return false;
}

/* What passes before this one have left running ("rest"). */
static void
cancel_passes(JdgRunState *rs, JdgFlowStep *step)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND parent = $2 AND step_id <> $3 ORDER BY step_id", 3,
		{INT8OID, INT8OID, INT8OID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id),
	Int64GetDatum(step->step_id), Int64GetDatum(step->child_base)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
		jdg_step_cancel(rs, jdg_step_get(rs, ids[i]));
}

/* The children of a container that has ended, or ends. */
void
jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *nodes = rs->plan->graph->nodes;
	JdgFlowStep *child;

	if (node->kind == JDG_FLOW_EACH || node->kind == JDG_FLOW_LOOP)
	{
		const JdgFlowNode *body = &nodes[node->children[0]];
		int			n = node->kind == JDG_FLOW_LOOP ? 1 : step->started;

		for (int i = 0; i < n && step->child_base >= 0; i++)
		{
			child = jdg_step_get(rs, step->child_base +
								 (int64) i * (body->end - body->no));
			if (child != NULL)
				jdg_step_cancel(rs, child);
		}
		if (node->kind == JDG_FLOW_LOOP && leaves_rest(nodes, body))
			cancel_passes(rs, step);
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
