/*-------------------------------------------------------------------------
 *
 * happened.c
 *	  Tells modules what happens to runs and steps, see happened.h.
 *
 * Runs where a pass runs, in its transaction.  Data has ids, names and states,
 * never inputs, results or texts of commands.  A quiet run tells nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/json.h"
#include "flow/kind/kind.h"
#include "flow/run/happened.h"
#include "flow/run/value.h"
#include "shared/happening.h"

/* what happens when a step gets into a state; JDG_HAPPENINGS: nothing */
static const JdgHappening of_step[JDG_STEP_STATES] = {
	[JDG_STEP_WAITING] = JDG_HAPPENINGS,
	[JDG_STEP_RUNNING] = JDG_FLOW_STEP_STARTED,
	[JDG_STEP_COMPLETED] = JDG_FLOW_STEP_COMPLETED,
	[JDG_STEP_FAILED] = JDG_FLOW_STEP_FAILED,
	[JDG_STEP_SKIPPED] = JDG_FLOW_STEP_SKIPPED,
	[JDG_STEP_CANCELLED] = JDG_FLOW_STEP_CANCELLED,
	[JDG_STEP_TIMED_OUT] = JDG_FLOW_STEP_TIMED_OUT,
	[JDG_STEP_COMPENSATING] = JDG_HAPPENINGS,
	[JDG_STEP_COMPENSATED] = JDG_FLOW_STEP_COMPENSATED,
	[JDG_STEP_COMPENSATION_FAILED] = JDG_FLOW_STEP_COMPENSATION_FAILED,
};

/* what happens when a run gets its final status */
static JdgHappening
end_of_run(JdgFlowStatus status)
{
	switch (status)
	{
		case JDG_FLOW_STATUS_COMPLETED:
			return JDG_FLOW_COMPLETED;
		case JDG_FLOW_STATUS_FAILED:
			return JDG_FLOW_FAILED;
		case JDG_FLOW_STATUS_CANCELLED:
			return JDG_FLOW_CANCELLED;
		case JDG_FLOW_STATUS_TIMED_OUT:
			return JDG_FLOW_TIMED_OUT;
		case JDG_FLOW_STATUS_COMPENSATED:
			return JDG_FLOW_COMPENSATED;
		case JDG_FLOW_STATUS_COMPENSATION_FAILED:
			return JDG_FLOW_COMPENSATION_FAILED;
		case JDG_FLOW_STATUS_NONE:
		case JDG_FLOW_STATUS_RUNNING:
		case JDG_FLOW_STATUS_ENDING:
		case JDG_FLOW_STATUS_COMPENSATING:
			break;
	}
	return JDG_HAPPENINGS;
}

static bool
is_asked_for(const JdgRunState *rs, JdgHappening kind)
{
	return kind < JDG_HAPPENINGS && !rs->r.quiet && jdg_happens(kind);
}

/* The name of an error as in the view "history", or NULL. */
static const char *
code_of(Jsonb *stored, bool timed_out)
{
	Jsonb	   *error = jdg_step_jsonb(stored);
	const char *code = jdg_json_get_text(error, "error_code");
	const char *state = jdg_json_get_text(error, "sqlstate");

	if (timed_out)
		return "TASK_TIMEOUT";
	if (code != NULL || state == NULL || strlen(state) != 5)
		return code;
	return jdg_error_name(MAKE_SQLSTATE(state[0], state[1], state[2], state[3],
										state[4]));
}

/* The status that the type of an event ends with. */
static const char *
word_of(JdgHappening kind)
{
	return strchr(jdg_happening_type(kind), '.') + 1;
}

/* Begins an object with the run. */
static void
begin_data(JsonbParseState **st, const JdgRunState *rs)
{
	jdg_json_begin(st);
	jdg_json_int64(st, "run_id", rs->r.run_id);
	if (rs->plan->name != NULL)
	{
		jdg_json_text(st, "flow", rs->plan->name);
		jdg_json_int64(st, "version", rs->plan->version);
	}
}

/* Finishes the object.  All events of a run have its id as key. */
static void
happened(JsonbParseState **st, const JdgRunState *rs, JdgHappening kind)
{
	jdg_happened_to(kind, rs->r.owner, rs->r.tenant,
					psprintf("%lld", (long long) rs->r.run_id),
					jdg_json_finish(st));
}

static void
run_happened(const JdgRunState *rs, JdgHappening kind)
{
	const JdgFlowRun *r = &rs->r;
	JsonbParseState *st = NULL;

	if (!is_asked_for(rs, kind))
		return;
	begin_data(&st, rs);
	if (r->parent_run != 0)
		jdg_json_int64(&st, "parent_run", r->parent_run);
	if (r->schedule_id != 0)
	{
		jdg_json_int64(&st, "schedule_id", r->schedule_id);
		jdg_json_text(&st, "schedule", r->schedule);
	}
	if (r->task_id != 0)
		jdg_json_int64(&st, "task_id", r->task_id);
	if (kind != JDG_FLOW_STARTED)
	{
		jdg_json_text(&st, "status", word_of(kind));
		jdg_json_text(&st, "error_code",
					  code_of(r->error, kind == JDG_FLOW_TIMED_OUT));
		jdg_json_text(&st, "reason", r->reason);
	}
	happened(&st, rs, kind);
}

void
jdg_run_started(const JdgRunState *rs)
{
	run_happened(rs, JDG_FLOW_STARTED);
}

void
jdg_run_ended(const JdgRunState *rs)
{
	run_happened(rs, end_of_run(rs->r.status));
}

void
jdg_step_happened(const JdgRunState *rs, const JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	JdgHappening kind = of_step[step->state];
	JsonbParseState *st = NULL;

	/* views do not show a node that was made around the flow, either */
	if (!is_asked_for(rs, kind) || node->no < rs->plan->graph->first_child)
		return;
	begin_data(&st, rs);
	jdg_json_int64(&st, "step_id", step->step_id);
	jdg_json_text(&st, "step", node->name);
	jdg_json_text(&st, "kind", node->kind->name);
	if (step->task_id != 0)
		jdg_json_int64(&st, "task_id", step->task_id);
	if (step->child_run != 0)
		jdg_json_int64(&st, "child_run", step->child_run);
	if (step->attempts > 0)
		jdg_json_int64(&st, "attempts", step->attempts);
	if (kind != JDG_FLOW_STEP_STARTED)
	{
		jdg_json_text(&st, "status", word_of(kind));
		jdg_json_text(&st, "error_code",
					  code_of(step->error, kind == JDG_FLOW_STEP_TIMED_OUT));
		jdg_json_text(&st, "reason", step->reason);
	}
	happened(&st, rs, kind);
}
