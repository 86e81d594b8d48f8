/*-------------------------------------------------------------------------
 *
 * sleep.c
 *	  sleep: for a time; sleep_until: until an instant.
 *
 *	{"sleep": interval}
 *	{"sleep_until": instant | path}
 *
 * Where the instant is a path, its own task finds it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "flow/graph/names.h"
#include "flow/graph/parse.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/step_task.h"
#include "flow/run/timer.h"
#include "flow/run/value.h"

static const JdgFlowArg sleep_args[] = {
	{"duration", "sleep", JDG_FLOW_ARG_INTERVAL, true},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

static const JdgFlowArg until_args[] = {
	{"until", "sleep_until", JDG_FLOW_ARG_TEXT, true},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

static TimestampTz
read_instant(const char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
}

/* In UTC, so that it means the same in every session. */
static char *
instant_text(TimestampTz instant)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char text[	MAXDATELEN + 1];

	if (timestamp2tm(instant, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "instant out of range");
	tm.tm_isdst = 0;			/* print the zone */
	EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, text);
	return pstrdup(text);
}

PG_FUNCTION_INFO_V1(jdg_flow_sleep);

Datum
jdg_flow_sleep(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_sleep);
}

PG_FUNCTION_INFO_V1(jdg_flow_sleep_until);

Datum
jdg_flow_sleep_until(PG_FUNCTION_ARGS)
{
	Jsonb	   *flow = jdg_build_object(fcinfo, &jdg_kind_sleep_until, NULL);
	JdgFlowGraph *graph = jdg_flow_parse(flow, false);
	const JdgFlowNode *node = &graph->nodes[graph->first_child];

	/* without a command the text is a valid instant */
	if (jdg_node_command(node) == NULL)
		flow = jdg_build_object(fcinfo, &jdg_kind_sleep_until,
								instant_text(read_instant(node->text)));
	PG_RETURN_JSONB_P(flow);
}

/* ------------------------------------------------------------------ value */

static void
sleep_parse(JdgFlowObject *o)
{
	o->node->interval = jdg_object_interval(o, "sleep");
}

/* An instant or a path. */
static void
until_parse(JdgFlowObject *o)
{
	const char *text = jdg_object_text(o, "sleep_until");
	TimestampTz instant;

	o->node->text = text;

	if (jdg_text_is_path(text))
	{
		jdg_text_take_path(o, "sleep_until", text);
		return;
	}
	instant = DatumGetTimestampTz(jdg_text_read(timestamptz_in, o,
												"sleep_until", text));
	if (TIMESTAMP_NOT_FINITE(instant))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid \"sleep_until\" for %s",
						jdg_flow_label(o->node)),
				 errdetail("The value is \"%s\".", text),
				 errhint("Use a finite timestamp.")));
}

static const char *
until_command(const JdgFlowNode *node)
{
	if (!jdg_text_is_path(node->text))
		return NULL;
	return psprintf("SELECT (pg_catalog.jsonb_path_query_first($1, %s) OPERATOR(pg_catalog.#>>) '{}')::pg_catalog.timestamptz AS until",
					quote_literal_cstr(node->text));
}

/* ------------------------------------------------------------------ a run */

static void
sleep_begin(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_step_start_wait(rs, step,
						jdg_time_after(rs->pass->now,
									   jdg_step_node(rs, step)->interval));
}

static void
until_begin(JdgRunState *rs, JdgFlowStep *step)
{
	if (rs->plan->task[step->node] != NULL)
		jdg_step_start_task(rs, step);
	else
		jdg_step_start_wait(rs, step,
							read_instant(jdg_step_node(rs, step)->text));
}

/* The instant is a text made by to_jsonb(). */
static void
until_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	Jsonb	   *until = jdg_json_get(result, "until");
	TimestampTz instant;
	JsonbValue	v;

	if (until == NULL || !JB_ROOT_IS_SCALAR(until) ||
		!JsonbExtractScalar(&until->root, &v) || v.type != jbvString)
	{
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
					 jdg_flow_error("VALIDATION_ERROR",
									"the path found no timestamp to sleep until",
									NULL), NULL);
		return;
	}
	instant = read_instant(pnstrdup(v.val.string.val, v.val.string.len));
	if (TIMESTAMP_NOT_FINITE(instant))
		jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
					 jdg_flow_error("VALIDATION_ERROR",
									"the timestamp to sleep until is not finite",
									NULL), NULL);
	else
		jdg_step_start_wait(rs, step, instant);
}

static void
sleep_due(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, NULL, NULL, NULL);
}

/* ------------------------------------------------------------------- text */

static char *
sleep_subject(const JdgFlowNode *node, int max)
{
	return jdg_explain_interval(node->interval);
}

static char *
until_subject(const JdgFlowNode *node, int max)
{
	return psprintf("until %s", jdg_explain_line(node->text, max));
}

static char *
sleep_waiting_for(const JdgFlowNode *node)
{
	return pstrdup("time");
}

const JdgKind jdg_kind_sleep = {
	.key = "sleep",
	.name = "sleep",
	.args = sleep_args,
	.nargs = lengthof(sleep_args),
	.parse = sleep_parse,
	.begin = sleep_begin,
	.due = sleep_due,
	.subject = sleep_subject,
	.waiting_for = sleep_waiting_for,
	.shape = {"([", "])"}
};

const JdgKind jdg_kind_sleep_until = {
	.key = "sleep_until",
	.name = "sleep",
	.args = until_args,
	.nargs = lengthof(until_args),
	.parse = until_parse,
	.command = until_command,
	.begin = until_begin,
	.found_out = until_found_out,
	.due = sleep_due,
	.subject = until_subject,
	.waiting_for = sleep_waiting_for,
	.shape = {"([", "])"}
};
