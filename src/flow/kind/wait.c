/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  wait_event: until an event is raised; wait_signal: until the run is
 *	  sent a signal; and the functions that approvals share with them.
 *
 *	{"wait_event": type, "filter": {}, "key": text,
 *	   "on_timeout": "fail|continue"}
 *	{"wait_signal": name, "on_timeout"}
 *
 * Paths in the filter and the key are plain (graph/plain_path.h), so that they
 * are evaluated when the wait begins.
 *
 * A signal is kept until a wait takes it, so one may exist when the wait
 * begins.  An event of the log reaches the waits that had begun when it
 * committed (run/events.c).  A signal or an event that exists when the time is
 * over counts: it arrived first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "base/json.h"
#include "event/topic.h"
#include "event/type.h"
#include "flow/graph/names.h"
#include "flow/graph/plain_path.h"
#include "flow/graph/texts.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/kind/wait.h"
#include "flow/run/end.h"
#include "flow/run/events.h"
#include "flow/run/explain.h"
#include "flow/run/fill.h"
#include "flow/run/message.h"
#include "flow/run/signal.h"
#include "flow/run/timer.h"
#include "flow/run/value.h"
#include "flow/run/wait_start.h"

/*
 * A filter is compared with each event, in a function that calls itself, and
 * each element of its arrays with all elements of an array of the data.
 */
#define FILTER_DEPTH_MAX 100
#define FILTER_ELEMENTS_MAX 100

/* until a wait is looked at again whose time is over, in microseconds */
#define BEHIND_PAUSE (100 * 1000)

static const JdgFlowArg event_args[] = {
	{"event", "wait_event", JDG_FLOW_ARG_TEXT, true},
	{"filter", "filter", JDG_FLOW_ARG_JSONB},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_NAME,
	JDG_FLOW_ARGS_AFTER,
	{"key", "key", JDG_FLOW_ARG_TEXT}
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

/* Raises VALIDATION_ERROR unless the event is the name of a type. */
static void
check_event(JdgFlowNode *node)
{
	ErrorContextCallback callback;

	callback.callback = jdg_flow_error_context;
	callback.arg = node;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	jdg_event_type_check_name("event", node->text);
	error_context_stack = callback.previous;
}

/* A key as it is given: an event has one of 1 to JDG_EVENT_KEY_MAX bytes. */
static bool
is_key(const char *key)
{
	return key[0] != '\0' && strlen(key) <= JDG_EVENT_KEY_MAX;
}

/* The payload is an object with the filter and the key. */
static void
event_parse(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;
	const char *key = jdg_object_text(o, "key");
	bool		key_has_path;
	JsonbParseState *st;
	Jsonb	   *filter;

	jdg_parse_on_timeout(o);
	node->text = jdg_object_name(o, "wait_event");
	check_event(node);
	(void) jdg_object_object(o, "filter");
	filter = jdg_object_template(o, "filter", &node->has_paths);
	(void) jdg_object_template(o, "key", &key_has_path);
	node->has_paths |= key_has_path;
	jdg_object_plain_paths(o, "filter");
	jdg_object_plain_paths(o, "key");
	if (key != NULL && !key_has_path && !is_key(key))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"key\" of %s must have between 1 and %d bytes",
						jdg_flow_label(node), JDG_EVENT_KEY_MAX),
				 errdetail("The value has %zu bytes.", strlen(key))));
	if (filter != NULL && jdg_json_depth(filter) > FILTER_DEPTH_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"filter\" of %s must not be nested more than %d levels deep",
						jdg_flow_label(node), FILTER_DEPTH_MAX)));
	if (filter != NULL && jdg_json_elements(filter) > FILTER_ELEMENTS_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("arrays of \"filter\" of %s must have at most %d elements",
						jdg_flow_label(node), FILTER_ELEMENTS_MAX),
				 errdetail("They have %lld elements.",
						   (long long) jdg_json_elements(filter))));
	if (filter == NULL && key == NULL)
		return;
	jdg_json_begin(&st);
	jdg_json_jsonb(&st, "filter", filter);
	jdg_json_text(&st, "key", key);
	node->payload = jdg_json_finish(&st);
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
jdg_wait_begin(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);

	step->event = jdg_wait_event_name(node);
	jdg_step_start_wait(rs, step, jdg_step_timeout(rs, node));
	(void) jdg_take_signal(rs, step);
}

/* The key that a path has found; NULL: none that an event can have. */
static char *
key_of(Jsonb *found)
{
	JsonbValue	v;
	char	   *key;

	if (!JB_ROOT_IS_SCALAR(found) || !JsonbExtractScalar(&found->root, &v))
		return NULL;
	if (v.type == jbvString)
		key = pnstrdup(v.val.string.val, v.val.string.len);
	else if (v.type == jbvNumeric)
		key = DatumGetCString(DirectFunctionCall1(numeric_out,
												  NumericGetDatum(v.val.numeric)));
	else
		return NULL;
	return is_key(key) ? key : NULL;
}

static void
event_fail(JdgRunState *rs, JdgFlowStep *step, const char *message,
		   const char *detail)
{
	jdg_step_end(rs, step, JDG_STEP_FAILED, NULL,
				 jdg_flow_error("VALIDATION_ERROR", message, detail), NULL);
}

/*
 * Paths are evaluated here, and not by a task: each event that commits after
 * this transaction is seen.
 */
static void
event_begin(JdgRunState *rs, JdgFlowStep *step)
{
	const JdgFlowNode *node = jdg_step_node(rs, step);
	Jsonb	   *wanted = node->payload;
	Jsonb	   *filter;
	Jsonb	   *key;

	if (node->has_paths)
		wanted = jdg_step_fill_in(rs, step, wanted);
	if (node->has_paths && wanted == NULL)
	{
		event_fail(rs, step, "the paths found too much to wait for",
				   "The filter and the key may have up to 1 MB.");
		return;
	}
	key = jdg_json_get(wanted, "key");
	if (key != NULL && key_of(key) == NULL)
	{
		event_fail(rs, step, "the path found no key to wait for",
				   "A key is a string or a number of 1 to 512 bytes.");
		return;
	}
	filter = jdg_json_get(wanted, "filter");
	if (filter != NULL && jdg_json_depth(filter) > FILTER_DEPTH_MAX)
	{
		event_fail(rs, step, "the paths found a filter that is nested too deeply",
				   "A filter may have up to 100 levels.");
		return;
	}
	if (filter != NULL && jdg_json_elements(filter) > FILTER_ELEMENTS_MAX)
	{
		event_fail(rs, step, "the paths found a filter with too many elements",
				   "The arrays of a filter may have up to 100 elements.");
		return;
	}
	step->found = filter;
	step->event = jdg_message_event_subject(node->text, key == NULL ? NULL :
											key_of(key));
	step->wait_start = jdg_wait_start(node->text);
	step->wait_owner = rs->r.owner;
	jdg_step_start_wait(rs, step, jdg_step_timeout(rs, node));
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

/* Events that have come in time may still have to be read. */
static void
event_due(JdgRunState *rs, JdgFlowStep *step)
{
	if (jdg_flow_events_are_behind(step->wait_owner))
	{
		jdg_step_set_due(step, rs->pass->now + BEHIND_PAUSE);
		jdg_step_change(rs, step);
	}
	else
		jdg_wait_timed_out(rs, step);
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

static Jsonb *
event_filter(const JdgFlowNode *node)
{
	return jdg_json_get(node->payload, "filter");
}

static void
event_options(const JdgFlowNode *node, StringInfo line)
{
	const char *key = jdg_json_get_text(node->payload, "key");

	if (key)
		jdg_explain_option(line, "key", jdg_explain_line(key, 0));
}

const JdgKind jdg_kind_wait_event = {
	.key = "wait_event",
	.name = "wait_event",
	.args = event_args,
	.nargs = lengthof(event_args),
	.parse = event_parse,
	.begin = event_begin,
	.due = event_due,
	.message = JDG_MESSAGE_EVENT,
	.message_name = text_of,
	.answer = answer,
	.subject = subject,
	.options = event_options,
	.payload_key = "filter",
	.payload = event_filter,
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
