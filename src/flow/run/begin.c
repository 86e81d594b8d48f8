/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  A node begins: its row, its task or timer, its first children.
 *
 * Runs where runs are advanced, see run.h.  Containers begin their children
 * by recursion, which is as deep as the graph is nested; what ends at once is
 * only noted, and its container told when this has returned (end.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/fault.h"
#include "base/interval.h"
#include "base/json.h"
#include "flow/kind/kind.h"
#include "flow/run/run.h"
#include "queue/queue.h"
#include "shared/wakeup.h"
#include "task/follow.h"
#include "task/wakeup.h"

/* Its time is over then; the scheduler is told. */
static void
set_due(JdgFlowStep *step, TimestampTz due)
{
	step->due = due;
	jdg_wake_scheduler_at_commit(JDG_WAKE_FLOWS);
}

/*
 * May the owner still use the queue that a task is meant for?  NULL: yes;
 * else the error.
 */
static Jsonb *
queue_error(Oid owner, int32 queue_id, bool *bounded)
{
	JdgQueue	q;

	if (!jdg_queue_by_id(queue_id, &q))
		return jdg_flow_error("NOT_FOUND",
							  "the queue of this step does not exist any more",
							  NULL);
	*bounded = q.max_depth > 0;
	if (queue_id != JDG_DEFAULT_QUEUE && !jdg_queue_usable(&q, owner))
		return jdg_flow_error("FORBIDDEN", "permission denied for the queue of this step",
							  psprintf("The queue is \"%s\".", q.name));
	return NULL;
}

/*
 * Make the task that a step waits for.  False: it can not be made, and
 * step->error says why.
 */
bool
jdg_step_task(JdgRunState *rs, JdgFlowStep *step, const JdgTask *template)
{
	JdgAdvance *adv = rs->adv;
	JdgTask    *t = palloc(sizeof(JdgTask));

	*t = *template;
	step->error = queue_error(rs->r.owner, t->queue_id, &t->bounded);
	jdg_step_change(rs, step);
	if (step->error != NULL)
		return false;
	t->task_id = jdg_task_next_id();
	t->owner = rs->r.owner;
	t->created_at = t->run_at = adv->now;
	t->scheduled_for = t->started_at = DT_NOBEGIN;
	t->tenant = rs->r.tenant;
	t->trace = rs->r.trace;
	t->flow_run = rs->r.run_id;
	t->step_id = step->step_id;
	t->step = unconstify(char *, jdg_step_node(rs, step)->name);
	t->state = rs->r.paused_at != DT_NOBEGIN ? JDG_STATE_PAUSED :
		jdg_state_without_dependencies(t);
	ItemPointerSetInvalid(&t->tid);
	if (!jdg_follow_take(rs->adv->follow, t))
	{
		if (adv->tasks == NULL)
			adv->tasks = jdg_task_writer_begin();
		jdg_task_writer_put(adv->tasks, t);
		jdg_wake_at_commit(t->owner, t);
	}
	adv->ntasks++;
	step->task_id = t->task_id;
	rs->r.live++;
	return true;
}

/* The task of a node: what a step is, what another has to find out first. */
void
jdg_step_start_task(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_step_task(rs, step, rs->plan->task[step->node]))
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, step->error, NULL);
}

/* A node waits, without a task. */
void
jdg_step_start_wait(JdgRunState *rs, JdgFlowStep *step, TimestampTz due)
{
	rs->r.live++;
	if (due != DT_NOBEGIN)
		set_due(step, due);
}

TimestampTz
jdg_step_timeout(JdgRunState *rs, const JdgFlowNode *node)
{
	return node->timeout ? jdg_time_after(rs->adv->now, node->timeout) :
		DT_NOBEGIN;
}

static void
open_container(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	TimestampTz due = jdg_step_timeout(rs, node);

	step->total = node->nchildren;
	if (due != DT_NOBEGIN && step->due == DT_NOBEGIN)
		set_due(step, due);
}

/* The row is there; now what it stands for begins. */
void
jdg_step_start(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	step->state = JDG_STEP_RUNNING;
	step->started_at = rs->adv->now;
	if (step->parent < 0 && rs->r.timeout != NULL)
		set_due(step, jdg_time_after(rs->adv->now, rs->r.timeout));
	jdg_step_change(rs, step);
	JDG_FAULT("flow-step-starts");
	if (!jdg_node_is_leaf(node))
		open_container(rs, step, node);
	node->kind->begin(rs, step);
}

/* It takes no place of those that may be under way at once. */
static void
note_waiting(JdgRunState *rs, int64 parent)
{
	JdgFlowStep *step = jdg_step_get(rs, parent);

	step->waiting++;
	jdg_step_change(rs, step);
}

/*
 * A row that is there: it begins, or waits for others, or is skipped for what
 * has become of them.
 */
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
			note_waiting(rs, step->parent);
			break;
		case JDG_READY_NEVER:
			jdg_step_never(rs, step);
			break;
	}
}

/* A node is come to. */
void
jdg_node_begin(JdgRunState *rs, const JdgFlowNode *node, int64 parent,
			   int64 base, int idx, Jsonb *item)
{
	JdgFlowStep *step = jdg_step_make(rs, node, parent, base, idx);

	step->item = item;
	jdg_step_begin(rs, step);
}

/* The whole run begins: its outermost node. */
void
jdg_run_begin(JdgRunState *rs)
{
	rs->r.started_at = rs->adv->now;
	jdg_node_begin(rs, &rs->plan->graph->nodes[0], -1, 0, -1, NULL);
}
