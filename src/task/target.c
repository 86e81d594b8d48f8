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
jdg_target_check(Oid owner, Jsonb *payload)
{
	Assert(rules != NULL);
	rules->check(owner, payload);
}

void
jdg_target_find(JdgTask *t)
{
	Assert(rules != NULL);
	if (t->transaction == JDG_XACT_HTTP && jdg_payload_is_given(t))
		rules->find(t);
}
