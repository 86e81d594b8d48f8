/*-------------------------------------------------------------------------
 *
 * task.c
 *	  The task of a step, and the one that undoes it.
 *
 * Pure.  Commands, queues and settings are not looked at: that is done as the
 * user, by jdg_task_prepare().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "flow/graph/private.h"
#include "task/retry.h"

#define MAX_KEY_LEN		1024

/* For errors of functions that know of no flow. */
void
jdg_flow_error_context(void *arg)
{
	errcontext("%s of a flow", jdg_flow_label((JdgFlowNode *) arg));
}

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

/* What a step says of its task. */
void
jdg_flow_parse_task(JdgFlowObject *o)
{
	JdgFlowNode *node = o->node;

	jdg_flow_need(o, JDG_KEY_COMMAND);
	node->text = jdg_flow_get_text(o, JDG_KEY_COMMAND);
	node->payload = jdg_flow_get_template(o, JDG_KEY_PAYLOAD,
										  &node->has_paths);
	node->queue = jdg_flow_get_text(o, JDG_KEY_QUEUE);
	node->has_priority = jdg_flow_has(o, JDG_KEY_PRIORITY);
	node->priority = jdg_flow_get_int(o, JDG_KEY_PRIORITY, PG_INT32_MIN, 0);
	node->retry = jdg_flow_get_object(o, JDG_KEY_RETRY);
	node->transaction = jdg_flow_get_text(o, JDG_KEY_TRANSACTION);
	node->has_isolate = jdg_flow_has(o, JDG_KEY_ISOLATE);
	node->isolate = jdg_flow_get_bool(o, JDG_KEY_ISOLATE);
	node->settings = jdg_flow_get_object(o, JDG_KEY_SETTINGS);
	node->metadata = jdg_flow_get_object(o, JDG_KEY_METADATA);
	node->concurrency_key = jdg_flow_get_text(o, JDG_KEY_CONCURRENCY_KEY);
	if (node->concurrency_key && strlen(node->concurrency_key) > MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"concurrency_key\" of %s must have from 1 to %d bytes",
						jdg_flow_label(node), MAX_KEY_LEN),
				 errdetail("The value has %zu bytes.",
						   strlen(node->concurrency_key))));
	check_task_options(node);
}

/* A step that undoes: it is outside of the order of the others. */
static void
parse_compensating_step(JdgFlowObject *o, JdgFlowNode *node)
{
	static const JdgFlowKey barred[] = {
		JDG_KEY_ON_FAILURE, JDG_KEY_AFTER, JDG_KEY_JOIN, JDG_KEY_JOIN_N,
		JDG_KEY_COMPENSATE, JDG_KEY_COMPENSATE_RETRY, JDG_KEY_PIVOT
	};
	JdgFlowObject undo;

	undo.parse = o->parse;
	undo.node = node;
	undo.path_no = o->path_no;
	jdg_flow_read_object(&undo, o->v[JDG_KEY_COMPENSATE].val.binary.data);
	if (!jdg_flow_has(&undo, JDG_KEY_STEP))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a step or a command",
						jdg_flow_label(node))));
	for (int i = 0; i < lengthof(barred); i++)
	{
		if (jdg_flow_has(&undo, barred[i]))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s can not have \"%s\"", jdg_flow_label(node),
							jdg_flow_key_name(barred[i]))));
	}
	if (jdg_flow_has(o, JDG_KEY_COMPENSATE_RETRY))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"compensate_retry\" of %s is for a compensation that is a command",
						jdg_flow_label(o->node)),
				 errhint("Give \"retry\" to the step that compensates.")));
	(void) jdg_flow_get_name(&undo, JDG_KEY_STEP);
	node->timeout = jdg_flow_get_interval(&undo, JDG_KEY_TIMEOUT);
	jdg_flow_parse_task(&undo);
}

/* compensate and compensate_retry: of a step or a sub_flow */
void
jdg_flow_parse_compensation(JdgFlowObject *o)
{
	const JsonbValue *v = &o->v[JDG_KEY_COMPENSATE];
	JdgFlowNode *node;

	if (!jdg_flow_has(o, JDG_KEY_COMPENSATE))
	{
		if (jdg_flow_has(o, JDG_KEY_COMPENSATE_RETRY))
			jdg_flow_need(o, JDG_KEY_COMPENSATE);
		return;
	}
	node = palloc0(sizeof(JdgFlowNode));
	node->no = node->parent = -1;
	node->kind = JDG_FLOW_STEP;
	node->name = o->node->name;
	node->named = true;
	if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
		parse_compensating_step(o, node);
	else
	{
		node->text = jdg_flow_get_text(o, JDG_KEY_COMPENSATE);
		node->retry = jdg_flow_get_object(o, JDG_KEY_COMPENSATE_RETRY);
		check_task_options(node);
	}
	o->node->compensate = node;
	o->parse->graph->compensates = true;
}

/* A payload with paths is not known yet: it is checked when the task runs. */
void
jdg_flow_task_options(const JdgFlowNode *node, JdgTaskOptions *o)
{
	memset(o, 0, sizeof(*o));
	o->command = jdg_flow_command(node);
	if (node->kind != JDG_FLOW_STEP)
		return;
	o->payload = node->has_paths ? NULL : node->payload;
	o->queue = node->queue;
	o->priority = node->has_priority ? &node->priority : NULL;
	o->timeout = node->timeout;
	o->retry = node->retry;
	o->transaction = node->transaction;
	o->isolate = node->has_isolate ? &node->isolate : NULL;
	o->settings = node->settings;
	o->metadata = node->metadata;
	o->concurrency_key = node->concurrency_key;
}
