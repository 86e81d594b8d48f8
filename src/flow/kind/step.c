/*-------------------------------------------------------------------------
 *
 * step.c
 *	  step: a task.
 *
 *	{"step": name, "command": text, "payload": {}, "queue", "priority",
 *	 "timeout", "retry", "transaction", "isolate", "settings", "metadata",
 *	 "concurrency_key", "expect_rows", "compensate": text or step, "compensate_retry": {},
 *	 "pivot": true}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "flow/graph/parse.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/kind/task.h"
#include "flow/run/explain.h"
#include "flow/run/step_task.h"
#include "shared/shmem.h"

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
	JDG_FLOW_ARGS_AFTER,
	{"expect_rows", "expect_rows", JDG_FLOW_ARG_TEXT}
};

/* checks the commands too, as enqueue() would */
JDG_FUNCTION(jdg_flow_step, JDG_LEVEL_USER_READS)
{
	Jsonb	   *flow;
	JdgFlowGraph *graph;
	const JdgFlowNode *node;

	jdg_require_shmem();
	flow = jdg_build_object(fcinfo, &jdg_kind_step, NULL);
	graph = jdg_flow_parse(flow, false);
	node = &graph->nodes[graph->first_child];
	jdg_check_command(node);
	if (node->compensate)
		jdg_check_command(node->compensate);
	PG_RETURN_JSONB_P(flow);
}

static void
step_parse(JdgFlowObject *o)
{
	jdg_parse_task(o);
	jdg_parse_compensation(o);
	o->node->pivot = jdg_object_bool(o, "pivot");
}

static const char *
step_command(const JdgFlowNode *node)
{
	return node->text;
}

static char *
step_subject(const JdgFlowNode *node, int max)
{
	return jdg_explain_line(node->text, max);
}

const JdgKind jdg_kind_step = {
	.key = "step",
	.name = "step",
	.key_is_name = true,
	.args = args,
	.nargs = lengthof(args),
	.parse = step_parse,
	.command = step_command,
	.task_options = jdg_task_of_step,
	.begin = jdg_step_start_task,
	.subject = step_subject,
	.options = jdg_explain_task,
	.shape = {"[", "]"},
	.shown_by_name = true
};
