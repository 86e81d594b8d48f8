/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  wait_event: until an event is raised; wait_signal: until the run is
 *	  sent a signal; and the functions that approvals share with them.
 *
 *	{"wait_event": name, "filter": {}, "on_timeout": "fail|continue"}
 *	{"wait_signal": name, "on_timeout"}
 *
 * A signal is kept until a wait takes it, so one may exist when the wait
 * begins.  An event reaches the waits that are open when it is served.  A
 * signal that exists when the time is over counts: it arrived first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/json.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/kind/wait.h"
#include "flow/run/end.h"
#include "flow/run/explain.h"
#include "flow/run/message.h"
#include "flow/run/signal.h"
#include "flow/run/step_task.h"
#include "flow/run/timer.h"
#include "flow/run/value.h"

static const JdgFlowArg event_args[] = {
	{"event", "wait_event", JDG_FLOW_ARG_TEXT, true},
	{"filter", "filter", JDG_FLOW_ARG_JSONB},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

static const JdgFlowArg signal_args[] = {
	{"signal", "wait_signal", JDG_FLOW_ARG_TEXT, true},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_wait_event);

Datum
jdg_flow_wait_event(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_wait_event);
}

PG_FUNCTION_INFO_V1(jdg_flow_wait_signal);

Datum
jdg_flow_wait_signal(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_wait_signal);
}

/* ------------------------------------------------------------------ value */

void
jdg_parse_on_timeout(JdgFlowObject *o)
{
	static const char *const outcomes[] = {"fail", "continue"};

	o->node->timeout_continues = jdg_object_word(o, "on_timeout", outcomes,
												 lengthof(outcomes),
												 "Valid values are \"fail\" and \"continue\".") == 1;
}

static void
event_parse(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	jdg_parse_on_timeout(o);
	node->text = jdg_object_name(o, "wait_event");
	(void) jdg_object_object(o, "filter");
	node->payload = jdg_object_template(o, "filter", &node->has_paths);
}

static const char *
event_command(const JdgFlowNode *node)
{
	return node->has_paths ? "SELECT $1 AS filter" : NULL;
}

static void
signal_parse(JdgFlowObject *o)
{
	jdg_parse_on_timeout(o);
	o->node->text = jdg_object_name(o, "wait_signal");
}

static const char *
text_of(const JdgFlowNode *node)
{
	return node->text;
}

/* ------------------------------------------------------------------ a run */

char *
jdg_wait_event_name(const JdgFlowNode *node)
{
	return jdg_message_event(node->kind->message,
							 node->kind->message_name(node));
}

void
jdg_wait_open(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	step->event = jdg_wait_event_name(node);
	jdg_step_start_wait(rs, step, jdg_step_timeout(rs, node));
}

void
jdg_wait_begin(JdgRunState *rs, JdgFlowStep *step)
{
	jdg_wait_open(rs, step);
	(void) jdg_take_signal(rs, step);
}

static void
event_begin(JdgRunState *rs, JdgFlowStep *step)
{
	if (rs->plan->task[step->node] != NULL)
	{
		jdg_step_start_task(rs, step);
		return;
	}
	step->found = jdg_step_node(rs, step)->payload;
	jdg_wait_open(rs, step);
}

static void
event_found_out(JdgRunState *rs, JdgFlowStep *step, Jsonb *result)
{
	step->found = jdg_json_get(result, "filter");
	jdg_wait_open(rs, step);
}

static void
answer(JdgRunState *rs, JdgFlowStep *step, Jsonb *payload)
{
	jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, payload, NULL, NULL);
}

void
jdg_wait_timed_out(JdgRunState *rs, JdgFlowStep *step)
{
	JsonbParseState *st;

	if (!jdg_step_node(rs, step)->timeout_continues)
	{
		jdg_leaf_end(rs, step, JDG_STEP_TIMED_OUT, NULL,
					 jdg_flow_error("TASK_TIMEOUT",
									"the wait timed out",
									NULL), NULL);
		return;
	}
	jdg_json_begin(&st);
	jdg_json_jsonb(&st, "timed_out", jdg_flow_bool(true));
	jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, jdg_json_finish(&st), NULL,
				 "timed_out");
}

void
jdg_wait_due(JdgRunState *rs, JdgFlowStep *step)
{
	if (!jdg_take_signal(rs, step))
		jdg_wait_timed_out(rs, step);
}

/* ------------------------------------------------------------------- text */

static char *
subject(const JdgFlowNode *node, int max)
{
	return jdg_explain_line(node->text, max);
}

const JdgKind jdg_kind_wait_event = {
	.key = "wait_event",
	.name = "wait_event",
	.args = event_args,
	.nargs = lengthof(event_args),
	.parse = event_parse,
	.command = event_command,
	.begin = event_begin,
	.found_out = event_found_out,
	.due = jdg_wait_timed_out,
	.message = JDG_MESSAGE_EVENT,
	.message_name = text_of,
	.answer = answer,
	.subject = subject,
	.payload_key = "filter",
	.waiting_for = jdg_wait_event_name,
	.shape = {"([", "])"}
};

const JdgKind jdg_kind_wait_signal = {
	.key = "wait_signal",
	.name = "wait_signal",
	.args = signal_args,
	.nargs = lengthof(signal_args),
	.parse = signal_parse,
	.begin = jdg_wait_begin,
	.due = jdg_wait_due,
	.message = JDG_MESSAGE_SIGNAL,
	.message_name = text_of,
	.answer = answer,
	.subject = subject,
	.waiting_for = jdg_wait_event_name,
	.shape = {"([", "])"}
};
