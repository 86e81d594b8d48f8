/*-------------------------------------------------------------------------
 *
 * redo.c
 *	  Retrying and skipping steps: retry_step(), skip_step().
 *
 * Runs in the scheduler, with the lock of the run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "flow/kind/kind.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/happened.h"
#include "flow/run/redo.h"
#include "flow/run/resume.h"
#include "task/resolve.h"
#include "task/wakeup.h"

/* A run that has failed can go on, unless it has been compensated. */
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
	if (!jdg_node_is_leaf(node))
		return "It is not a step or a wait.";
	if (r->status == JDG_FLOW_STATUS_COMPENSATED || r->status == JDG_FLOW_STATUS_COMPENSATION_FAILED)
		return "The run has been compensated.";
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
	if (!jdg_node_is_leaf(node))
		return "It is not a step or a wait.";
	if (r->status == JDG_FLOW_STATUS_COMPENSATED || r->status == JDG_FLOW_STATUS_COMPENSATION_FAILED)
		return "The run has been compensated.";
	if (r->status == JDG_FLOW_STATUS_RUNNING &&
		(step->state == JDG_STEP_RUNNING || step->state == JDG_STEP_WAITING))
		return NULL;
	if (!can_go_on(r))
		return "The run has ended or is ending.";
	if (!jdg_step_is_bad(step))
		return "The step has not failed.";
	return NULL;
}

/* Repeat a compensation that has failed, or count it as done. */
static void
undo_again(JdgRunState *rs, JdgFlowStep *step, bool skip)
{
	rs->r.not_undone--;
	rs->r.status = JDG_FLOW_STATUS_COMPENSATING;
	rs->r.finished_at = DT_NOBEGIN;
	step->error = NULL;
	step->reason = skip ? JDG_SKIPPED_MANUALLY : NULL;
	step->state = skip ? JDG_STEP_COMPENSATED : JDG_STEP_COMPLETED;
	jdg_step_change(rs, step);
	if (skip)
	{
		jdg_step_happened(rs, step);
		return;
	}
	/* the first to be undone */
	step->prev_done = rs->r.last_done;
	rs->r.last_done = step->step_id;
}

/*
 * Repeat all of them, the last to complete first.  Times would not do: a clock
 * may be set back.
 */
void
jdg_flow_undo_again(JdgRunState *rs)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND state = $2 ORDER BY done_no", 2,
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

/* Make the next attempt now. */
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
	jdg_task_set_state(&t, jdg_state_without_dependencies(&t));
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
		jdg_run_resume(rs, -1);
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

		if (!jdg_leaf_cancel(rs, step))
		{
			/* a worker has it; it is skipped unless it still completes */
			step->reason = JDG_SKIPPED_MANUALLY;
			return;
		}
		if (waiting && step->parent >= 0)
		{
			JdgFlowStep *container = jdg_step_get(rs, step->parent);

			container->waiting--;
			jdg_step_change(rs, container);
		}
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, JDG_SKIPPED_MANUALLY);
	}
	else
		jdg_run_resume(rs, step_id);
}
