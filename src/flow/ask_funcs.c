/*-------------------------------------------------------------------------
 *
 * ask_funcs.c
 *	  Requests of users to runs: signals, approvals, abort, pause,
 *	  resume, retry, skip, fork.
 *
 * Runs in the caller's backend, in its transaction, and only leaves a message
 * there: the scheduler serves it when the transaction has committed
 * (flow/README.md).  A request that is certain to fail is refused at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/row_access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "flow/graph/names.h"
#include "flow/kind/kind.h"
#include "flow/run/fork.h"
#include "flow/run/message.h"
#include "flow/run/redo.h"
#include "flow/run/run_row.h"
#include "shared/shmem.h"
#include "tenant/tenant.h"

static const char *const mode_words[] = {"compensate", "kill", NULL};

/* a request to a run */
typedef struct AskArgs
{
	int64		run_id;
	char	   *name;			/* of a signal, an approval, a step */
	Jsonb	   *payload;
	bool		approved;
	char	   *comment;
	int			mode;			/* in mode_words */
	int64	   *step_id;		/* NULL: the only one of that name */
} AskArgs;

#define FIELD(field) offsetof(AskArgs, field)
#define RUN_ID {"run_id", INT8OID, FIELD(run_id), JDG_NEEDED}

static const JdgArg signal_args[] = {
	RUN_ID,
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"payload", JSONBOID, FIELD(payload), JDG_NEEDED},
};

static const JdgArg approve_args[] = {
	RUN_ID,
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"approved", BOOLOID, FIELD(approved), JDG_NEEDED},
	{"comment", TEXTOID, FIELD(comment)},
};

static const JdgArg abort_args[] = {
	RUN_ID,
	{"mode", TEXTOID, FIELD(mode), JDG_NEEDED, mode_words},
};

/* pause_flow(), resume_flow() */
static const JdgArg run_args[] = {
	RUN_ID
};

/* retry_step(), skip_step() */
static const JdgArg step_args[] = {
	RUN_ID,
	{"step", TEXTOID, FIELD(name), JDG_NEEDED},
	{"step_id", INT8OID, FIELD(step_id)},
};

static const JdgArg fork_args[] = {
	RUN_ID,
	{"from_step", TEXTOID, FIELD(name), JDG_NEEDED},
};

/* jdg_args_read(), for a server on which jadugar is loaded */
#define READ_ASK(function, args, fields) \
	(JDG_READ_ARGS(function, args, fields), jdg_require_shmem())

/* in the audit trail */
#define RUN "flow run"

/* a run that the caller may act on, or NOT_FOUND; inside */
static void
find_run(int64 run_id, Oid role, JdgFlowRun *r)
{
	Assert(jdg_is_bookkeeping());
	if (!jdg_flow_run_load(run_id, r) ||
		!jdg_may_manage_row(role, r->owner, r->tenant))
		jdg_flow_run_not_found(run_id);
}

JDG_NORETURN static void
raise_over(const JdgFlowRun *r)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("flow run %lld has ended", (long long) r->run_id)));
	pg_unreachable();
}

/* signal(run_id, name, payload) */
JDG_FUNCTION(jdg_signal, JDG_LEVEL_USER)
{
	AskArgs		a;
	JdgFlowRun	r;
	JdgInternal in;

	READ_ASK("signal", signal_args, &a);
	jdg_check_name("signal", a.name);
	jdg_internal_begin(&in);
	find_run(a.run_id, in.save_user, &r);
	if (r.status != JDG_FLOW_STATUS_RUNNING)
		raise_over(&r);
	jdg_flow_message_as(JDG_MESSAGE_SIGNAL, a.run_id, 0, a.name, a.payload,
						in.save_user);
	jdg_audit_work("signal", RUN, a.run_id, r.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* The decision, its maker and its time. */
static Jsonb *
verdict(bool approved, const char *comment, Oid role)
{
	JsonbParseState *st = NULL;
	JsonbValue	v;

	(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	v.type = jbvString;
	v.val.string.val = "approved";
	v.val.string.len = 8;
	(void) pushJsonbValue(&st, WJB_KEY, &v);
	v.type = jbvBool;
	v.val.boolean = approved;
	(void) pushJsonbValue(&st, WJB_VALUE, &v);
	jdg_json_text(&st, "by", GetUserNameFromId(role, false));
	jdg_json_text(&st, "session", GetUserNameFromId(GetSessionUserId(), false));
	jdg_json_text(&st, "at", pstrdup(timestamptz_to_str(jdg_now())));
	jdg_json_text(&st, "comment", comment);
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
}

/*
 * May this role decide?  Members of the named role may, without one the roles
 * that may manage the run.  A confined role may for runs of its tenants.
 */
static bool
may_approve(const JdgFlowNode *node, const JdgFlowRun *r, Oid role)
{
	Oid			approvers;

	if (node == NULL || node->text == NULL)
		return jdg_may_manage_row(role, r->owner, r->tenant);
	if (jdg_confined(role) != NULL &&
		jdg_row_access(role, r->owner, r->tenant) != JDG_ROW_WHOLE)
		return false;
	approvers = get_role_oid(node->text, true);
	return OidIsValid(approvers) && has_privs_of_role(role, approvers);
}

/*
 * An approval is decided once: a second verdict would be kept, and decide the
 * next pass of a loop before an approver has seen it.  Inside.
 */
static void
check_undecided(const JdgFlowRun *r, const JdgFlowNode *node)
{
	static JdgQuery q = {
		"SELECT (SELECT count(*) FROM jadugar_internal.flow_message "
		"WHERE run_id = $1 AND kind = $4 AND name = $2), "
		"(SELECT count(*) FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND event = $5), "
		"EXISTS (SELECT FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND step_id = $3)", 5,
		{INT8OID, TEXTOID, INT8OID, CHAROID, TEXTOID}
	};
	Datum		v[5] = {Int64GetDatum(r->run_id),
		CStringGetTextDatum(node->name), Int64GetDatum(node->no),
		CharGetDatum(jdg_message_kind_out(JDG_MESSAGE_VERDICT)),
	CStringGetTextDatum(jdg_message_event(JDG_MESSAGE_VERDICT, node->name))};
	int64		verdicts;
	int64		waits;
	bool		reached;

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 1);
	verdicts = jdg_col_int64(0, 1, 0);
	waits = jdg_col_int64(0, 2, 0);
	reached = node->block != 0 || jdg_col_bool(0, 3);
	/* a decision before the run reaches it is kept if it can only mean one */
	if (verdicts < waits || (waits == 0 && verdicts == 0 && !reached))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("flow run %lld is not waiting for approval \"%s\"",
					(long long) r->run_id, node->name),
			 verdicts > 0 ?
			 errdetail("The approval has just been decided.") :
			 errdetail("The approval has been decided, or the run has not reached it again."),
			 errhint("See the view jadugar.approvals.")));
}

/* approve(run_id, name, approved, comment) */
JDG_FUNCTION(jdg_approve, JDG_LEVEL_USER)
{
	AskArgs		a;
	const JdgFlowPlan *plan;
	const JdgFlowNode *node = NULL;
	JdgFlowRun	r;
	JdgInternal in;
	int			no;

	READ_ASK("approve", approve_args, &a);
	jdg_internal_begin(&in);
	if (!jdg_flow_run_load(a.run_id, &r))
		jdg_flow_run_not_found(a.run_id);
	plan = jdg_flow_plan_get(r.version_id);
	no = jdg_flow_find(plan->graph, a.name);
	if (no >= 0 && plan->graph->nodes[no].kind == &jdg_kind_approval)
		node = &plan->graph->nodes[no];
	if (!may_approve(node, &r, in.save_user))
	{
		if (!jdg_may_manage_row(in.save_user, r.owner, r.tenant))
			jdg_flow_run_not_found(a.run_id);
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for approval \"%s\"", a.name),
				 errdetail("Members of role \"%s\" may decide it.", node->text)));
	}
	if (node == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("approval \"%s\" does not exist in flow run %lld",
						a.name, (long long) a.run_id)));
	if (r.status != JDG_FLOW_STATUS_RUNNING)
		raise_over(&r);
	check_undecided(&r, node);
	jdg_flow_message_as(JDG_MESSAGE_VERDICT, a.run_id, 0, a.name,
						verdict(a.approved, a.comment, in.save_user),
						in.save_user);
	jdg_audit_work("approve", RUN, a.run_id, r.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* abort_flow(run_id, mode) */
JDG_FUNCTION(jdg_abort_flow, JDG_LEVEL_USER)
{
	AskArgs		a;
	JdgFlowRun	r;
	JdgInternal in;
	bool		over;

	READ_ASK("abort_flow", abort_args, &a);
	jdg_internal_begin(&in);
	find_run(a.run_id, in.save_user, &r);
	over = jdg_flow_run_is_over(r.status);
	if (!over)
	{
		jdg_flow_message_as(JDG_MESSAGE_ABORT, a.run_id, 0,
							mode_words[a.mode], NULL, in.save_user);
		jdg_audit_work("abort_flow", RUN, a.run_id, r.owner);
	}
	jdg_internal_end(&in);
	PG_RETURN_BOOL(!over);
}

/* Send a request without arguments to a run that has not ended. */
static void
ask(FunctionCallInfo fcinfo, const char *function, JdgMessageKind kind)
{
	AskArgs		a;
	JdgFlowRun	r;
	JdgInternal in;

	READ_ASK(function, run_args, &a);
	jdg_internal_begin(&in);
	find_run(a.run_id, in.save_user, &r);
	if (jdg_flow_run_is_over(r.status))
		raise_over(&r);
	jdg_flow_message_as(kind, a.run_id, 0, NULL, NULL, in.save_user);
	jdg_audit_work(function, RUN, a.run_id, r.owner);
	jdg_internal_end(&in);
}

JDG_FUNCTION(jdg_pause_flow, JDG_LEVEL_USER)
{
	ask(fcinfo, "pause_flow", JDG_MESSAGE_PAUSE);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_resume_flow, JDG_LEVEL_USER)
{
	ask(fcinfo, "resume_flow", JDG_MESSAGE_RESUME);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------- one step */

typedef const char *(*Refused) (const JdgFlowRun *r, const JdgFlowNode *node,
								const JdgFlowStep *step);

/* The node of that name, or NOT_FOUND.  Inside. */
static const JdgFlowNode *
find_node(const JdgFlowRun *r, const char *name)
{
	const JdgFlowPlan *plan = jdg_flow_plan_get(r->version_id);
	int			no = jdg_flow_find(plan->graph, name);

	Assert(jdg_is_bookkeeping());
	if (no < 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("step \"%s\" does not exist in flow run %lld", name,
						(long long) r->run_id),
				 errhint("See jadugar.explain_flow(%lld).",
						 (long long) r->run_id)));
	return &plan->graph->nodes[no];
}

/* A request about a step cannot be served; why: a sentence. */
static void
raise_refused(const JdgFlowRun *r, const char *name, JdgMessageKind kind,
			  const char *why)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 kind == JDG_MESSAGE_RETRY ?
			 errmsg("cannot retry step \"%s\" of flow run %lld", name,
					(long long) r->run_id) :
			 errmsg("cannot skip step \"%s\" of flow run %lld", name,
					(long long) r->run_id),
			 errdetail("%s", why)));
}

/*
 * The row of the step that a request is about.  In an each or a loop there may
 * be several: the only one that allows the request.
 */
static int64
find_row(const JdgFlowRun *r, const JdgFlowNode *node, const int64 *wanted,
		 Refused refused, JdgMessageKind kind)
{
	static JdgQuery q = {
		"SELECT step_id FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"AND node = $2 ORDER BY step_id", 2, {INT8OID, INT4OID}
	};
	Datum		v[2] = {Int64GetDatum(r->run_id), Int32GetDatum(node->no)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));
	JdgFlowStepReader *reader;
	const char *why = "The run has not reached it.";
	int64		found = -1;
	int			nfound = 0;

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = jdg_flow_step_reader();
	for (int64 i = 0; i < n; i++)
	{
		JdgFlowStep s;
		const char *no;

		if ((wanted != NULL && ids[i] != *wanted) ||
			!jdg_flow_step_read(reader, r->run_id, ids[i], &s))
			continue;
		no = refused(r, node, &s);
		if (no != NULL)
		{
			why = no;
			continue;
		}
		found = ids[i];
		nfound++;
	}
	jdg_flow_step_reader_end(reader);
	PopActiveSnapshot();
	if (nfound == 0)
		raise_refused(r, node->name, kind, why);
	if (nfound > 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("step \"%s\" of flow run %lld is ambiguous", node->name,
						(long long) r->run_id),
				 errdetail("It exists %d times, in items of an each or passes of a loop.",
						   nfound),
				 errhint("Pass step_id => from the view jadugar.flow_steps.")));
	return found;
}

/*
 * Send a request about one step of a run, if it can be served.  A run that
 * goes on needs its queues: the message keeps them until it is served.  It
 * must not go on while its tenant is dropped.
 */
static void
ask_step(FunctionCallInfo fcinfo, const char *function, JdgMessageKind kind,
		 Refused refused)
{
	AskArgs		a;
	JdgFlowRun	r;
	JdgInternal in;
	int64		step_id;

	READ_ASK(function, step_args, &a);
	jdg_internal_begin(&in);
	find_run(a.run_id, in.save_user, &r);
	jdg_tenant_use(r.tenant);
	step_id = find_row(&r, find_node(&r, a.name), a.step_id, refused, kind);
	if (jdg_flow_run_is_over(r.status))
		(void) jdg_flow_queues_use(&jdg_flow_plan_get(r.version_id)->queues, true);
	jdg_flow_message_as(kind, a.run_id, step_id, NULL, NULL, in.save_user);
	jdg_audit_work(function, RUN, a.run_id, r.owner);
	jdg_internal_end(&in);
}

JDG_FUNCTION(jdg_retry_step, JDG_LEVEL_USER)
{
	ask_step(fcinfo, "retry_step", JDG_MESSAGE_RETRY, jdg_flow_retry_refused);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_skip_step, JDG_LEVEL_USER)
{
	ask_step(fcinfo, "skip_step", JDG_MESSAGE_SKIP, jdg_flow_skip_refused);
	PG_RETURN_VOID();
}

/* fork_flow(run_id, from_step) */
JDG_FUNCTION(jdg_fork_flow, JDG_LEVEL_USER)
{
	AskArgs		a;
	const JdgFlowNode *node;
	JdgFlowRun	r;
	JdgInternal in;
	int64		id;

	READ_ASK("fork_flow", fork_args, &a);
	jdg_internal_begin(&in);
	find_run(a.run_id, in.save_user, &r);
	node = find_node(&r, a.name);
	if (node->block != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot fork from step \"%s\" of flow run %lld", a.name,
						(long long) a.run_id),
				 errdetail("It is in the body of an each or a loop."),
				 errhint("Fork from the each or the loop.")));
	jdg_tenant_use(r.tenant);
	PushActiveSnapshot(GetTransactionSnapshot());
	id = jdg_flow_fork(&r, node);
	PopActiveSnapshot();
	jdg_audit_work("fork_flow", RUN, a.run_id, r.owner);
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}
