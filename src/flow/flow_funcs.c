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

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "flow/graph/draft.h"
#include "flow/graph/lookup.h"
#include "flow/graph/plan.h"
#include "flow/graph/type.h"
#include "flow/run/message.h"
#include "flow/run/start.h"
#include "shared/shmem.h"

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

/* (name, flow, description, owner) */
JDG_FUNCTION(jdg_create_flow, JDG_LEVEL_USER)
{
	char	   *name = jdg_need_text(fcinfo, 0, "create_flow", "name");
	Oid			owner;
	int			version;
	int64		newest;

	jdg_require_shmem();
	if (PG_ARGISNULL(1))
		jdg_null_argument("flow", "create_flow");
	jdg_check_flow_name(name);
	owner = jdg_resolve_owner(jdg_arg_text(fcinfo, 3));
	if (jdg_flow_is_draft(owner, name, &newest))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("flow \"%s\" already exists", name),
				 errdetail("It is a draft."),
				 errhint("Start it, or drop it first with jadugar.drop_flow().")));
	(void) jdg_flow_version_make(owner, name, PG_GETARG_JSONB_P(1),
								 jdg_arg_text(fcinfo, 2), &version);
	PG_RETURN_INT32(version);
}

/* Abort unfinished runs of a flow that is dropped, or refuse. */
static void
end_runs(Oid owner, const char *name, const char *mode)
{
	static JdgQuery q = {
		"SELECT r.run_id FROM jadugar_internal.flow_run r "
		"JOIN jadugar_internal.flow_version v USING (version_id) "
		"WHERE v.owner = $1 "
		"AND v.name = $2 AND v.dropped_at IS NULL AND r.finished_at IS NULL "
		"ORDER BY r.run_id", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	if (n > 0 && strcmp(mode, "restrict") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop flow \"%s\" because it has unfinished runs", name),
				 errdetail("Unfinished runs: %lld, the first: %lld.", (long long) n,
						   (long long) ids[0]),
				 errhint("Wait for them, or pass runs => 'compensate' or 'kill' to abort them.")));
	for (int64 i = 0; i < n; i++)
		jdg_flow_message_as(JDG_MESSAGE_ABORT, ids[i], 0, mode, NULL,
							GetUserId());
}

/* (name, runs, owner) */
JDG_FUNCTION(jdg_drop_flow, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_version SET dropped_at = $3 "
		"WHERE owner = $1 AND name = $2 AND dropped_at IS NULL", 3,
		{OIDOID, TEXTOID, TIMESTAMPTZOID},
		.config = true
	};
	static const char *const modes[] = {
		"restrict", "compensate", "kill", NULL
	};
	char	   *name = jdg_need_text(fcinfo, 0, "drop_flow", "name");
	char	   *mode = jdg_need_text(fcinfo, 1, "drop_flow", "runs");
	Oid			owner = jdg_owner_of_call(jdg_arg_text(fcinfo, 2));
	Datum		v[3];
	JdgInternal in;
	bool		found;

	jdg_require_shmem();
	jdg_check_word("runs", mode, modes);
	jdg_internal_begin(&in);
	end_runs(owner, name, mode);
	v[0] = ObjectIdGetDatum(owner);
	v[1] = CStringGetTextDatum(name);
	v[2] = TimestampTzGetDatum(jdg_now());
	found = jdg_run(&q, v, NULL, 0) > 0;
	found |= jdg_flow_draft_drop(owner, name);
	jdg_internal_end(&in);
	if (!found)
		flow_not_found(owner, name, 0);
	PG_RETURN_VOID();
}

/* -------------------------------------------------------------- starting */

/* arguments that both forms of start_flow() have, from "first" on */
enum
{
	A_KEY, A_DELAY, A_RUN_AT, A_TIMEOUT, A_TRACE, A_METADATA, A_TENANT,
	A_OWNER
};

static TimestampTz
start_of(FunctionCallInfo fcinfo, int first)
{
	TimestampTz now = jdg_now();

	if (!PG_ARGISNULL(first + A_RUN_AT))
	{
		TimestampTz t = PG_GETARG_TIMESTAMPTZ(first + A_RUN_AT);

		if (!PG_ARGISNULL(first + A_DELAY))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("run_at and delay cannot both be given")));
		if (TIMESTAMP_NOT_FINITE(t))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("run_at must be a finite timestamp")));
		return t;
	}
	if (PG_ARGISNULL(first + A_DELAY))
		return now;
	jdg_check_interval("delay", PG_GETARG_INTERVAL_P(first + A_DELAY), true);
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   PG_GETARG_DATUM(first + A_DELAY)));
}

static char *
short_text(FunctionCallInfo fcinfo, int n, const char *argument)
{
	char	   *s = jdg_arg_text(fcinfo, n);

	jdg_check_key(argument, s);
	return s;
}

/* Set fields of the run from the arguments and from the calling task. */
static void
read_run(FunctionCallInfo fcinfo, int first, JdgFlowRun *r)
{
	if (PG_ARGISNULL(1))
		jdg_null_argument("input", "start_flow");
	r->input = PG_GETARG_JSONB_P(1);
	r->idempotency_key = short_text(fcinfo, first + A_KEY, "idempotency_key");
	r->timeout = jdg_arg_interval(fcinfo, first + A_TIMEOUT);
	if (r->timeout != NULL)
		jdg_check_interval("timeout", r->timeout, false);
	r->trace = short_text(fcinfo, first + A_TRACE, "trace");
	r->tenant = short_text(fcinfo, first + A_TENANT, "tenant");
	r->metadata = jdg_arg_jsonb(fcinfo, first + A_METADATA);
	if (r->metadata != NULL && !JB_ROOT_IS_OBJECT(r->metadata))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("metadata must be a JSON object")));
	r->scheduled_for = r->paused_at = DT_NOBEGIN;
	if (jdg_current_task == NULL)
		return;
	r->schedule_id = jdg_current_task->schedule_id;
	r->schedule = jdg_current_task->schedule;
	if (r->schedule_id != 0)
	{
		r->scheduled_for = jdg_current_task->scheduled_for;
		r->timezone = pstrdup(pg_get_timezone_name(session_timezone));
	}
	if (r->trace == NULL && jdg_current_task->trace != NULL)
		r->trace = pstrdup(jdg_current_task->trace);
	if (r->tenant == NULL && jdg_current_task->tenant != NULL)
		r->tenant = pstrdup(jdg_current_task->tenant);
	if (!jdg_current_task->starts_flow)
		return;
	r->task_id = jdg_current_task->task_id;
	r->timeout = unconstify(Interval *, jdg_current_task->timeout);
}

/* Begin a run of a version; returns its id. */
static int64
start(FunctionCallInfo fcinfo, int first, int64 version_id, Oid owner)
{
	TimestampTz start_at = start_of(fcinfo, first);
	JdgFlowRun	r;
	JdgInternal in;
	int64		id;

	memset(&r, 0, sizeof(r));
	r.owner = owner;
	r.version_id = version_id;
	read_run(fcinfo, first, &r);
	jdg_internal_begin(&in);
	id = jdg_flow_begin(&r, start_at);
	jdg_internal_end(&in);
	if (r.task_id != 0)
		jdg_current_task->awaits_run = id;
	return id;
}

static int64
start_value(FunctionCallInfo fcinfo, int first, Jsonb *flow)
{
	Oid			owner = jdg_resolve_owner(jdg_arg_text(fcinfo, first + A_OWNER));
	int			version;

	return start(fcinfo, first,
				 jdg_flow_version_make(owner, NULL, flow, NULL, &version),
				 owner);
}

/* (name, input, version, idempotency_key, ...) */
JDG_FUNCTION(jdg_start_flow, JDG_LEVEL_USER)
{
	char	   *name = jdg_need_text(fcinfo, 0, "start_flow", "name");
	int			version = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	Oid			owner;
	int64		id;
	bool		draft = false;

	jdg_require_shmem();
	if (name[0] == JDG_FLOW_VALUE_BEGINS)
		PG_RETURN_INT64(start_value(fcinfo, 3, jdg_flow_of_text(name)));
	if (!PG_ARGISNULL(2) && version <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("version must be at least 1"),
				 errdetail("The value is %d.", version),
				 errhint("Omit it for the newest version.")));
	owner = jdg_resolve_owner(jdg_arg_text(fcinfo, 3 + A_OWNER));
	if (version == 0)
		draft = jdg_flow_is_draft(owner, name, &id);
	else
		id = jdg_flow_version_find(owner, name, version);
	if (draft)
		id = jdg_flow_version_make(owner, name, jdg_flow_draft(owner, name),
								   NULL, &version);
	if (id == 0)
		flow_not_found(owner, name, version);
	PG_RETURN_INT64(start(fcinfo, 3, id, owner));
}

/* (flow, input, idempotency_key, ...) */
JDG_FUNCTION(jdg_start_flow_value, JDG_LEVEL_USER)
{
	jdg_require_shmem();
	if (PG_ARGISNULL(0))
		jdg_null_argument("flow", "start_flow");
	PG_RETURN_INT64(start_value(fcinfo, 2, PG_GETARG_JSONB_P(0)));
}
