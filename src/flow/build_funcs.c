/*-------------------------------------------------------------------------
 *
 * build_funcs.c
 *	  Functions and operators that make values of type jadugar.flow.
 *
 * Runs in the caller's backend, as the caller.  What the arguments are called
 * in the object of the node (flow/README.md) stands in tables.  Parsing the
 * object finds out what is wrong with it; step() also has its command checked
 * as enqueue() would.  Nothing is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/settings.h"
#include "flow/graph/graph.h"
#include "flow/node_args.h"
#include "shared/shmem.h"
#include "task/prepare.h"

/* at the end of nearly all of them */
#define ARGS_AFTER \
	{"after", "after", JDG_FLOW_ARG_TEXTS}, \
	{"join", "join", JDG_FLOW_ARG_TEXT}, \
	{"join_n", "join_n", JDG_FLOW_ARG_INT}

#define ARGS_NAME \
	{"name", "name", JDG_FLOW_ARG_TEXT}, \
	{"on_failure", "on_failure", JDG_FLOW_ARG_TEXT}

static Datum
build(FunctionCallInfo fcinfo, const char *function, const JdgFlowArg *args,
	  int nargs)
{
	Jsonb	   *flow = jdg_flow_make_node(fcinfo, function, args, nargs, NULL);

	(void) jdg_flow_parse(flow, false);
	PG_RETURN_JSONB_P(flow);
}

/* The command of a step or a compensation, as enqueue() would check it. */
static void
check_command(const JdgFlowNode *node)
{
	JdgTaskOptions o;
	ErrorContextCallback context;
	JdgTask		t;
	JdgQueue	queue;

	context.callback = jdg_flow_error_context;
	context.arg = unconstify(JdgFlowNode *, node);
	context.previous = error_context_stack;
	jdg_flow_task_options(node, &o);
	o.check_only = true;
	memset(&t, 0, sizeof(t));
	error_context_stack = &context;
	jdg_task_prepare(&o, GetUserId(), jdg_task_max_attempts, &t, &queue,
					 NULL);
	error_context_stack = context.previous;
}

JDG_FUNCTION(jdg_flow_step, JDG_LEVEL_USER)
{
	static const JdgFlowArg args[] = {
		{"name", "step", JDG_FLOW_ARG_TEXT, true},
		{"command", "command", JDG_FLOW_ARG_TEXT, true},
		{"payload", "payload", JDG_FLOW_ARG_JSONB},
		{"compensate", "compensate", JDG_FLOW_ARG_TEXT},
		{"on_failure", "on_failure", JDG_FLOW_ARG_TEXT},
		{"queue", "queue", JDG_FLOW_ARG_TEXT},
		{"priority", "priority", JDG_FLOW_ARG_INT},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"retry", "retry", JDG_FLOW_ARG_JSONB},
		{"transaction", "transaction", JDG_FLOW_ARG_TEXT},
		{"isolate", "isolate", JDG_FLOW_ARG_BOOL},
		{"settings", "settings", JDG_FLOW_ARG_JSONB},
		{"concurrency_key", "concurrency_key", JDG_FLOW_ARG_TEXT},
		{"metadata", "metadata", JDG_FLOW_ARG_JSONB},
		{"compensate_with", "compensate", JDG_FLOW_ARG_FLOW},
		{"compensate_retry", "compensate_retry", JDG_FLOW_ARG_JSONB},
		{"pivot", "pivot", JDG_FLOW_ARG_BOOL},
		ARGS_AFTER
	};
	Jsonb	   *flow;
	JdgFlowGraph *graph;
	const JdgFlowNode *node;

	jdg_require_shmem();
	flow = jdg_flow_make_node(fcinfo, "step", args, lengthof(args), NULL);
	graph = jdg_flow_parse(flow, false);
	node = &graph->nodes[graph->first_child];
	check_command(node);
	if (node->compensate)
		check_command(node->compensate);
	PG_RETURN_JSONB_P(flow);
}

PG_FUNCTION_INFO_V1(jdg_flow_chain);

Datum
jdg_flow_chain(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"steps", "chain", JDG_FLOW_ARG_FLOWS, true},
		ARGS_NAME,
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		ARGS_AFTER
	};

	return build(fcinfo, "chain", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_parallel);

Datum
jdg_flow_parallel(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"steps", "parallel", JDG_FLOW_ARG_FLOWS, true},
		{"completion", "completion", JDG_FLOW_ARG_TEXT},
		{"n", "n", JDG_FLOW_ARG_INT},
		{"concurrency", "concurrency", JDG_FLOW_ARG_INT},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"rest", "rest", JDG_FLOW_ARG_TEXT},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "parallel", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_race);

Datum
jdg_flow_race(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"steps", "race", JDG_FLOW_ARG_FLOWS, true},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"rest", "rest", JDG_FLOW_ARG_TEXT},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "race", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_branch);

Datum
jdg_flow_branch(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"condition", "branch", JDG_FLOW_ARG_TEXT, true},
		{"if_true", "then", JDG_FLOW_ARG_FLOW, true},
		{"if_false", "else", JDG_FLOW_ARG_FLOW},
		ARGS_NAME,
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		ARGS_AFTER
	};

	return build(fcinfo, "branch", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_each);

Datum
jdg_flow_each(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"items", "each", JDG_FLOW_ARG_TEXT, true},
		{"body", "do", JDG_FLOW_ARG_FLOW, true},
		{"concurrency", "concurrency", JDG_FLOW_ARG_INT},
		{"completion", "completion", JDG_FLOW_ARG_TEXT},
		{"n", "n", JDG_FLOW_ARG_INT},
		{"rest", "rest", JDG_FLOW_ARG_TEXT},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "each", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_loop);

Datum
jdg_flow_loop(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"body", "loop", JDG_FLOW_ARG_FLOW, true},
		{"while", "while", JDG_FLOW_ARG_TEXT, true},
		{"max", "max", JDG_FLOW_ARG_INT},
		{"delay", "delay", JDG_FLOW_ARG_INTERVAL},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "loop", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_sleep);

Datum
jdg_flow_sleep(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"duration", "sleep", JDG_FLOW_ARG_INTERVAL, true},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "sleep", args, lengthof(args));
}

/* In UTC, so that it means the same in every session. */
static char *
instant_text(const char *given)
{
	TimestampTz instant;
	struct pg_tm tm;
	fsec_t		fsec;
	char text[	MAXDATELEN + 1];

	instant = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
													  CStringGetDatum(given),
													  ObjectIdGetDatum(InvalidOid),
													  Int32GetDatum(-1)));
	if (timestamp2tm(instant, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "instant out of range");
	tm.tm_isdst = 0;			/* print the zone */
	EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, text);
	return pstrdup(text);
}

PG_FUNCTION_INFO_V1(jdg_flow_sleep_until);

Datum
jdg_flow_sleep_until(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"until", "sleep_until", JDG_FLOW_ARG_TEXT, true},
		ARGS_NAME,
		ARGS_AFTER
	};
	Jsonb	   *flow;
	JdgFlowGraph *graph;
	const JdgFlowNode *node;

	flow = jdg_flow_make_node(fcinfo, "sleep_until", args, lengthof(args), NULL);
	graph = jdg_flow_parse(flow, false);
	node = &graph->nodes[graph->first_child];
	/* without a command it is an instant, and a good one */
	if (jdg_flow_command(node) == NULL)
		flow = jdg_flow_make_node(fcinfo, "sleep_until", args, lengthof(args),
								  instant_text(node->text));
	PG_RETURN_JSONB_P(flow);
}

PG_FUNCTION_INFO_V1(jdg_flow_wait_event);

Datum
jdg_flow_wait_event(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"event", "wait_event", JDG_FLOW_ARG_TEXT, true},
		{"filter", "filter", JDG_FLOW_ARG_JSONB},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "wait_event", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_wait_signal);

Datum
jdg_flow_wait_signal(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"signal", "wait_signal", JDG_FLOW_ARG_TEXT, true},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
		ARGS_NAME,
		ARGS_AFTER
	};

	return build(fcinfo, "wait_signal", args, lengthof(args));
}

PG_FUNCTION_INFO_V1(jdg_flow_approval);

Datum
jdg_flow_approval(PG_FUNCTION_ARGS)
{
	static const JdgFlowArg args[] = {
		{"name", "approval", JDG_FLOW_ARG_TEXT, true},
		{"approvers", "approvers", JDG_FLOW_ARG_TEXT},
		{"message", "message", JDG_FLOW_ARG_TEXT},
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
		{"on_failure", "on_failure", JDG_FLOW_ARG_TEXT},
		ARGS_AFTER
	};

	return build(fcinfo, "approval", args, lengthof(args));
}

JDG_FUNCTION(jdg_flow_sub_flow, JDG_LEVEL_USER)
{
	static const JdgFlowArg args[] = {
		{"flow", "sub_flow", JDG_FLOW_ARG_TEXT, true},
		{"payload", "payload", JDG_FLOW_ARG_JSONB},
		{"version", "version", JDG_FLOW_ARG_INT},
		ARGS_NAME,
		{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
		{"compensate", "compensate", JDG_FLOW_ARG_TEXT},
		{"compensate_with", "compensate", JDG_FLOW_ARG_FLOW},
		{"compensate_retry", "compensate_retry", JDG_FLOW_ARG_JSONB},
		{"pivot", "pivot", JDG_FLOW_ARG_BOOL},
		ARGS_AFTER
	};
	Jsonb	   *flow;
	JdgFlowGraph *graph;
	const JdgFlowNode *node;

	jdg_require_shmem();
	flow = jdg_flow_make_node(fcinfo, "sub_flow", args, lengthof(args), NULL);
	graph = jdg_flow_parse(flow, false);
	node = &graph->nodes[graph->first_child];
	if (node->compensate)
		check_command(node->compensate);
	PG_RETURN_JSONB_P(flow);
}

/* -------------------------------------------------------------- operators */

/*
 * Put in an operand: what is in it, where it is nothing but a container of
 * the kind that the operator makes and "open" says so.
 */
static void
push_operand(JsonbParseState **st, FunctionCallInfo fcinfo, int n,
			 const char *key, bool open)
{
	Jsonb	   *flow = PG_GETARG_JSONB_P(n);
	JsonbValue	room;
	JsonbValue *inner = NULL;
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	if (open && JB_ROOT_COUNT(flow) == 1)
		inner = getKeyJsonValueFromContainer(&flow->root, key, strlen(key),
											 &room);
	if (inner == NULL)
	{
		jdg_flow_push_jsonb(st, WJB_ELEM, flow);
		return;
	}
	it = JsonbIteratorInit(inner->val.binary.data);
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM)
			(void) pushJsonbValue(st, WJB_ELEM, &v);
	}
}

static Datum
combine(FunctionCallInfo fcinfo, const char *operator, const char *key,
		bool open_right)
{
	JsonbParseState *st = NULL;
	Jsonb	   *flow;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("an operand of jadugar.%s must not be null", operator),
				 errdetail("The %s one is null.",
						   PG_ARGISNULL(0) ? "left" : "right")));
	(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	jdg_flow_push_string(&st, WJB_KEY, key);
	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	push_operand(&st, fcinfo, 0, key, true);
	push_operand(&st, fcinfo, 1, key, open_right);
	(void) pushJsonbValue(&st, WJB_END_ARRAY, NULL);
	flow = JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
	(void) jdg_flow_parse(flow, false);
	PG_RETURN_JSONB_P(flow);
}

PG_FUNCTION_INFO_V1(jdg_flow_then);

Datum
jdg_flow_then(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "~>", "chain", true);
}

PG_FUNCTION_INFO_V1(jdg_flow_and);

Datum
jdg_flow_and(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "&", "parallel", false);
}

PG_FUNCTION_INFO_V1(jdg_flow_or);

Datum
jdg_flow_or(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "|", "race", false);
}
