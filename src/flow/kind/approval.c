/*-------------------------------------------------------------------------
 *
 * approval.c
 *	  approval: until an approver decides.
 *
 *	{"approval": name, "approvers": role, "message", "on_timeout"}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/acl.h"

#include "base/errors.h"
#include "base/json.h"
#include "flow/kind/build.h"
#include "flow/kind/kind.h"
#include "flow/kind/wait.h"
#include "flow/run/end.h"
#include "flow/run/value.h"

static const JdgFlowArg args[] = {
	{"name", "approval", JDG_FLOW_ARG_TEXT, true},
	{"approvers", "approvers", JDG_FLOW_ARG_TEXT},
	{"message", "message", JDG_FLOW_ARG_TEXT},
	{"timeout", "timeout", JDG_FLOW_ARG_INTERVAL},
	{"on_timeout", "on_timeout", JDG_FLOW_ARG_TEXT},
	{"on_failure", "on_failure", JDG_FLOW_ARG_TEXT},
	JDG_FLOW_ARGS_AFTER
};

PG_FUNCTION_INFO_V1(jdg_flow_approval);

Datum
jdg_flow_approval(PG_FUNCTION_ARGS)
{
	return jdg_build_node(fcinfo, &jdg_kind_approval);
}

static void
approval_parse(JdgFlowObject *o)
{
	jdg_parse_on_timeout(o);
	o->node->text = jdg_object_name(o, "approvers");
	o->node->message = jdg_object_text(o, "message");
}

/* Refuse a role that does not exist: it could never decide. */
static void
approval_check(const JdgFlowNode *node, Oid owner, const char *flow)
{
	if (node->text == NULL || OidIsValid(get_role_oid(node->text, true)))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("role \"%s\" does not exist", node->text),
			 errdetail("Its members decide approval \"%s\".",
					   node->name)));
}

static const char *
approval_name(const JdgFlowNode *node)
{
	return node->name;
}

/* The detail of a refusal. */
static char *
refusal(Jsonb *verdict)
{
	char	   *by = jdg_json_get_text(verdict, "by");
	char	   *comment = jdg_json_get_text(verdict, "comment");

	if (by == NULL)
		by = "an unknown role";
	if (comment == NULL)
		return psprintf("By %s.", by);
	return psprintf("By %s: %s", by, comment);
}

/* An approver has decided. */
static void
approval_answer(JdgRunState *rs, JdgFlowStep *step, Jsonb *payload)
{
	if (jdg_json_get_bool(payload, "approved"))
		jdg_leaf_end(rs, step, JDG_STEP_COMPLETED, payload, NULL, NULL);
	else
		jdg_leaf_end(rs, step, JDG_STEP_FAILED, payload,
					 jdg_flow_error("TASK_EXECUTION_ERROR",
									"the approval was refused",
									refusal(payload)),
					 psprintf("step \"%s\" was rejected",
							  jdg_step_node(rs, step)->name));
}

static char *
approval_subject(const JdgFlowNode *node, int max)
{
	return node->text ? psprintf("by %s", node->text) : NULL;
}

const JdgKind jdg_kind_approval = {
	.key = "approval",
	.name = "approval",
	.key_is_name = true,
	.args = args,
	.nargs = lengthof(args),
	.parse = approval_parse,
	.check = approval_check,
	.begin = jdg_wait_begin,
	.due = jdg_wait_due,
	.message = JDG_MESSAGE_VERDICT,
	.message_name = approval_name,
	.answer = approval_answer,
	.subject = approval_subject,
	.waiting_for = jdg_wait_event_name,
	.shape = {"([", "])"}
};
