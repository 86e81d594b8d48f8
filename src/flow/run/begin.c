/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  A node begins: it gets a row, then its kind takes over.
 *
 * A node without "after" begins at once.  Others wait for the nodes that they
 * name, and are skipped if those end so that they can never begin (join.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/fault.h"
#include "base/interval.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/begin.h"
#include "flow/run/end.h"
#include "flow/run/happened.h"
#include "flow/run/join.h"
#include "flow/run/timer.h"

void
jdg_node_begin(JdgRunState *rs, const JdgFlowNode *node, int64 parent,
			   int64 base, int idx, Jsonb *item)
{
	JdgFlowStep *step = jdg_step_make(rs, node, parent, base, idx);

	step->item = item;
	jdg_agenda_put(rs, JDG_ACT_BEGIN, step, NULL);
}

void
jdg_run_begin(JdgRunState *rs)
{
	rs->r.started_at = rs->pass->now;
	jdg_run_started(rs);
	jdg_node_begin(rs, &rs->plan->graph->nodes[0], -1, 0, -1, NULL);
}

/* A container counts its waiting children: they take no place in a group. */
static void
count_waiting(JdgRunState *rs, int64 parent, int change)
{
	JdgFlowStep *container = jdg_step_get(rs, parent);

	container->waiting += change;
	jdg_step_change(rs, container);
}

void
jdg_step_begin(JdgRunState *rs, JdgFlowStep *step)
{
	switch (jdg_step_ready(rs, jdg_step_node(rs, step), step->base))
	{
		case JDG_READY_GO:
			jdg_step_start(rs, step);
			break;
		case JDG_READY_WAIT:
			step->state = JDG_STEP_WAITING;
			count_waiting(rs, step->parent, 1);
			break;
		case JDG_READY_NEVER:
			jdg_step_never(rs, step);
			break;
	}
}

void
jdg_step_recheck(JdgRunState *rs, JdgFlowStep *step)
{
	JdgReady	ready;

	if (step->state != JDG_STEP_WAITING)
		return;
	ready = jdg_step_ready(rs, jdg_step_node(rs, step), step->base);
	if (ready == JDG_READY_WAIT)
		return;
	if (step->parent >= 0)
		count_waiting(rs, step->parent, -1);
	if (ready == JDG_READY_GO)
		jdg_step_start(rs, step);
	else
		jdg_step_never(rs, step);
}

static void
open_container(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	TimestampTz due = jdg_step_timeout(rs, node);

	step->total = node->nchildren;
	if (due != DT_NOBEGIN && step->due == DT_NOBEGIN)
		jdg_step_set_due(step, due);
}

void
jdg_step_start(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	step->state = JDG_STEP_RUNNING;
	step->started_at = rs->pass->now;
	if (step->parent < 0 && rs->r.timeout != NULL)
		jdg_step_set_due(step, jdg_time_after(rs->pass->now, rs->r.timeout));
	jdg_step_change(rs, step);
	jdg_step_happened(rs, step);
	JDG_FAULT("flow-step-starts");
	if (!jdg_node_is_leaf(node))
		open_container(rs, step, node);
	node->kind->begin(rs, step);
}
