/*-------------------------------------------------------------------------
 *
 * advance.c
 *	  Where flows are moved on: when tasks end, when a time has come, when a
 *	  session asks for something.
 *
 * The ends of tasks are told by jdg_settle() in the transaction that settles
 * them, before it locks anything else: in a worker or in the scheduler the
 * runs are locked and advanced right there.  A session that cancels a step's
 * task, and a worker whose transaction would not see what others have
 * committed, leave a message instead.
 *
 * Locks: those of the runs (JDG_LOCK_RUN), in ascending order, at the
 * beginning of a pass; then rows of tasks that are cancelled, never waited
 * for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/locks.h"
#include "base/spi.h"
#include "flow/kind/kind.h"
#include "flow/run/advance.h"
#include "flow/run/data.h"
#include "flow/run/message.h"
#include "flow/run/run.h"
#include "shared/wakeup.h"
#include "task/locktask.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* a pass is under way: tasks that it settles itself are its own affair */
static bool advancing = false;

/* how a task has ended, for its step */
typedef struct TaskEnd
{
	int64		task_id;
	char		status;			/* JDG_STATUS_* */
	bool		timed_out;
	int			attempts;
	TimestampTz started_at;
	Jsonb	   *result;
	Jsonb	   *error;
	const char *reason;
} TaskEnd;

static JdgStepState
bad_state(const TaskEnd *e)
{
	return e->timed_out ? JDG_STEP_TIMED_OUT :
		e->status == JDG_STATUS_CANCELLED ? JDG_STEP_CANCELLED :
		JDG_STEP_FAILED;
}

/* The task that a step waits for has ended for good. */
static void
task_ended(JdgRunState *rs, int64 step_id, const TaskEnd *e)
{
	JdgFlowStep *step = jdg_step_get(rs, step_id);
	const JdgKind *kind;

	/* a message about a task that another has taken the place of, or twice */
	if (step == NULL || step->task_id != e->task_id)
		return;
	step->attempts = e->attempts;
	jdg_step_change(rs, step);
	if (step->state == JDG_STEP_COMPENSATING)
	{
		jdg_compensation_ended(rs, step, e->status == JDG_STATUS_COMPLETED,
							   e->error);
		return;
	}
	if (!jdg_step_is_open(step) && jdg_node_is_leaf(jdg_step_node(rs, step)))
		return;					/* told before */
	kind = jdg_step_node(rs, step)->kind;
	if (kind->found_out == NULL)
	{
		/* skip_step() has asked for it */
		if (e->status == JDG_STATUS_CANCELLED && step->reason != NULL)
		{
			jdg_leaf_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, step->reason);
			return;
		}
		if (e->started_at != DT_NOBEGIN)
			step->started_at = e->started_at;
		jdg_leaf_end(rs, step, e->status == JDG_STATUS_COMPLETED ?
					 JDG_STEP_COMPLETED : bad_state(e),
					 jdg_flow_result(e->result), e->error, e->reason);
		return;
	}
	step->task_id = 0;
	rs->r.live--;
	if (step->state != JDG_STEP_RUNNING || rs->r.status != JDG_FLOW_STATUS_RUNNING)
	{
		/* it was ended meanwhile, and waited for nothing but this */
		if (jdg_step_is_open(step))
			jdg_step_end_quietly(rs, step, JDG_STEP_CANCELLED, NULL);
		return;
	}
	if (e->status == JDG_STATUS_COMPLETED && !step->cancelling)
		kind->found_out(rs, step, e->result);
	else if (step->reason != NULL && strcmp(step->reason, JDG_BY_HAND) == 0)
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, step->reason);
	else
		jdg_step_end(rs, step, e->status == JDG_STATUS_COMPLETED ?
					 JDG_STEP_CANCELLED : bad_state(e), NULL, e->error,
					 e->reason);
}

static void
end_of(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d, TaskEnd *e)
{
	e->task_id = t->task_id;
	e->status = d->status;
	e->timed_out = d->error_code != NULL &&
		strcmp(d->error_code, "TASK_TIMEOUT") == 0;
	e->attempts = t->attempt;
	e->started_at = o->started_at;
	e->result = o->result;
	e->error = o->error;
	if (e->error == NULL && d->error_code != NULL)
		e->error = jdg_flow_error(d->error_code,
								  o->end == JDG_END_CRASHED ||
								  o->end == JDG_END_LOST ?
								  "the worker process died while it ran the step" :
								  o->reason ? o->reason : "the step has failed",
								  NULL);
	e->reason = o->reason;
}

/* Steps that this transaction settles, in one pass. */
static void
settle_steps(JdgEnds *ends)
{
	JdgTask    *tasks = ends->tasks;
	const JdgOutcome *o = ends->outcomes;
	JdgDecision *d = ends->decisions;
	int			n = ends->n;
	int64	   *runs = palloc(sizeof(int64) * n);
	int			nruns = 0;
	JdgAdvance *adv;
	JdgInternal in;

	for (int i = 0; i < n; i++)
	{
		if (tasks[i].flow_run != 0)
			runs[nruns++] = tasks[i].flow_run;
	}
	jdg_advance_lock(runs, nruns);
	JDG_FAULT("flow-locked");
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	adv = jdg_advance_begin();
	adv->follow = ends->follow;
	adv->settling = tasks;
	adv->decisions = d;
	adv->nsettling = n;
	for (int i = 0; i < n; i++)
	{
		JdgRunState *rs;
		JdgFlowStep *step;
		TaskEnd		e;

		if (tasks[i].flow_run == 0)
			continue;
		rs = jdg_advance_run(adv, tasks[i].flow_run);
		if (rs == NULL)
			continue;
		step = jdg_step_get(rs, tasks[i].step_id);
		if (d[i].stays && step != NULL && step->cancelling)
		{
			/* it is not wanted any more */
			d[i].stays = false;
			d[i].status = JDG_STATUS_CANCELLED;
			d[i].error_code = NULL;
		}
		if (d[i].stays)
			continue;
		end_of(&tasks[i], &o[i], &d[i], &e);
		task_ended(rs, tasks[i].step_id, &e);
	}
	jdg_advance_finish(adv);
	jdg_internal_end(&in);
	PopActiveSnapshot();
}

static Jsonb *
end_to_jsonb(const TaskEnd *e)
{
	JsonbParseState *st;
	char		status[2] = {e->status, '\0'};

	jdg_json_begin(&st);
	jdg_json_int64(&st, "task_id", e->task_id);
	jdg_json_text(&st, "status", status);
	jdg_json_int64(&st, "attempts", e->attempts);
	if (e->timed_out)
		jdg_json_text(&st, "timed_out", "yes");
	jdg_json_jsonb(&st, "result", e->result);
	jdg_json_jsonb(&st, "error", e->error);
	jdg_json_text(&st, "reason", e->reason);
	return jdg_json_finish(&st);
}

static void
end_from_jsonb(Jsonb *j, TaskEnd *e)
{
	e->task_id = jdg_json_get_int64(j, "task_id");
	e->status = jdg_json_get_text(j, "status")[0];
	e->attempts = (int) jdg_json_get_int64(j, "attempts");
	e->timed_out = jdg_json_get_text(j, "timed_out") != NULL;
	e->started_at = DT_NOBEGIN;
	e->result = jdg_json_get(j, "result");
	e->error = jdg_json_get(j, "error");
	e->reason = jdg_json_get_text(j, "reason");
}

/* A step's task has ended in a session, or where runs are not locked. */
void
jdg_task_told(JdgRunState *rs, int64 step_id, Jsonb *payload)
{
	TaskEnd		e;

	end_from_jsonb(payload, &e);
	task_ended(rs, step_id, &e);
}

/* The same told by a message. */
static void
report_steps(const JdgEnds *ends)
{
	const JdgTask *tasks = ends->tasks;
	JdgInternal in;

	jdg_internal_begin(&in);
	for (int i = 0; i < ends->n; i++)
	{
		TaskEnd		e;

		if (tasks[i].flow_run == 0 || ends->decisions[i].stays)
			continue;
		end_of(&tasks[i], &ends->outcomes[i], &ends->decisions[i], &e);
		jdg_flow_message(JDG_MESSAGE_TASK_ENDED, tasks[i].flow_run,
						 tasks[i].step_id, NULL, end_to_jsonb(&e));
	}
	jdg_internal_end(&in);
}

static bool
is_step(const JdgTask *task)
{
	return task->flow_run != 0;
}

/* Steps have ended: see base/module.h. */
static void
steps_decided(JdgEnds *ends)
{
	if (advancing)
		return;
	if (!ends->final || IsolationUsesXactSnapshot())
	{
		report_steps(ends);
		return;
	}
	advancing = true;
	PG_TRY();
	{
		settle_steps(ends);
	}
	PG_FINALLY();
	{
		advancing = false;
	}
	PG_END_TRY();
}

const JdgEndFollower jdg_flow_follower = {is_step, steps_decided, NULL};

/* ------------------------------------------------------------- a new run */

int64
jdg_flow_begin(JdgFlowRun *run, TimestampTz start_at)
{
	static JdgQuery twin = {
		"SELECT run_id FROM jadugar_internal.flow_run WHERE owner = $1 "
		"AND idempotency_key = $2", 2, {OIDOID, TEXTOID}
	};
	JdgAdvance *adv = jdg_advance_begin();
	JdgRunState *rs;

	run->run_id = jdg_flow_run_next_id();
	run->status = JDG_FLOW_STATUS_RUNNING;
	run->compensate = true;
	run->last_done = -1;
	run->created_at = adv->now;
	run->started_at = run->finished_at = DT_NOBEGIN;
	rs = jdg_advance_new_run(adv, run);
	rs->r.next_id = rs->plan->graph->nnodes;
	while (run->idempotency_key != NULL && !ItemPointerIsValid(&rs->r.tid))
	{
		Datum		v[2] = {ObjectIdGetDatum(run->owner),
		CStringGetTextDatum(run->idempotency_key)};

		CHECK_FOR_INTERRUPTS();
		if (!jdg_flow_run_insert_once(&rs->r) &&
			jdg_run_latest(&twin, v, NULL) > 0)
			return jdg_col_int64(0, 1, 0);
	}
	if (start_at > adv->now)
	{
		JdgFlowStep *root = jdg_step_make(rs, &rs->plan->graph->nodes[0], -1,
										  0, -1);

		root->state = JDG_STEP_WAITING;
		root->due = start_at;
		rs->r.live++;
		jdg_wake_scheduler_at_commit(JDG_WAKE_FLOWS);
	}
	else
		jdg_run_begin(rs);
	jdg_advance_finish(adv);
	return rs->r.run_id;
}
