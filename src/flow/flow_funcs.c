/*-------------------------------------------------------------------------
 *
 * flow_funcs.c
 *	  create_flow(), drop_flow() and start_flow().
 *
 * Runs in the caller's backend, as the caller, in its transaction.  A graph
 * is checked as the caller (flow/graph/plan.c); then rows are written as
 * bookkeeping.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "exec/tenant.h"
#include "flow/graph/draft.h"
#include "flow/graph/lookup.h"
#include "flow/graph/plan.h"
#include "flow/graph/type.h"
#include "flow/run/message.h"
#include "flow/run/start.h"
#include "shared/shmem.h"

/* create_flow() */
typedef struct CreateArgs
{
	char	   *name;
	Jsonb	   *flow;
	char	   *description;
	char	   *owner;
} CreateArgs;

static const JdgArg create_args[] = {
	{"name", TEXTOID, offsetof(CreateArgs, name), JDG_NEEDED},
	{"flow", InvalidOid, offsetof(CreateArgs, flow), JDG_NEEDED},
	{"description", TEXTOID, offsetof(CreateArgs, description)},
	{"owner", TEXTOID, offsetof(CreateArgs, owner)},
};

static const char *const drop_words[] = {
	"restrict", "compensate", "kill", NULL
};

typedef enum RunsMode
{
	RUNS_RESTRICT,
	RUNS_COMPENSATE,
	RUNS_KILL
} RunsMode;

/* drop_flow() */
typedef struct DropArgs
{
	char	   *name;
	RunsMode	runs;
	char	   *owner;
} DropArgs;

static const JdgArg drop_args[] = {
	{"name", TEXTOID, offsetof(DropArgs, name), JDG_NEEDED},
	{"runs", TEXTOID, offsetof(DropArgs, runs), JDG_NEEDED, drop_words},
	{"owner", TEXTOID, offsetof(DropArgs, owner)},
};

/* start_flow(): of a name, or of a value */
typedef struct StartArgs
{
	char	   *name;
	Jsonb	   *flow;
	Jsonb	   *input;
	int32	   *version;
	char	   *idempotency_key;
	Interval   *delay;
	TimestampTz *run_at;
	Interval   *timeout;
	char	   *trace;
	Jsonb	   *metadata;
	char	   *tenant;
	char	   *owner;
} StartArgs;

#define FIELD(field) offsetof(StartArgs, field)

#define RUN_ARGS \
	{"idempotency_key", TEXTOID, FIELD(idempotency_key)}, \
	{"delay", INTERVALOID, FIELD(delay)}, \
	{"run_at", TIMESTAMPTZOID, FIELD(run_at)}, \
	{"timeout", INTERVALOID, FIELD(timeout)}, \
	{"trace", TEXTOID, FIELD(trace)}, \
	{"metadata", JSONBOID, FIELD(metadata)}, \
	{"tenant", TEXTOID, FIELD(tenant)}, \
	{"owner", TEXTOID, FIELD(owner)}

static const JdgArg start_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"input", JSONBOID, FIELD(input), JDG_NEEDED},
	{"version", INT4OID, FIELD(version)},
	RUN_ARGS
};

static const JdgArg start_value_args[] = {
	{"flow", InvalidOid, FIELD(flow), JDG_NEEDED},
	{"input", JSONBOID, FIELD(input), JDG_NEEDED},
	RUN_ARGS
};

/*
 * The owner of a flow of this name that is not the given one, and whose flows
 * the caller may see; InvalidOid: there is none.
 */
static Oid
find_other_owner(Oid owner, const char *name)
{
	static JdgQuery q = {
		"SELECT DISTINCT v.owner FROM jadugar_internal.flow_version v "
		"WHERE v.name = $2 AND v.dropped_at IS NULL AND v.owner <> $1 "
		"ORDER BY v.owner LIMIT 100", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	JdgInternal in;
	Oid			other;

	jdg_internal_begin(&in);
	other = jdg_visible_owner(jdg_run(&q, v, NULL, 0));
	jdg_internal_end(&in);
	return other;
}

static void
flow_not_found(Oid owner, const char *name, int version)
{
	Oid			other = find_other_owner(owner, name);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 version == 0 ? errmsg("flow \"%s\" does not exist", name) :
			 errmsg("version %d of flow \"%s\" does not exist", version, name),
			 OidIsValid(other) ?
			 errhint("Role \"%s\" has a flow of this name: pass owner => %s.",
					 jdg_role_name(other),
					 quote_literal_cstr(jdg_role_name(other))) :
			 errhint("See the view jadugar.flows.")));
}

/* create_flow(name, flow, description, owner) */
JDG_FUNCTION(jdg_create_flow, JDG_LEVEL_USER)
{
	CreateArgs	a;
	Oid			owner;
	int			version;
	int64		newest;

	JDG_READ_ARGS("create_flow", create_args, &a);
	jdg_require_shmem();
	jdg_check_flow_name(a.name);
	jdg_check_description(a.description);
	owner = jdg_resolve_owner(a.owner);
	jdg_flow_name_lock(owner, a.name);
	if (jdg_flow_is_draft(owner, a.name, &newest))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("flow \"%s\" already exists", a.name),
				 errdetail("It is a draft."),
				 errhint("Start it, or drop it first with jadugar.drop_flow().")));
	(void) jdg_flow_version_make(owner, a.name, a.flow, a.description,
								 &version);
	jdg_audit_detail("create_flow", "flow", a.name, owner,
					 psprintf("version %d", version), NULL);
	PG_RETURN_INT32(version);
}

/* Raises CONFLICT if a confined caller may not act on all runs of a flow. */
static void
refuse_hidden_runs(Oid owner, const char *name, char **tenants, int64 n)
{
	Oid			caller = jdg_section_caller();

	if (jdg_confined(caller) == NULL)
		return;
	for (int64 i = 0; i < n; i++)
	{
		if (!jdg_may_manage_row(caller, owner, tenants[i]))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("cannot drop flow \"%s\" because it has unfinished runs",
							name),
					 errdetail("Some of them are of other tenants."),
					 errhint("Ask an operator to drop it.")));
	}
}

/* Abort unfinished runs of a flow that is dropped, or refuse. */
static void
end_runs(Oid owner, const char *name, RunsMode mode)
{
	static JdgQuery q = {
		"SELECT r.run_id, r.tenant FROM jadugar_internal.flow_run r "
		"JOIN jadugar_internal.flow_version v USING (version_id) "
		"WHERE v.owner = $1 "
		"AND v.name = $2 AND v.dropped_at IS NULL AND r.finished_at IS NULL "
		"ORDER BY r.run_id", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));
	char	  **tenants = palloc(sizeof(char *) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
	{
		ids[i] = jdg_col_int64(i, 1, 0);
		tenants[i] = jdg_col_text(i, 2, CurrentMemoryContext);
	}
	refuse_hidden_runs(owner, name, tenants, n);
	if (n > 0 && mode == RUNS_RESTRICT)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop flow \"%s\" because it has unfinished runs", name),
				 errdetail("Unfinished runs: %lld, the first: %lld.", (long long) n,
						   (long long) ids[0]),
				 errhint("Wait for them, or pass runs => 'compensate' or 'kill' to abort them.")));
	for (int64 i = 0; i < n; i++)
		jdg_flow_message_as(JDG_MESSAGE_ABORT, ids[i], 0, drop_words[mode],
							NULL, GetUserId());
}

/* drop_flow(name, runs, owner) */
JDG_FUNCTION(jdg_drop_flow, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_version SET dropped_at = $3 "
		"WHERE owner = $1 AND name = $2 AND dropped_at IS NULL", 3,
		{OIDOID, TEXTOID, TIMESTAMPTZOID},
		.config = true
	};
	DropArgs	a;
	Oid			owner;
	Datum		v[3];
	JdgInternal in;
	bool		found;

	JDG_READ_ARGS("drop_flow", drop_args, &a);
	owner = jdg_owner_of_call(a.owner);
	jdg_require_shmem();
	jdg_internal_begin(&in);
	end_runs(owner, a.name, a.runs);
	v[0] = ObjectIdGetDatum(owner);
	v[1] = CStringGetTextDatum(a.name);
	v[2] = TimestampTzGetDatum(jdg_now());
	found = jdg_run(&q, v, NULL, 0) > 0;
	found |= jdg_flow_draft_drop(owner, a.name);
	jdg_internal_end(&in);
	if (!found)
		flow_not_found(owner, a.name, 0);
	jdg_audit("drop_flow", "flow", a.name, owner);
	PG_RETURN_VOID();
}

/* -------------------------------------------------------------- starting */

/* When the run starts, by run_at or delay. */
static TimestampTz
start_of(const StartArgs *a)
{
	TimestampTz now = jdg_now();

	if (a->run_at != NULL && a->delay != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("run_at and delay cannot both be given")));
	if (a->run_at != NULL && TIMESTAMP_NOT_FINITE(*a->run_at))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("run_at must be a finite timestamp")));
	if (a->run_at != NULL)
		return *a->run_at;
	if (a->delay == NULL)
		return now;
	jdg_check_interval("delay", a->delay, true);
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(a->delay)));
}

/* Set fields of the run from the calling task. */
static void
take_over(const JdgCurrentTask *task, JdgFlowRun *r)
{
	r->schedule_id = task->schedule_id;
	r->schedule = task->schedule;
	if (r->schedule_id != 0)
	{
		r->scheduled_for = task->scheduled_for;
		r->timezone = pstrdup(pg_get_timezone_name(session_timezone));
	}
	if (r->trace == NULL && task->trace != NULL)
		r->trace = pstrdup(task->trace);
	if (!task->starts_flow)
		return;
	r->task_id = task->task_id;
	r->timeout = unconstify(Interval *, task->timeout);
}

/* Set fields of the run from the arguments and from the calling task. */
static void
read_run(const StartArgs *a, JdgFlowRun *r)
{
	jdg_check_key("idempotency_key", a->idempotency_key);
	if (a->timeout != NULL)
		jdg_check_interval("timeout", a->timeout, false);
	jdg_check_key("trace", a->trace);
	jdg_check_metadata(a->metadata);
	r->input = a->input;
	r->idempotency_key = a->idempotency_key;
	r->timeout = a->timeout;
	r->trace = a->trace;
	r->tenant = jdg_tenant_of_call(a->tenant);
	r->metadata = a->metadata;
	r->scheduled_for = r->paused_at = DT_NOBEGIN;
	if (jdg_current_task != NULL)
		take_over(jdg_current_task, r);
}

/* Begin a run of a version; returns its id. */
static int64
start(const StartArgs *a, int64 version_id, Oid owner)
{
	TimestampTz start_at = start_of(a);
	JdgFlowRun	r;
	JdgInternal in;
	int64		id;

	memset(&r, 0, sizeof(r));
	r.owner = owner;
	r.version_id = version_id;
	read_run(a, &r);
	jdg_internal_begin(&in);
	id = jdg_flow_begin(&r, start_at);
	jdg_audit_given("start_flow", "flow run", id, owner);
	jdg_internal_end(&in);
	if (r.task_id != 0)
		jdg_current_task->awaits_run = id;
	return id;
}

static int64
start_value(const StartArgs *a, Jsonb *flow)
{
	Oid			owner = jdg_resolve_owner(a->owner);
	int			version;

	return start(a, jdg_flow_version_make(owner, NULL, flow, NULL, &version),
				 owner);
}

/* start_flow(name, input, version, idempotency_key, ...) */
JDG_FUNCTION(jdg_start_flow, JDG_LEVEL_USER)
{
	StartArgs	a;
	int			version;
	Oid			owner;
	int64		id;
	bool		draft = false;

	JDG_READ_ARGS("start_flow", start_args, &a);
	jdg_require_shmem();
	if (a.name[0] == JDG_FLOW_VALUE_BEGINS)
		PG_RETURN_INT64(start_value(&a, jdg_flow_of_text(a.name)));
	if (a.version != NULL && *a.version <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("version must be at least 1"),
				 errdetail("The value is %d.", *a.version),
				 errhint("Omit it for the newest version.")));
	version = a.version ? *a.version : 0;
	owner = jdg_resolve_owner(a.owner);
	if (version == 0)
		draft = jdg_flow_is_draft(owner, a.name, &id);
	else
		id = jdg_flow_version_find(owner, a.name, version);
	if (draft)
		id = jdg_flow_version_make(owner, a.name,
								   jdg_flow_draft(owner, a.name), NULL,
								   &version);
	if (id == 0)
		flow_not_found(owner, a.name, version);
	PG_RETURN_INT64(start(&a, id, owner));
}

/* start_flow(flow, input, idempotency_key, ...) */
JDG_FUNCTION(jdg_start_flow_value, JDG_LEVEL_USER)
{
	StartArgs	a;

	JDG_READ_ARGS("start_flow", start_value_args, &a);
	jdg_require_shmem();
	PG_RETURN_INT64(start_value(&a, a.flow));
}
