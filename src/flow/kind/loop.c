/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  loop: its body again and again, while a condition holds.
 *
 *	{"loop": node, "while": condition, "max": 1000, "delay": interval}
 *
 * Its own task evaluates the condition after each pass.  Each pass has a block
 * of its own: child_base, and prev_base of the pass before.  During the delay
 * between two passes the row's "waiting" is 1.  "due" ends the delay, or the
 * loop if its timeout is earlier.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/interval.h"
#include "base/json.h"
#include "base/spi.h"
#include "flow/graph/parse.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/begin.h"
#include "flow/run/cancel.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/mermaid.h"
#include "flow/run/resume.h"
#include "flow/run/step_task.h"
#include "flow/run/timer.h"
#include "flow/run/value.h"

#define DEFAULT_PASSES	1000

static const JdgFlowArg args[] = {
	{"body", "loop", JDG_FLOW_ARG_FLOW, true},
	{"while", "while", JDG_FLOW_ARG_TEXT, true},
	{"max", "max", JDG_FLOW_ARG_INT},
	{"delay", "delay", JDG_FLOW_ARG_INTERVAL},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_loop);

Datum
jdg_flow_loop(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_loop);
}

static void
loop_parse(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	jdg_object_need(o, "while");
	node->text = jdg_object_condition(o, "while");
	node->max = jdg_object_int(o, "max", 1, DEFAULT_PASSES);
	node->interval = jdg_object_interval(o, "delay");
	jdg_parse_child(o, "loop", true);
}

/* ------------------------------------------------------------------ a run */

static const JdgFlowNode *
body_of(JdgRunState *rs, const JdgFlowStep *step)
{
	return &rs->plan->graph->nodes[jdg_step_node(rs, step)->children[0]];
}

/* The next pass, in a block of its own. */
static void
begin_pass(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *body = body_of(rs, step);

	step->prev_base = step->child_base;
	step->child_base = jdg_block_make(rs, body, 1);
	step->waiting = 0;
	jdg_step_change(rs, step);
	jdg_node_begin(rs, body, step->step_id, step->child_base,
				   step->started++, NULL);
}

static void
loop_child_ended(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child,
				 bool bad)
{
	if (bad)
	{
		jdg_step_fail_with(rs, step, child, NULL);
		return;
	}
	step->result = child->result;
	jdg_step_start_task(rs, step);
}

/* The condition has been evaluated. */
static void
loop_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	bool		again = jdg_json_get_bool(result, "ok");

	step->found = jdg_flow_bool(again);
	if (!again)
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, step->result, NULL, NULL);
	else if (step->started >= node->max)
		jdg_step_end(rs, step, JDG_STEP_FAILED, step->result,
					 jdg_flow_error("TASK_EXECUTION_ERROR",
									"the loop has reached its maximum number of passes",
									psprintf("It has made %d passes; the limit is %d.",
											 step->started, node->max)), NULL);
	else if (node->interval == NULL)
		begin_pass(rs, step);
	else
	{
		TimestampTz next = jdg_time_after(rs->pass->now, node->interval);

		step->waiting = 1;
		jdg_step_start_wait(rs, step, step->due == DT_NOBEGIN ? next :
							Min(next, step->due));
	}
}

/* The delay is over, or the time of the loop. */
static void
loop_due(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	TimestampTz end = DT_NOEND;

	if (node->timeout)
		end = jdg_time_after(step->started_at, node->timeout);
	if (rs->pass->now >= end)
	{
		jdg_container_time_out(rs, step);
		return;
	}
	step->due = end == DT_NOEND ? DT_NOBEGIN : end;
	jdg_step_change(rs, step);
	if (step->waiting > 0)
	{
		rs->r.live--;
		begin_pass(rs, step);
	}
}

static bool
leaves_rest(const JdgFlowNode *nodes, const JdgFlowNode *body)
{
	for (int i = body->no; i < body->end; i++)
	{
		if (nodes[i].rest_runs)
			return true;
	}
	return false;
}

/* Cancel nodes that earlier passes have left running ("rest"). */
static void
cancel_passes(JdgRunState *rs, JdgFlowStep *step)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND parent = $2 AND step_id <> $3 ORDER BY step_id", 3,
		{INT8OID, INT8OID, INT8OID}
	};
	Datum		v[3] = {Int64GetDatum(rs->r.run_id),
	Int64GetDatum(step->step_id), Int64GetDatum(step->child_base)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	for (int64 i = 0; i < n; i++)
		jdg_agenda_put(rs, JDG_ACT_CANCEL, jdg_step_get(rs, ids[i]), NULL);
}

/* The delay, the current pass, and the rest of earlier ones. */
static void
loop_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	JdgFlowStep *child = step->child_base < 0 ? NULL :
	jdg_step_get(rs, step->child_base);

	if (step->waiting > 0)
	{
		/* between two passes */
		step->waiting = 0;
		rs->r.live--;
	}
	if (child != NULL)
		jdg_agenda_put(rs, JDG_ACT_CANCEL, child, NULL);
	if (leaves_rest(rs->plan->graph->nodes, body_of(rs, step)))
		cancel_passes(rs, step);
}

/* From the pass that was under way, or from the condition after it. */
static void
loop_resume(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	JdgFlowStep *s = step->child_base < 0 ? NULL :
	jdg_step_get(rs, step->child_base);

	step->waiting = 0;
	if (s == NULL)
		begin_pass(rs, step);
	else if (!jdg_resume_is_done(body_of(rs, step), s, skip))
		jdg_resume_step(rs, s, skip);
	else
		jdg_step_start_task(rs, step);
}

/* ------------------------------------------------------------------- text */

static char *
loop_subject(const JdgFlowNode *node, int max)
{
	return psprintf("while %s", jdg_explain_line(node->text, max));
}

static void
loop_options(const JdgFlowNode *node, StringInfo line)
{
	jdg_explain_option(line, "max", psprintf("%d", node->max));
	if (node->interval)
		jdg_explain_option(line, "delay",
						   jdg_explain_interval(node->interval));
}

const JdgKind jdg_kind_loop = {
	.key = "loop",
	.name = "loop",
	.children = JDG_CHILDREN_PASSES,
	.args = args,
	.nargs = lengthof(args),
	.parse = loop_parse,
	.command = jdg_condition_command,
	.hint = JDG_CONDITION_HINT,
	.begin = begin_pass,
	.found_out = loop_found_out,
	.child_ended = loop_child_ended,
	.due = loop_due,
	.cancel = loop_cancel,
	.resume = loop_resume,
	.subject = loop_subject,
	.options = loop_options,
	.draw = jdg_chart_subgraph
};
