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

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/fault.h"
#include "base/json.h"
#include "flow/run/message.h"
#include "flow/run/run.h"
#include "queue/queue.h"
#include "shared/wakeup.h"
#include "task/follow.h"
#include "task/wakeup.h"

static TimestampTz
after_interval(TimestampTz t, const Interval *iv)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(t),
												   IntervalPGetDatum(iv)));
}

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

/* A leaf, or what a container has to find out first: a task. */
static void
start_task(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_step_task(rs, step, rs->plan->task[step->node]))
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, step->error, NULL);
}

/* A leaf that is no task waits. */
static void
start_wait(JdgRunState *rs, JdgFlowStep *step, TimestampTz due)
{
	rs->r.live++;
	if (due != DT_NOBEGIN)
		set_due(step, due);
}

static TimestampTz
timeout_of(JdgRunState *rs, const JdgFlowNode *node)
{
	return node->timeout ? after_interval(rs->adv->now, node->timeout) :
		DT_NOBEGIN;
}

static void
start_sleep(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	TimestampTz due;

	if (rs->plan->task[node->no] != NULL)
	{
		start_task(rs, step);
		return;
	}
	if (node->interval)
		due = after_interval(rs->adv->now, node->interval);
	else
		due = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
													  CStringGetDatum(node->text),
													  ObjectIdGetDatum(InvalidOid),
													  Int32GetDatum(-1)));
	start_wait(rs, step, due);
}

static void
start_event(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	if (rs->plan->task[node->no] != NULL)
	{
		start_task(rs, step);
		return;
	}
	step->event = jdg_flow_event_name(node);
	step->found = node->payload;
	start_wait(rs, step, timeout_of(rs, node));
}

static void
start_signal(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	step->event = jdg_flow_event_name(node);
	start_wait(rs, step, timeout_of(rs, node));
	(void) jdg_take_signal(rs, step);
}

/* A run of another flow, or of this one. */
void
jdg_sub_flow_start(JdgRunState *rs, JdgFlowStep *step, Jsonb *input)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	int64		version = jdg_flow_version_find(rs->r.owner, node->text,
												node->version);
	Jsonb	   *error = NULL;
	JdgFlowRun	r;
	JdgRunState *child;

	if (version == 0)
		error = jdg_flow_error("NOT_FOUND", "the flow does not exist",
							   psprintf("The flow is \"%s\".", node->text));
	else if (rs->r.depth + 1 >= JDG_FLOW_MAX_SUB_DEPTH)
		error = jdg_flow_error("VALIDATION_ERROR",
							   "sub_flows are nested too deep",
							   psprintf("The most is %d.",
										JDG_FLOW_MAX_SUB_DEPTH));
	else if (list_length(rs->adv->runs) > JDG_FLOW_MAX_ITEMS)
		error = jdg_flow_error("VALIDATION_ERROR",
							   "too many sub_flows begin at once",
							   psprintf("The most is %d.", JDG_FLOW_MAX_ITEMS));
	if (error != NULL)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, error, NULL);
		return;
	}
	memset(&r, 0, sizeof(r));
	r.run_id = jdg_flow_run_next_id();
	r.owner = rs->r.owner;
	r.version_id = version;
	r.depth = rs->r.depth + 1;
	r.parent_run = rs->r.run_id;
	r.parent_step = step->step_id;
	r.scheduled_for = r.paused_at = r.finished_at = DT_NOBEGIN;
	r.created_at = r.started_at = rs->adv->now;
	r.paused_at = rs->r.paused_at;
	r.input = input;
	r.tenant = rs->r.tenant;
	r.trace = rs->r.trace;
	r.status = JDG_FLOW_STATUS_RUNNING;
	r.compensate = true;
	r.last_done = -1;
	child = jdg_advance_new_run(rs->adv, &r);
	child->r.next_id = child->plan->graph->nnodes;
	step->child_run = r.run_id;
	start_wait(rs, step, timeout_of(rs, node));
	jdg_run_begin(child);
}

static void
start_sub_flow(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	if (rs->plan->task[node->no] != NULL)
		start_task(rs, step);
	else
		jdg_sub_flow_start(rs, step,
						   node->payload ? node->payload : rs->r.input);
}

/* One more child of a parallel or an each. */
static void
start_child(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node,
			Jsonb *items)
{
	int			i = step->started++;
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	if (node->kind == JDG_FLOW_EACH)
	{
		const JdgFlowNode *body = &nodes[node->children[0]];
		JsonbValue *v = getIthJsonbValueFromContainer(&items->root, i);

		jdg_node_begin(rs, body, step->step_id,
					   step->child_base + (int64) i * (body->end - body->no),
					   i, JsonbValueToJsonb(v));
	}
	else
		jdg_node_begin(rs, &nodes[node->children[i]], step->step_id,
					   step->base, i, NULL);
}

/* Start children of a parallel or an each, as many as may be under way. */
void
jdg_step_fill(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	Jsonb	   *items = NULL;

	if (step->started == step->total)
		return;
	if (node->kind == JDG_FLOW_EACH)
		items = jdg_step_jsonb(step->found);
	jdg_step_change(rs, step);
	while (step->started < step->total &&
		   (node->concurrency == 0 ||
			step->started - step->ended - step->waiting < node->concurrency))
	{
		CHECK_FOR_INTERRUPTS();
		start_child(rs, step, node, items);
	}
}

/* The items of an each are known. */
void
jdg_each_items(JdgRunState *rs, JdgFlowStep *step, Jsonb *items)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *body = &rs->plan->graph->nodes[node->children[0]];
	int			n;

	jdg_step_change(rs, step);
	if (items == NULL || !JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items))
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
					 jdg_flow_error("VALIDATION_ERROR",
									"the items of an each are not an array",
									NULL), NULL);
		return;
	}
	n = JB_ROOT_COUNT(items);
	if (n > JDG_FLOW_MAX_ITEMS)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
					 jdg_flow_error("VALIDATION_ERROR",
									"an each has too many items",
									psprintf("It has %d, the most is %d.", n,
											 JDG_FLOW_MAX_ITEMS)), NULL);
		return;
	}
	if (rs->r.next_id + (int64) (body->end - body->no) * n > JDG_FLOW_MAX_ROWS)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
					 jdg_flow_error("VALIDATION_ERROR",
									"the run has too many steps",
									psprintf("The most that items of an each may bring it to is %d.",
											 JDG_FLOW_MAX_ROWS)), NULL);
		return;
	}
	step->found = items;
	step->total = n;
	step->child_base = jdg_block_make(rs, body, n);
	if (n == 0)
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, items, NULL, NULL);
	else
		jdg_step_fill(rs, step);
}

static void
start_each(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	if (rs->plan->task[node->no] != NULL)
		start_task(rs, step);
	else
		jdg_each_items(rs, step,
					   DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														  CStringGetDatum(node->text))));
}

/* The next pass of a loop, in a block of its own. */
void
jdg_loop_pass(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *body = &rs->plan->graph->nodes[node->children[0]];

	step->prev_base = step->child_base;
	step->child_base = jdg_block_make(rs, body, 1);
	step->waiting = 0;
	jdg_step_change(rs, step);
	jdg_node_begin(rs, body, step->step_id, step->child_base,
				   step->started++, NULL);
}

/* The condition of a branch is known. */
void
jdg_branch_take(JdgRunState *rs, JdgFlowStep *step, bool yes)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	const JdgFlowNode *nodes = rs->plan->graph->nodes;
	int			taken = yes ? 0 : 1;

	for (int i = 0; i < node->nchildren; i++)
	{
		if (i != taken)
			jdg_skip_subtree(rs, &nodes[node->children[i]], step->step_id,
							 step->base);
	}
	if (taken < node->nchildren)
		jdg_node_begin(rs, &nodes[node->children[taken]], step->step_id,
					   step->base, taken, NULL);
	else
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
}

static void
start_container(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;
	TimestampTz due = timeout_of(rs, node);

	step->total = node->nchildren;
	if (due != DT_NOBEGIN && step->due == DT_NOBEGIN)
		set_due(step, due);
	switch (node->kind)
	{
		case JDG_FLOW_CHAIN:
			jdg_node_begin(rs, &nodes[node->children[0]], step->step_id,
						   step->base, 0, NULL);
			break;
		case JDG_FLOW_PARALLEL:
			jdg_step_fill(rs, step);
			break;
		case JDG_FLOW_BRANCH:
			start_task(rs, step);
			break;
		case JDG_FLOW_EACH:
			start_each(rs, step, node);
			break;
		case JDG_FLOW_LOOP:
			jdg_loop_pass(rs, step);
			break;
		case JDG_FLOW_STEP:
		case JDG_FLOW_SLEEP:
		case JDG_FLOW_WAIT_EVENT:
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
		case JDG_FLOW_SUB_FLOW:
			elog(ERROR, "node %d is no container", node->no);
	}
}

/* The row is there; now what it stands for begins. */
void
jdg_step_start(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	step->state = JDG_STEP_RUNNING;
	step->started_at = rs->adv->now;
	if (step->parent < 0 && rs->r.timeout != NULL)
		set_due(step, after_interval(rs->adv->now, rs->r.timeout));
	jdg_step_change(rs, step);
	JDG_FAULT("flow-step-starts");
	switch (node->kind)
	{
		case JDG_FLOW_STEP:
			start_task(rs, step);
			break;
		case JDG_FLOW_SLEEP:
			start_sleep(rs, step, node);
			break;
		case JDG_FLOW_WAIT_EVENT:
			start_event(rs, step, node);
			break;
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
			start_signal(rs, step, node);
			break;
		case JDG_FLOW_SUB_FLOW:
			start_sub_flow(rs, step, node);
			break;
		case JDG_FLOW_CHAIN:
		case JDG_FLOW_PARALLEL:
		case JDG_FLOW_BRANCH:
		case JDG_FLOW_EACH:
		case JDG_FLOW_LOOP:
			start_container(rs, step, node);
			break;
	}
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
