/*-------------------------------------------------------------------------
 *
 * task_end.c
 *	  The task of a step has ended, see task_end.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "flow/kind/kind.h"
#include "flow/run/data.h"
#include "flow/run/end.h"
#include "flow/run/ending.h"
#include "flow/run/message.h"
#include "flow/run/task_end.h"
#include "flow/run/value.h"

static JdgStepState
bad_state(const JdgTaskEnd *e)
{
	return e->timed_out ? JDG_STEP_TIMED_OUT :
		e->status == JDG_STATUS_CANCELLED ? JDG_STEP_CANCELLED :
		JDG_STEP_FAILED;
}

void
jdg_task_ended(JdgRunState *rs, int64 step_id, const JdgTaskEnd *e)
{
	JdgFlowStep *step = jdg_step_get(rs, step_id);
	const JdgKind *kind;

	/* a message about a task that another has taken the place of, or twice */
	if (step == NULL || step->task_id != e->task_id)
		return;
	step->attempts = e->attempts;
	if (step->cancelling)
		jdg_flow_cancel_done(rs->r.run_id, step_id);
	jdg_step_change(rs, step);
	if (step->state == JDG_STEP_COMPENSATING)
	{
		jdg_compensation_ended(rs, step, e->status == JDG_STATUS_COMPLETED,
							   e->error);
		return;
	}
	if (!jdg_step_is_open(step) && jdg_node_is_leaf(jdg_step_node(rs, step)))
		return;					/* reported before */
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
	else if (step->reason != NULL && strcmp(step->reason, JDG_SKIPPED_MANUALLY) == 0)
		jdg_step_end(rs, step, JDG_STEP_SKIPPED, NULL, NULL, step->reason);
	else
		jdg_step_end(rs, step, e->status == JDG_STATUS_COMPLETED ?
					 JDG_STEP_CANCELLED : bad_state(e), NULL, e->error,
					 e->reason);
}

void
jdg_task_end_of(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d, JdgTaskEnd *e)
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

Jsonb *
jdg_task_end_to_jsonb(const JdgTaskEnd *e)
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

void
jdg_task_end_from_jsonb(Jsonb *j, JdgTaskEnd *e)
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
