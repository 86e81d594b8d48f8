/*-------------------------------------------------------------------------
 *
 * each.c
 *	  each: its body once for each item.
 *
 *	{"each": array | path | query, "do": node, "concurrency", "completion",
 *	 "n", "rest"}
 *
 * Unless the items are an array, its own task finds them.  The rows of all
 * items are reserved at once: the body of item i begins at
 * child_base + i * (number of nodes in the body).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/json.h"
#include "flow/graph/parse.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/group.h"
#include "flow/kind/kind.h"
#include "flow/run/agenda.h"
#include "flow/run/begin.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/mermaid.h"
#include "flow/run/resume.h"
#include "flow/run/step_task.h"
#include "flow/run/value.h"

#define MAX_ITEMS	100000
/* of a run, counting those of all items */
#define MAX_ROWS	1000000

static const JdgFlowArg args[] = {
	{"items", "each", JDG_FLOW_ARG_TEXT, true},
	{"body", "do", JDG_FLOW_ARG_FLOW, true},
	{"concurrency", "concurrency", JDG_FLOW_ARG_INT},
	{"completion", "completion", JDG_FLOW_ARG_TEXT},
	{"n", "n", JDG_FLOW_ARG_INT},
	{"rest", "rest", JDG_FLOW_ARG_TEXT},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_each);

Datum
jdg_flow_each(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_each);
}

/* ------------------------------------------------------------------ value */

/* An array, as JSON or as text, a path or a query. */
static const char *
get_items(JdgFlowObject *o)
{
	const char *text;
	JsonbValue	v;

	if (jdg_object_get(o, "each", &v) && v.type == jbvBinary &&
		JsonContainerIsArray(v.val.binary.data))
		return JsonbToCString(NULL, v.val.binary.data, v.val.binary.len);
	text = jdg_object_text(o, "each");

	if (text[0] == '[')
		(void) jdg_text_read(jsonb_in, o, "each", text);
	else if (jdg_text_is_path(text))
		jdg_text_take_path(o, "each", text);
	return text;
}

static void
each_parse(JdgFlowObject *o)
{
	o->node->text = get_items(o);
	jdg_parse_completion(o);
	jdg_parse_rest(o);
	jdg_parse_child(o, "do", true);
}

/*
 * A path that finds one array gives its elements, one that finds a null gives
 * none, else all that it finds.
 */
static const char *
each_command(const JdgFlowNode *node)
{
	if (node->text[0] == '[')
		return NULL;
	if (jdg_text_is_path(node->text))
		return psprintf("SELECT CASE WHEN pg_catalog.jsonb_array_length(f.found) OPERATOR(pg_catalog.=) 1 "
						"AND pg_catalog.jsonb_typeof(f.found OPERATOR(pg_catalog.->) 0) OPERATOR(pg_catalog.=) 'array' "
						"THEN f.found OPERATOR(pg_catalog.->) 0 "
						"WHEN f.found OPERATOR(pg_catalog.=) '[null]'::pg_catalog.jsonb THEN '[]'::pg_catalog.jsonb ELSE f.found END AS items "
						"FROM (SELECT pg_catalog.jsonb_path_query_array($1, %s) AS found) f",
						quote_literal_cstr(node->text));
	return psprintf("SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(jadugar_item)), '[]'::pg_catalog.jsonb) AS items "
					"FROM (\n%s\n) jadugar_item", node->text);
}

/* ------------------------------------------------------------------ a run */

static const JdgFlowNode *
body_of(JdgRunState *rs, const JdgFlowStep *step)
{
	return &rs->plan->graph->nodes[jdg_step_node(rs, step)->children[0]];
}

/* where the rows of an item begin */
static int64
base_of(const JdgFlowStep *step, const JdgFlowNode *body, int i)
{
	return step->child_base + (int64) i * (body->end - body->no);
}

/* The next item begins, then the one after it; arg: the items, or NULL. */
static void
each_fill(JdgRunState *rs, JdgFlowStep *step, void *arg)
{
	const JdgFlowNode *body = body_of(rs, step);
	Jsonb	   *items = arg;
	int			i = step->started;
	JsonbValue *v;

	if (!jdg_group_has_room(jdg_step_node(rs, step), step))
		return;
	if (items == NULL)
		items = jdg_step_jsonb(step->found);
	v = getIthJsonbValueFromContainer(&items->root, i);
	step->started++;
	jdg_step_change(rs, step);
	jdg_node_begin(rs, body, step->step_id, base_of(step, body, i), i,
				   JsonbValueToJsonb(v));
	jdg_agenda_put(rs, JDG_ACT_FILL, step, items);
}

/* Why an each cannot have these items, or NULL. */
static Jsonb *
items_error(JdgRunState *rs, const JdgFlowNode *body, Jsonb *items)
{
	int			n;

	if (items == NULL || !JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items))
		return jdg_flow_error("VALIDATION_ERROR",
							  "the items of an each are not an array", NULL);
	n = JB_ROOT_COUNT(items);
	if (n > MAX_ITEMS)
		return jdg_flow_error("VALIDATION_ERROR",
							  "an each has too many items",
							  psprintf("It has %d items; the limit is %d.", n,
									   MAX_ITEMS));
	if (rs->r.next_id + (int64) (body->end - body->no) * n > MAX_ROWS)
		return jdg_flow_error("VALIDATION_ERROR",
							  "the run has too many steps",
							  psprintf("The items of an each may bring a run to at most %d rows.",
									   MAX_ROWS));
	return NULL;
}

/* The items are known: reserve their rows and begin the first ones. */
static void
begin_items(JdgRunState *rs, JdgFlowStep *step, Jsonb *items)
{
	const JdgFlowNode *body = body_of(rs, step);
	Jsonb	   *error = items_error(rs, body, items);

	jdg_step_change(rs, step);
	if (error != NULL)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL, error, NULL);
		return;
	}
	step->found = items;
	step->total = JB_ROOT_COUNT(items);
	step->child_base = jdg_block_make(rs, body, step->total);
	if (step->total == 0)
		jdg_step_end(rs, step, JDG_STEP_COMPLETED, items, NULL, NULL);
	else
		each_fill(rs, step, items);
}

static void
each_begin(JdgRunState *rs, JdgFlowStep *step)
{
	if (rs->plan->task[step->node] != NULL)
		jdg_step_start_task(rs, step);
	else
		begin_items(rs, step,
					DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													   CStringGetDatum(jdg_step_node(rs, step)->text))));
}

static void
each_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	begin_items(rs, step, jdg_json_get(result, "items"));
}

/* Status, result and error of each item, in order.  NULL: too large. */
static Jsonb *
results(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *body = body_of(rs, step);
	JsonbParseState *st = NULL;
	Size		size = 0;

	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < step->total; i++)
	{
		JdgFlowStep *s = i >= step->started ? NULL :
		jdg_step_get(rs, base_of(step, body, i));

		(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
		jdg_json_text(&st, "status",
					  jdg_step_state_word(s ? s->state : JDG_STEP_SKIPPED));
		if (s != NULL && (!jdg_group_push(&st, "result", s->result, &size) ||
						  !jdg_group_push(&st, "error", s->error, &size)))
			return NULL;
		(void) pushJsonbValue(&st, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}

static void
each_child_ended(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child,
				 bool bad)
{
	if (jdg_group_count(rs, step, child, bad) == JDG_VERDICT_OPEN)
		each_fill(rs, step, NULL);
	else
		jdg_group_decided(rs, step, child);
}

static void
each_conclude(JdgRunState *rs, JdgFlowStep *step, JdgFlowStep *child)
{
	JdgVerdict	verdict = jdg_group_verdict(jdg_step_node(rs, step), step);
	Jsonb	   *result = results(rs, step);

	if (result == NULL && verdict == JDG_VERDICT_SUCCESS)
		verdict = JDG_VERDICT_TOO_LARGE;
	jdg_group_end(rs, step, child, verdict, result);
}

/* The items that have begun. */
static void
each_cancel(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *body = body_of(rs, step);

	for (int i = 0; i < step->started && step->child_base >= 0; i++)
	{
		JdgFlowStep *child = jdg_step_get(rs, base_of(step, body, i));

		if (child != NULL)
			jdg_agenda_put(rs, JDG_ACT_CANCEL, child, NULL);
	}
}

/* From the items that had begun, or from the query for items. */
static void
each_resume(JdgRunState *rs, JdgFlowStep *step, int64 skip)
{
	const JdgFlowNode *body = body_of(rs, step);

	if (step->child_base < 0)
	{
		jdg_step_start(rs, step);
		return;
	}
	step->ended = step->succeeded = step->failed = step->waiting = 0;
	for (int i = 0; i < step->started; i++)
		jdg_group_resume_child(rs, step, body,
							   jdg_step_get(rs, base_of(step, body, i)), i,
							   skip);
	jdg_group_resumed(rs, step);
}

/* ------------------------------------------------------------------- text */

static char *
each_subject(const JdgFlowNode *node, int max)
{
	return jdg_explain_line(node->text, max);
}

static void
each_options(const JdgFlowNode *node, StringInfo line)
{
	if (node->concurrency > 0)
		jdg_explain_option(line, "concurrency",
						   psprintf("%d", node->concurrency));
	if (node->completion != JDG_COMPLETE_ALL)
		jdg_explain_option(line, "completion",
						   jdg_group_completion(node, psprintf("%d", node->n)));
	if (node->rest_runs)
		jdg_explain_option(line, "rest", "run");
}

const JdgKind jdg_kind_each = {
	.key = "each",
	.name = "each",
	.children = JDG_CHILDREN_ITEMS,
	.args = args,
	.nargs = lengthof(args),
	.parse = each_parse,
	.command = each_command,
	.hint = "Write an array, a path that begins with $, or a query that has the data as $1.",
	.begin = each_begin,
	.found_out = each_found_out,
	.child_ended = each_child_ended,
	.fill = each_fill,
	.conclude = each_conclude,
	.cancel = each_cancel,
	.resume = each_resume,
	.subject = each_subject,
	.options = each_options,
	.draw = jdg_chart_subgraph
};
