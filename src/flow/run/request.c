/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Requests to a run that arrive as messages, see request.h.
 *
 * Runs in the scheduler, with the lock of the run: serve.c.  A request that
 * no longer applies, because the run has gone on since, has no effect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/owner.h"
#include "base/json.h"
#include "base/spi.h"
#include "flow/kind/kind.h"
#include "flow/run/awaited.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/ending.h"
#include "flow/run/redo.h"
#include "flow/run/request.h"
#include "flow/run/signal.h"
#include "flow/run/task_end.h"
#include "flow/run/value.h"
#include "shared/slot.h"
#include "task/key.h"
#include "task/resolve.h"
#include "task/wakeup.h"

/* A signal: an open wait takes the oldest one; without a wait it is kept. */
static void
serve_signal(JdgRunState *rs, const JdgFlowMessage *m)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE event = $1 "
		"AND wait_owner IS NULL AND run_id = $2 ORDER BY step_id", 2, {TEXTOID, INT8OID}
	};
	Datum		v[2] = {CStringGetTextDatum(jdg_message_event(m->kind, m->name)),
	Int64GetDatum(rs->r.run_id)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
	{
		JdgFlowStep *step = jdg_step_get(rs, ids[i]);

		if (step->state == JDG_STEP_RUNNING && jdg_take_signal(rs, step))
			return;
	}
	jdg_flow_message_keep(m->message_id);
}

/* An event, unless its wait has ended; the step may have begun another one. */
static void
serve_event(JdgRunState *rs, const JdgFlowMessage *m)
{
	JdgFlowStep *step = jdg_step_get(rs, m->step_id);

	if (step != NULL && step->state == JDG_STEP_RUNNING &&
		step->wait_start != 0 && step->wait_start == m->wait_start)
		jdg_step_node(rs, step)->kind->answer(rs, step, m->payload);
}

/* Runs of sub_flows that are ending or being compensated. */
static void
kill_sub_flows(JdgRunState *rs)
{
	static JdgQuery q = {
		"SELECT child_run FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND child_run IS NOT NULL AND (state = $2 AND cancelling "
		"OR state = $3 AND task_id IS NULL)", 3, {INT8OID, CHAROID, CHAROID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id),
		CharGetDatum(jdg_step_state_out(JDG_STEP_RUNNING)),
	CharGetDatum(jdg_step_state_out(JDG_STEP_COMPENSATING))};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *runs = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		runs[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
		jdg_flow_message(JDG_MESSAGE_ABORT, runs[i], 0, "kill", NULL);
}

/* The run ends, or its compensation stops. */
static void
serve_abort(JdgRunState *rs, const JdgFlowMessage *m)
{
	bool		kill = strcmp(m->name, "kill") == 0;

	if (jdg_flow_run_is_over(rs->r.status))
		return;
	if (kill)
	{
		rs->r.compensate = false;
		kill_sub_flows(rs);
	}
	if (rs->r.status == JDG_FLOW_STATUS_RUNNING)
	{
		if (OidIsValid(m->role))
			rs->r.ended_by = jdg_role_name(m->role);
		jdg_run_fail(rs, JDG_FLOW_STATUS_CANCELLED, NULL, "aborted");
	}
	else if (kill && rs->r.status == JDG_FLOW_STATUS_COMPENSATING)
		jdg_run_leave_undone(rs);	/* the one under way is the last */
}

/* Stop the task of a step that is cancelled while a worker holds it. */
static void
serve_cancel(JdgRunState *rs, const JdgFlowMessage *m)
{
	JdgFlowStep *step = jdg_step_get(rs, m->step_id);

	if (step == NULL || step->task_id == 0 || !step->cancelling ||
		(!jdg_step_is_open(step) && jdg_node_is_leaf(jdg_step_node(rs, step))))
	{
		jdg_flow_message_done(m->message_id);
		return;
	}
	if (jdg_slot_find_task(MyDatabaseId, step->task_id, NULL))
		(void) jdg_slot_cancel_task(MyDatabaseId, step->task_id,
									JDG_CANCEL_TASK, InvalidOid);
	else
		(void) jdg_step_cancel_task(rs, step);
	/* deleted when the step has ended */
	jdg_flow_message_keep(m->message_id);
}

static JdgFlowStatus
get_status(const Jsonb *payload, const char *key)
{
	char	   *text = jdg_json_get_text(payload, key);

	return jdg_flow_status_in(text ? text[0] : '\0');
}

/* The run of a sub_flow has ended, or has been compensated. */
static void
serve_sub_ended(JdgRunState *rs, const JdgFlowMessage *m)
{
	JdgFlowStep *step = jdg_step_get(rs, m->step_id);
	JdgFlowStatus status = get_status(m->payload, "status");
	JdgFlowStatus ending = get_status(m->payload, "ending");
	JdgStepState state = JDG_STEP_FAILED;
	Jsonb	   *error = jdg_json_get(m->payload, "error");
	char	   *reason = jdg_json_get_text(m->payload, "reason");

	if (step == NULL)
		return;
	if (step->state == JDG_STEP_COMPENSATING)
	{
		jdg_compensation_ended(rs, step, status == JDG_FLOW_STATUS_COMPENSATED,
							   error);
		return;
	}
	if (step->state != JDG_STEP_RUNNING)
		return;
	if (status == JDG_FLOW_STATUS_COMPLETED)
		state = JDG_STEP_COMPLETED;
	else if (step->reason != NULL && strcmp(step->reason, JDG_SKIPPED_MANUALLY) == 0)
	{
		state = JDG_STEP_SKIPPED;
		reason = step->reason;
	}
	else if (step->reason != NULL)
	{
		state = JDG_STEP_TIMED_OUT;
		reason = step->reason;
		error = jdg_flow_error("TASK_TIMEOUT", "it did not end in time", NULL);
	}
	else if (ending == JDG_FLOW_STATUS_TIMED_OUT)
		state = JDG_STEP_TIMED_OUT;
	else if (ending == JDG_FLOW_STATUS_CANCELLED)
		state = JDG_STEP_CANCELLED;
	step->undoable = jdg_json_get(m->payload, "undoable") != NULL;
	jdg_leaf_end(rs, step, state, jdg_json_get(m->payload, "result"), error,
				 reason);
}

/* The task of a step has ended in a session, or where runs are not locked. */
static void
serve_task_ended(JdgRunState *rs, const JdgFlowMessage *m)
{
	JdgTaskEnd	e;

	jdg_task_end_from_jsonb(m->payload, &e);
	jdg_task_ended(rs, m->step_id, &e);
}

/* Put a task that is not running on hold, or let it go on. */
static void
pause_step(JdgRunState *rs, const JdgFlowStep *step, bool pause, Oid by)
{
	JdgTask		t;

	if (step->state != JDG_STEP_RUNNING &&
		step->state != JDG_STEP_COMPENSATING)
		return;
	if (step->child_run != 0)
		jdg_flow_message_as(pause ? JDG_MESSAGE_PAUSE : JDG_MESSAGE_RESUME,
							step->child_run, 0, NULL, NULL, by);
	if (step->task_id == 0 ||
		!jdg_task_load(step->task_id, true, &t, CurrentMemoryContext))
		return;
	if (t.state == JDG_STATE_FLOW)
		jdg_awaited_message(&t, pause ? JDG_MESSAGE_PAUSE :
							JDG_MESSAGE_RESUME, NULL, by);
	if (t.state == JDG_STATE_STANDALONE || t.state == JDG_STATE_FLOW ||
		(t.state == JDG_STATE_PAUSED) == pause)
	{
		jdg_task_unchanged(&t);
		return;
	}
	if (pause)
	{
		jdg_key_pause(&t, by);
	}
	else
		jdg_task_set_state(&t, jdg_state_without_dependencies(&t));
}

/* All steps of the run; those changed in this pass are not in the table yet. */
static void
pause_steps(JdgRunState *rs, bool pause, Oid by)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND state IN ($2, $3) AND (task_id IS NOT NULL "
		"OR child_run IS NOT NULL)", 3, {INT8OID, CHAROID, CHAROID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id),
		CharGetDatum(jdg_step_state_out(JDG_STEP_RUNNING)),
	CharGetDatum(jdg_step_state_out(JDG_STEP_COMPENSATING))};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	jdg_pass_write_tasks(rs->pass);
	for (int i = 0; i < rs->pass->nchanged; i++)
	{
		if (rs->pass->changed[i]->run_id == rs->r.run_id)
			pause_step(rs, rs->pass->changed[i], pause, by);
	}
	for (int64 i = 0; i < n; i++)
	{
		const JdgFlowStep *step = jdg_step_get(rs, ids[i]);

		if (!step->changed)
			pause_step(rs, step, pause, by);
	}
}

static void
serve_pause(JdgRunState *rs, bool pause, Oid by)
{
	if (jdg_flow_run_is_over(rs->r.status))
		return;
	rs->r.paused_at = pause ? rs->pass->now : DT_NOBEGIN;
	rs->r.paused_by = pause && OidIsValid(by) ? jdg_role_name(by) : NULL;
	pause_steps(rs, pause, by);
}

/*
 * Compensate a run that has completed, because the run that it is a step of is
 * being compensated; or try that once more.
 */
static void
serve_undo(JdgRunState *rs)
{
	if (!jdg_flow_run_is_over(rs->r.status))
		return;					/* the parent learns of its end */
	if (rs->r.status == JDG_FLOW_STATUS_COMPENSATION_FAILED)
		jdg_flow_undo_again(rs);
	else if (rs->r.status != JDG_FLOW_STATUS_COMPLETED)
		jdg_run_notify_parent(rs);	/* once more */
	else
	{
		rs->r.status = JDG_FLOW_STATUS_ENDING;
		rs->r.ending = JDG_FLOW_STATUS_CANCELLED;
		rs->r.reason = "undone_with_parent";
		rs->r.finished_at = DT_NOBEGIN;
	}
}

void
jdg_serve_message(JdgRunState *rs, const JdgFlowMessage *m)
{
	switch (m->kind)
	{
		case JDG_MESSAGE_SIGNAL:
		case JDG_MESSAGE_VERDICT:
			serve_signal(rs, m);
			return;
		case JDG_MESSAGE_EVENT:
			serve_event(rs, m);
			break;
		case JDG_MESSAGE_CANCEL:
			serve_cancel(rs, m);
			return;
		case JDG_MESSAGE_ABORT:
			serve_abort(rs, m);
			break;
		case JDG_MESSAGE_SUB_ENDED:
			serve_sub_ended(rs, m);
			break;
		case JDG_MESSAGE_TASK_ENDED:
			serve_task_ended(rs, m);
			break;
		case JDG_MESSAGE_PAUSE:
			serve_pause(rs, true, m->role);
			break;
		case JDG_MESSAGE_RESUME:
			serve_pause(rs, false, m->role);
			break;
		case JDG_MESSAGE_RETRY:
			jdg_flow_retry_step(rs, m->step_id);
			break;
		case JDG_MESSAGE_SKIP:
			jdg_flow_skip_step(rs, m->step_id);
			break;
		case JDG_MESSAGE_UNDO:
			serve_undo(rs);
			break;
		case JDG_MESSAGE_RUN_ENDED:
			Assert(false);		/* to a task: see awaited.c */
			break;
	}
	jdg_flow_message_done(m->message_id);
}
