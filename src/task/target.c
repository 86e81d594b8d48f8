/*-------------------------------------------------------------------------
 *
 * target.c
 *	  What an HTTP task calls, see target.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "task/target.h"

static const JdgTargetRules *rules = NULL;

void
jdg_target_register(const JdgTargetRules *r)
{
	rules = r;
	jdg_task_target_hook = jdg_target_find;
}

void
jdg_target_check(bool sends, const JdgHandler *h, Oid owner, Jsonb *payload)
{
	if (h != NULL)
		jdg_handler_check_payload(h, payload);
	if (sends)
		jdg_target_check_request(h, owner, payload);
}

void
jdg_target_check_request(const JdgHandler *h, Oid owner, Jsonb *payload)
{
	Assert(rules != NULL);
	rules->check(h, owner, payload);
}

void
jdg_target_find(JdgTask *t)
{
	Assert(rules != NULL);
	if (t->transaction == JDG_XACT_HTTP && jdg_payload_is_given(t))
		rules->find(t);
}

bool
jdg_target_sent_once(const JdgTask *task)
{
	Assert(rules != NULL);
	return task->transaction == JDG_XACT_HTTP && rules->sent_once(task);
}

int32
jdg_target_endpoint(const JdgTask *task)
{
	JdgTask		t = *task;

	/* without a handler, its payload names it, as when it was enqueued */
	if (t.transaction != JDG_XACT_HTTP ||
		jdg_command_get(t.command_id)->kind == JDG_COMMAND_HTTP)
		return task->endpoint_id;
	jdg_target_find(&t);
	/* 0: the role may not use the handler any more */
	return t.endpoint_id != 0 ? t.endpoint_id : task->endpoint_id;
}
