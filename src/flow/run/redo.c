/*-------------------------------------------------------------------------
 *
 * redo.c
 *	  Steps once more, or not at all: retry_step(), skip_step().
 *
 * Done by the scheduler, with the lock of the run.  A run that has ended goes
 * on from where it was: what has completed stays, what had failed or was
 * cancelled begins again, what was skipped for it is not come to yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "flow/run/message.h"
#include "flow/run/redo.h"
#include "task/resolve.h"
#include "task/wakeup.h"

/*
 * What begins is only noted while rows are looked at: whether it may, after
 * what it names, can be told when all that begins again is open.
 */
typedef struct Redo
{
	int64		skip;			/* the step that is passed over; -1: none */
	List	   *begin;			/* steps that begin, groups to be filled */
} Redo;

static void resume(JdgRunState *rs, JdgFlowStep *step, Redo *redo);

/* An ended run that nothing has been undone of can go on. */
static bool
can_go_on(const JdgFlowRun *r)
{
	return r->status == JDG_FLOW_STATUS_FAILED || r->status == JDG_FLOW_STATUS_TIMED_OUT ||
		r->status == JDG_FLOW_STATUS_CANCELLED;
}

const char *
jdg_flow_retry_refused(const JdgFlowRun *r, const JdgFlowNode *node,
					   const JdgFlowStep *step)
{
	if (step->state == JDG_STEP_COMPENSATION_FAILED)
		return NULL;
	if (!jdg_flow_is_leaf(node))
		return "It is not a step or a wait.";
	if (r->status == JDG_FLOW_STATUS_COMPENSATED || r->status == JDG_FLOW_STATUS_COMPENSATION_FAILED)
		return "What the run had done has been undone.";
	if (r->status == JDG_FLOW_STATUS_RUNNING && step->state == JDG_STEP_RUNNING &&
		step->task_id != 0)
		return NULL;
	if (!can_go_on(r))
		return "The run has not failed.";
	if (!jdg_step_is_bad(step))
		return "The step has not failed.";
	return NULL;
}

const char *
jdg_flow_skip_refused(const JdgFlowRun *r, const JdgFlowNode *node,
					  const JdgFlowStep *step)
{
	if (step->state == JDG_STEP_COMPENSATION_FAILED)
		return NULL;
	if (!jdg_flow_is_leaf(node))
		return "It is not a step or a wait.";
	if (r->status == JDG_FLOW_STATUS_COMPENSATED || r->status == JDG_FLOW_STATUS_COMPENSATION_FAILED)
		return "What the run had done has been undone.";
	if (r->status == JDG_FLOW_STATUS_RUNNING &&
		(step->state == JDG_STEP_RUNNING || step->state == JDG_STEP_WAITING))
		return NULL;
	if (!can_go_on(r))
		return "The run has ended, or is ending.";
	if (!jdg_step_is_bad(step))
		return "The step has not failed.";
	return NULL;
}

/* ------------------------------------------------- a run that has ended */

static void
reset(JdgRunState *rs, JdgFlowStep *step)
{
	step->state = JDG_STEP_RUNNING;
	step->finished_at = step->due = DT_NOBEGIN;
	step->error = step->result = NULL;
	step->reason = step->event = NULL;
	step->cancelling = false;
	step->task_id = step->child_run = 0;
	step->attempts = 0;
	jdg_step_change(rs, step);
}

static void
forget_rows(JdgRunState *rs, int64 first, int64 end)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND step_id >= $2 AND step_id < $3", 3, {INT8OID, INT8OID, INT8OID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id), Int64GetDatum(first),
	Int64GetDatum(end)};

	if (first == end)
		return;
	jdg_run(&q, v, NULL, 0);
	jdg_advance_forget(rs, first, end);
}

/* Rows of nodes that are not come to any more. */
static void
forget(JdgRunState *rs, const JdgFlowNode *node, int64 base)
{
	forget_rows(rs, jdg_step_place(node, base),
				base + node->end - node->block);
}

static void
begin_later(JdgRunState *rs, JdgFlowStep *step, Redo *redo)
{
	step->state = JDG_STEP_WAITING;
	redo->begin = lappend(redo->begin, step);
}

/* Does a container go on after this child? */
static bool
is_done(const JdgFlowNode *node, const JdgFlowStep *step)
{
	return step->state == JDG_STEP_COMPLETED ||
		step->state == JDG_STEP_SKIPPED ||
		(jdg_step_is_bad(step) && node->on_failure == JDG_FAILURE_CONTINUE);
}

static void
resume_chain(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node,
			 Redo *redo)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	for (int i = 0; i < node->nchildren; i++)
	{
		const JdgFlowNode *child = &nodes[node->children[i]];
		JdgFlowStep *s = jdg_step_get(rs, jdg_step_place(child, step->base));

		if (s != NULL && is_done(child, s) && s->step_id != redo->skip)
			continue;
		for (int k = i + 1; k < node->nchildren; k++)
			forget(rs, &nodes[node->children[k]], step->base);
		if (s != NULL)
		{
			s->idx = i;
			resume(rs, s, redo);
		}
		else
			begin_later(rs, jdg_step_make(rs, child, step->step_id,
										  step->base, i), redo);
		return;
	}
	/* all were done, but the chain had been cancelled */
	jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
}

static JdgFlowStep *
child_row(JdgRunState *rs, const JdgFlowStep *step, const JdgFlowNode *node,
		  int i, const JdgFlowNode **child)
{
	const JdgFlowNode *nodes = rs->plan->graph->nodes;

	if (node->kind != JDG_FLOW_EACH)
	{
		*child = &nodes[node->children[i]];
		return jdg_step_get(rs, jdg_step_place(*child, step->base));
	}
	*child = &nodes[node->children[0]];
	return jdg_step_get(rs, step->child_base +
						(int64) i * ((*child)->end - (*child)->no));
}

static void
resume_parallel(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node,
				Redo *redo)
{
	step->ended = step->succeeded = step->failed = step->waiting = 0;
	for (int i = step->started; i < step->total &&
		 node->kind == JDG_FLOW_PARALLEL; i++)
		forget(rs, &rs->plan->graph->nodes[node->children[i]], step->base);
	for (int i = 0; i < step->started; i++)
	{
		const JdgFlowNode *child;
		JdgFlowStep *s = child_row(rs, step, node, i, &child);

		/* what was skipped may have been so for what failed */
		bool		done = is_done(child, s) && s->step_id != redo->skip &&
		(s->state != JDG_STEP_SKIPPED || (s->reason != NULL &&
										  strcmp(s->reason, JDG_BY_HAND) == 0));

		s->idx = i;
		if (done)
		{
			step->ended++;
			step->succeeded += s->state == JDG_STEP_COMPLETED;
		}
		else
			resume(rs, s, redo);
	}
	if (step->ended == step->total)
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
	else
		redo->begin = lappend(redo->begin, step);
}

static void
resume_branch(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node,
			  Redo *redo)
{
	for (int i = 0; i < node->nchildren; i++)
	{
		const JdgFlowNode *child;
		JdgFlowStep *s = child_row(rs, step, node, i, &child);

		if (s != NULL && s->state != JDG_STEP_SKIPPED)
		{
			s->idx = i;
			if (is_done(child, s) && s->step_id != redo->skip)
				jdg_step_end(rs, step, JDG_STEP_COMPLETED, s->result, NULL, NULL);
			else
				resume(rs, s, redo);
			return;
		}
	}
	/* its condition was not known yet, or could not be told */
	for (int i = 0; i < node->nchildren; i++)
		forget(rs, &rs->plan->graph->nodes[node->children[i]], step->base);
	jdg_step_start(rs, step);
}

static void
resume_loop(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node,
			Redo *redo)
{
	const JdgFlowNode *body = &rs->plan->graph->nodes[node->children[0]];
	JdgFlowStep *s = step->child_base < 0 ? NULL :
	jdg_step_get(rs, step->child_base);

	step->waiting = 0;
	if (s == NULL)
		jdg_loop_pass(rs, step);
	else if (!is_done(body, s) || s->step_id == redo->skip)
		resume(rs, s, redo);
	else if (!jdg_step_task(rs, step, rs->plan->task[step->node]))
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, step->error, NULL);
}

/* What had failed, or was cancelled for that, begins again. */
static void
resume(JdgRunState *rs, JdgFlowStep *step, Redo *redo)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	CHECK_FOR_INTERRUPTS();
	reset(rs, step);
	if (step->step_id == redo->skip)
	{
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, JDG_BY_HAND);
		return;
	}
	if (jdg_flow_is_leaf(node) || step->total == 0)
	{
		/* a container that never began has nothing but skipped rows */
		forget_rows(rs, step->step_id + 1,
					step->base + node->end - node->block);
		begin_later(rs, step, redo);
		return;
	}
	switch (node->kind)
	{
		case JDG_FLOW_CHAIN:
			resume_chain(rs, step, node, redo);
			break;
		case JDG_FLOW_EACH:
			if (step->child_base < 0)
				jdg_step_start(rs, step);
			else
				resume_parallel(rs, step, node, redo);
			break;
		case JDG_FLOW_PARALLEL:
			resume_parallel(rs, step, node, redo);
			break;
		case JDG_FLOW_BRANCH:
			resume_branch(rs, step, node, redo);
			break;
		case JDG_FLOW_LOOP:
			resume_loop(rs, step, node, redo);
			break;
		case JDG_FLOW_STEP:
		case JDG_FLOW_SLEEP:
		case JDG_FLOW_WAIT_EVENT:
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
		case JDG_FLOW_SUB_FLOW:
			break;
	}
}

static void
go_on(JdgRunState *rs, int64 skip)
{
	Redo		redo = {skip, NIL};
	ListCell   *lc;

	rs->r.status = JDG_FLOW_STATUS_RUNNING;
	rs->r.ending = JDG_FLOW_STATUS_NONE;
	rs->r.compensate = true;
	rs->r.error = NULL;
	rs->r.reason = NULL;
	rs->r.finished_at = DT_NOBEGIN;
	resume(rs, jdg_step_get(rs, 0), &redo);
	foreach(lc, redo.begin)
	{
		JdgFlowStep *step = lfirst(lc);

		if (step->state == JDG_STEP_WAITING)
			jdg_step_begin(rs, step);
		else
			jdg_step_fill(rs, step);
	}
}

/* --------------------------------------------------- one step of a run */

/* A compensation that has failed: again, or it is taken as done. */
static void
undo_again(JdgRunState *rs, JdgFlowStep *step, bool skip)
{
	rs->r.not_undone--;
	rs->r.status = JDG_FLOW_STATUS_COMPENSATING;
	rs->r.finished_at = DT_NOBEGIN;
	step->error = NULL;
	step->reason = skip ? JDG_BY_HAND : NULL;
	step->state = skip ? JDG_STEP_COMPENSATED : JDG_STEP_COMPLETED;
	jdg_step_change(rs, step);
	if (skip)
		return;
	/* the first to be undone */
	step->prev_done = rs->r.last_done;
	rs->r.last_done = step->step_id;
}

/* All of them, the newest first. */
void
jdg_flow_undo_again(JdgRunState *rs)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND state = $2 ORDER BY finished_at, step_id", 2,
		{INT8OID, CHAROID}
	};
	Datum		v[2] = {Int64GetDatum(rs->r.run_id),
	CharGetDatum(jdg_step_state_out(JDG_STEP_COMPENSATION_FAILED))};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
	{
		JdgFlowStep *step = jdg_step_get(rs, ids[i]);

		if (step->state == JDG_STEP_COMPENSATION_FAILED)
			undo_again(rs, step, false);
	}
}

/* The next attempt of a step that waits for it is made now. */
static void
run_now(JdgFlowStep *step)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET run_at = $2 WHERE task_id = $1", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[2];
	JdgTask		t;

	if (!jdg_task_load(step->task_id, true, &t, CurrentMemoryContext))
		return;
	if (t.state != JDG_STATE_SCHEDULED)
	{
		jdg_task_unchanged(&t);
		return;
	}
	t.run_at = jdg_now();
	v[0] = Int64GetDatum(t.task_id);
	v[1] = TimestampTzGetDatum(t.run_at);
	jdg_run(&q, v, NULL, 0);
	jdg_task_set_state(&t, JDG_STATE_READY);
}

void
jdg_flow_retry_step(JdgRunState *rs, int64 step_id)
{
	JdgFlowStep *step = jdg_step_get(rs, step_id);

	if (step == NULL ||
		jdg_flow_retry_refused(&rs->r, jdg_step_node(rs, step), step) != NULL)
		return;
	if (step->state == JDG_STEP_COMPENSATION_FAILED)
		undo_again(rs, step, false);
	else if (step->state == JDG_STEP_RUNNING)
		run_now(step);
	else
		go_on(rs, -1);
}

void
jdg_flow_skip_step(JdgRunState *rs, int64 step_id)
{
	JdgFlowStep *step = jdg_step_get(rs, step_id);

	if (step == NULL ||
		jdg_flow_skip_refused(&rs->r, jdg_step_node(rs, step), step) != NULL)
		return;
	if (step->state == JDG_STEP_COMPENSATION_FAILED)
		undo_again(rs, step, true);
	else if (step->state == JDG_STEP_RUNNING || step->state == JDG_STEP_WAITING)
	{
		bool		waiting = step->state == JDG_STEP_WAITING;

		jdg_step_cancel(rs, step);
		if (jdg_step_is_open(step))
		{
			/* a worker has it; it is skipped unless it completes all the same */
			step->reason = JDG_BY_HAND;
			return;
		}
		if (waiting && step->parent >= 0)
		{
			JdgFlowStep *container = jdg_step_get(rs, step->parent);

			container->waiting--;
			jdg_step_change(rs, container);
		}
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, JDG_BY_HAND);
	}
	else
		go_on(rs, step_id);
}
