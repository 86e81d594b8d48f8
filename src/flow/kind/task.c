/*-------------------------------------------------------------------------
 *
 * task.c
 *	  The task of a node, and the one that undoes it, see task.h.
 *
 * Parsing is pure: commands, queues and settings are checked as the user, by
 * jdg_task_prepare().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/settings.h"
#include "base/xactmode.h"
#include "flow/graph/names.h"
#include "flow/graph/texts.h"
#include "flow/kind/kind.h"
#include "flow/kind/task.h"
#include "flow/run/explain.h"
#include "task/retry.h"

#define MAX_KEY_LEN		1024

/* settings and metadata are cut to this many bytes in texts */
#define MAX_JSON		120

/* Check options whose errors do not name the node. */
static void
check_task_options(JdgFlowNode *node)
{
	ErrorContextCallback callback;

	callback.callback = jdg_flow_error_context;
	callback.arg = node;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (node->retry)
		jdg_retry_check(node->retry);
	if (node->transaction)
		(void) jdg_xact_mode(node->transaction);
	error_context_stack = callback.previous;
}

void
jdg_parse_task(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	jdg_object_need(o, "command");
	node->text = jdg_object_text(o, "command");
	node->payload = jdg_object_template(o, "payload",
										&node->has_paths);
	node->queue = jdg_object_text(o, "queue");
	node->has_priority = jdg_object_has(o, "priority");
	node->priority = jdg_object_int(o, "priority", PG_INT32_MIN, 0);
	node->retry = jdg_object_object(o, "retry");
	node->transaction = jdg_object_text(o, "transaction");
	node->has_isolate = jdg_object_has(o, "isolate");
	node->isolate = jdg_object_bool(o, "isolate");
	node->has_expect_rows = jdg_object_has(o, "expect_rows");
	node->expect_rows = jdg_object_word(o, "expect_rows",
										jdg_expect_rows_words, JDG_ROWS_ONE + 1,
										"Valid values are \"any\", \"some\", and \"one\".");
	node->settings = jdg_object_object(o, "settings");
	node->metadata = jdg_object_object(o, "metadata");
	node->concurrency_key = jdg_object_text(o, "concurrency_key");
	if (node->concurrency_key && strlen(node->concurrency_key) > MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"concurrency_key\" of %s must have between 1 and %d bytes",
						jdg_flow_label(node), MAX_KEY_LEN),
				 errdetail("The value has %zu bytes.",
						   strlen(node->concurrency_key))));
	check_task_options(node);
}

/* A compensation that is a step: it has no place in the order of the flow. */
static void
parse_compensating_step(JdgFlowObject *o, JdgFlowNode *node,
						JsonbContainer *json)
{
	static const char *const barred[] = {
		"on_failure", "after", "join", "join_n", "compensate",
		"compensate_retry", "pivot"
	};
	JdgFlowObject undo;

	undo.parse = o->parse;
	undo.node = node;
	undo.path_no = o->path_no;
	undo.depth = o->depth;
	jdg_object_read(&undo, json);
	if (node->kind != &jdg_kind_step)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a step or a command",
						jdg_flow_label(node))));
	for (int i = 0; i < lengthof(barred); i++)
	{
		if (jdg_object_has(&undo, barred[i]))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s cannot have \"%s\"", jdg_flow_label(node),
							barred[i])));
	}
	if (jdg_object_has(o, "compensate_retry"))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"compensate_retry\" of %s requires a compensation that is a command",
						jdg_flow_label(o->node)),
				 errhint("Give \"retry\" to the compensating step.")));
	(void) jdg_object_name(&undo, "step");
	node->timeout = jdg_object_interval(&undo, "timeout");
	jdg_parse_task(&undo);
}

void
jdg_parse_compensation(JdgFlowObject *o)
{
	JdgFlowNode *node;
	JsonbValue	v;

	if (!jdg_object_get(o, "compensate", &v))
	{
		if (jdg_object_has(o, "compensate_retry"))
			jdg_object_need(o, "compensate");
		return;
	}
	node = palloc0(sizeof(JdgFlowNode));
	node->no = node->parent = -1;
	node->kind = &jdg_kind_step;
	node->name = o->node->name;
	node->named = true;
	if (v.type == jbvBinary && JsonContainerIsObject(v.val.binary.data))
		parse_compensating_step(o, node, v.val.binary.data);
	else
	{
		node->text = jdg_object_text(o, "compensate");
		node->retry = jdg_object_object(o, "compensate_retry");
		check_task_options(node);
	}
	o->node->compensate = node;
	o->parse->graph->compensates = true;
}

/* A payload with paths is checked when the task runs: it is not known yet. */
void
jdg_task_of_step(const JdgFlowNode *node, JdgTaskOptions *o)
{
	o->payload = node->has_paths ? NULL : node->payload;
	o->queue = node->queue;
	o->priority = node->has_priority ? &node->priority : NULL;
	o->timeout = node->timeout;
	o->retry = node->retry;
	o->transaction = node->transaction;
	o->isolate = node->has_isolate ? &node->isolate : NULL;
	o->expect_rows = node->has_expect_rows ? &node->expect_rows : NULL;
	o->settings = node->settings;
	o->metadata = node->metadata;
	o->concurrency_key = node->concurrency_key;
}

void
jdg_node_task_options(const JdgFlowNode *node, JdgTaskOptions *o)
{
	memset(o, 0, sizeof(*o));
	o->command = jdg_node_command(node);
	if (node->kind->task_options)
		node->kind->task_options(node, o);
}

void
jdg_check_command(const JdgFlowNode *node)
{
	JdgTaskOptions o;
	ErrorContextCallback context;
	JdgTask		t;
	JdgQueue	queue;

	context.callback = jdg_flow_error_context;
	context.arg = unconstify(JdgFlowNode *, node);
	context.previous = error_context_stack;
	jdg_node_task_options(node, &o);
	o.check_only = true;
	memset(&t, 0, sizeof(t));
	error_context_stack = &context;
	jdg_task_prepare(&o, GetUserId(), jdg_task_max_attempts, &t, &queue,
					 NULL);
	error_context_stack = context.previous;
}

void
jdg_explain_task(const JdgFlowNode *node, StringInfo line)
{
	jdg_explain_option(line, "queue", node->queue);
	if (node->has_priority)
		jdg_explain_option(line, "priority", psprintf("%d", node->priority));
	if (node->retry)
		jdg_explain_option(line, "retry", jdg_explain_json(node->retry, 0));
	jdg_explain_option(line, "transaction", node->transaction);
	if (node->has_isolate)
		jdg_explain_option(line, "isolate", node->isolate ? "true" : "false");
	if (node->has_expect_rows)
		jdg_explain_option(line, "expect_rows",
						   jdg_expect_rows_words[node->expect_rows]);
	if (node->settings)
		jdg_explain_option(line, "settings",
						   jdg_explain_json(node->settings, MAX_JSON));
	if (node->metadata)
		jdg_explain_option(line, "metadata",
						   jdg_explain_json(node->metadata, MAX_JSON));
	jdg_explain_option(line, "concurrency_key", node->concurrency_key);
	if (node->pivot)
		jdg_explain_option(line, "pivot", "");
}
