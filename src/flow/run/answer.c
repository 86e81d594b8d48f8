/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  What a wait has waited for has come, or its time is over.
 *
 * Runs where runs are advanced, see run.h.  A signal that is there when a
 * time is over counts: it came first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "flow/run/message.h"
#include "flow/run/run.h"

static char *
who_refused(Jsonb *verdict)
{
	char	   *by = jdg_json_get_text(verdict, "by");
	char	   *comment = jdg_json_get_text(verdict, "comment");

	return psprintf("By %s%s%s", by ? by : "somebody", comment ? ": " : ".",
					comment ? comment : "");
}

/* What it has waited for is there. */
void
jdg_wait_over(JdgRunState *rs, JdgFlowStep *step, Jsonb *payload)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (node->kind == JDG_FLOW_APPROVAL && !jdg_json_get_bool(payload, "approved"))
		jdg_leaf_end(rs, step, JDG_STEP_FAILED, payload,
					 jdg_flow_error("TASK_EXECUTION_ERROR",
									"the approval was refused",
									who_refused(payload)),
					 psprintf("step \"%s\" was rejected", node->name));
	else
		jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, payload, NULL, NULL);
}

/* What flow_step.event says while a wait is open. */
char *
jdg_flow_event_name(const JdgFlowNode *node)
{
	switch (node->kind)
	{
		case JDG_FLOW_APPROVAL:
			return psprintf("approval:%s", node->name);
		case JDG_FLOW_WAIT_SIGNAL:
			return psprintf("signal:%s", node->text);
		default:
			return psprintf("event:%s", node->text);
	}
}

/* Has a signal come already, or an approval been decided?  Then take it. */
bool
jdg_take_signal(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	Jsonb	   *payload;

	if (rs->is_new)
		return false;
	if (!jdg_flow_signal_take(node->kind == JDG_FLOW_APPROVAL ?
							  JDG_MESSAGE_VERDICT : JDG_MESSAGE_SIGNAL,
							  rs->r.run_id, node->kind == JDG_FLOW_APPROVAL ?
							  node->name : node->text, &payload))
		return false;
	jdg_wait_over(rs, step, payload);
	return true;
}

static void
wait_timed_out(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	JsonbParseState *st = NULL;
	JsonbValue	v;

	if (!node->timeout_continues)
	{
		jdg_leaf_end(rs, step, JDG_STEP_TIMED_OUT, NULL,
					 jdg_flow_error("TASK_TIMEOUT",
									"what it waited for did not come in time",
									NULL), NULL);
		return;
	}
	(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	v.type = jbvString;
	v.val.string.val = "timed_out";
	v.val.string.len = 9;
	(void) pushJsonbValue(&st, WJB_KEY, &v);
	v.type = jbvBool;
	v.val.boolean = true;
	(void) pushJsonbValue(&st, WJB_VALUE, &v);
	jdg_leaf_end(rs, step, JDG_STEP_COMPLETED,
				 JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL)),
				 NULL, "timed_out");
}

static void
container_timed_out(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_cancel(rs, step);
	jdg_step_end(rs, step, JDG_STEP_TIMED_OUT, NULL,
				 jdg_flow_error("TASK_TIMEOUT", "it did not end in time", NULL),
				 NULL);
}

static void
loop_due(JdgRunState *rs, JdgFlowStep *step, const JdgFlowNode *node)
{
	TimestampTz end = DT_NOEND;

	if (node->timeout)
		end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													  TimestampTzGetDatum(step->started_at),
													  IntervalPGetDatum(node->timeout)));
	if (rs->adv->now >= end)
	{
		container_timed_out(rs, step);
		return;
	}
	step->due = end == DT_NOEND ? DT_NOBEGIN : end;
	jdg_step_change(rs, step);
	if (step->waiting > 0)
	{
		rs->r.live--;
		jdg_loop_pass(rs, step);
	}
}

/* The time of a row has come. */
void
jdg_step_due(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	if (step->due == DT_NOBEGIN || step->due > rs->adv->now)
		return;
	if (step->state == JDG_STEP_WAITING && step->parent < 0)
	{
		/* a run that was to begin later */
		step->due = DT_NOBEGIN;
		rs->r.started_at = rs->adv->now;
		rs->r.live--;
		jdg_step_start(rs, step);
		return;
	}
	if (step->state != JDG_STEP_RUNNING || node->kind == JDG_FLOW_STEP)
	{
		step->due = DT_NOBEGIN;
		jdg_step_change(rs, step);
		return;
	}
	switch (node->kind)
	{
		case JDG_FLOW_SLEEP:
			jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
			break;
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
			if (!jdg_take_signal(rs, step))
				wait_timed_out(rs, step, node);
			break;
		case JDG_FLOW_WAIT_EVENT:
			wait_timed_out(rs, step, node);
			break;
		case JDG_FLOW_SUB_FLOW:
			step->due = DT_NOBEGIN;
			step->reason = "timed_out";
			jdg_step_cancel(rs, step);
			break;
		case JDG_FLOW_LOOP:
			loop_due(rs, step, node);
			break;
		case JDG_FLOW_STEP:
			break;
		case JDG_FLOW_CHAIN:
		case JDG_FLOW_PARALLEL:
		case JDG_FLOW_BRANCH:
		case JDG_FLOW_EACH:
			container_timed_out(rs, step);
			break;
	}
}
