/*-------------------------------------------------------------------------
 *
 * ops_funcs.c
 *	  SQL functions that act on a schedule: run it now, pause, resume, drop
 *	  it.
 *
 * Runs in the caller's backend.  A name means a schedule of the caller, or
 * with owner => of a role that the caller may act for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "schedule/due.h"
#include "schedule/occurrence.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "shared/happening.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/room.h"
#include "task/tenant_quota.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

/* a schedule by its name and its owner, NULL: the caller */
typedef struct NameArgs
{
	char	   *name;
	char	   *owner;
} NameArgs;

static const JdgArg name_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg owner_args[] = {
	{"owner", TEXTOID, 0},
};

/* run_now() */
typedef struct RunArgs
{
	char	   *name;
	Jsonb	   *payload_override;
	char	   *owner;
} RunArgs;

static const JdgArg run_args[] = {
	{"name", TEXTOID, offsetof(RunArgs, name), JDG_NEEDED},
	{"payload_override", JSONBOID, offsetof(RunArgs, payload_override)},
	{"owner", TEXTOID, offsetof(RunArgs, owner)},
};

static void
read_name(FunctionCallInfo fcinfo, const char *function, NameArgs *a)
{
	JDG_READ_ARGS(function, name_args, a);
	jdg_check_name("schedule", a->name);
}

/*
 * Begin a section, and lock the schedule that the call of a function names.
 */
static void
begin_with(FunctionCallInfo fcinfo, const char *function, JdgInternal *in,
		   JdgSchedule *s)
{
	NameArgs	a;
	Oid			owner;
	MemoryContext mcxt = CurrentMemoryContext;

	read_name(fcinfo, function, &a);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(in);
	jdg_schedule_find(owner, a.name, true, s, mcxt);
}

/* Deletes the schedule's row and its statistics. */
static void
delete_schedule(const JdgSchedule *s)
{
	static JdgQuery row = {
		"DELETE FROM jadugar_internal.schedule "
		"WHERE schedule_id = $1", 1, {INT8OID}
	};
	static JdgQuery stat = {
		"DELETE FROM jadugar_internal.schedule_stat WHERE schedule_id = $1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(s->schedule_id)};

	jdg_run(&row, v, NULL, 0);
	jdg_run(&stat, v, NULL, 0);
}

/* Say which schedules will wait for one that has gone. */
static char *
dependents_of(const JdgSchedule *s, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT string_agg(quote_literal(d.name), ', ' ORDER BY d.name) "
		"FROM jadugar_internal.schedule d WHERE d.owner = $1 "
		"AND $2 = ANY (d.depends_on) AND ($3 IS NULL OR d.tenant = ANY ($3))",
		3, {OIDOID, TEXTOID, TEXTARRAYOID}
	};
	Datum		v[3] = {ObjectIdGetDatum(s->owner),
	CStringGetTextDatum(s->name)};
	char		nulls[3] = {' ', ' ', ' '};

	jdg_put_tenants(&v[2], &nulls[2], jdg_section_caller());
	jdg_run(&q, v, nulls, 1);
	return jdg_col_text(0, 1, mcxt);
}

/* unschedule(name, owner): true */
JDG_FUNCTION(jdg_unschedule, JDG_LEVEL_USER)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgSchedule s;
	JdgInternal in;
	char	   *dependents;

	begin_with(fcinfo, "unschedule", &in, &s);
	dependents = dependents_of(&s, mcxt);
	delete_schedule(&s);
	jdg_audit("unschedule", "schedule", s.name, s.owner);
	jdg_internal_end(&in);
	if (dependents != NULL)
		ereport(NOTICE,
				(errmsg("schedules that depend on \"%s\" will no longer run",
						s.name),
				 errdetail("They are %s.", dependents),
				 errhint("Change their depends_on with jadugar.alter_schedule().")));
	PG_RETURN_BOOL(true);
}

/* clear_schedules(owner): how many there were */
JDG_FUNCTION(jdg_clear_schedules, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"WITH gone AS (DELETE FROM jadugar_internal.schedule WHERE owner = $1 "
		"AND ($2 IS NULL OR tenant = ANY ($2)) RETURNING schedule_id), stat AS (DELETE "
		"FROM jadugar_internal.schedule_stat "
		"WHERE schedule_id = ANY (ARRAY(SELECT schedule_id FROM gone))) "
		"SELECT count(*) FROM gone", 2, {OIDOID, TEXTARRAYOID}
	};
	char	   *owner;
	Datum		v[2];
	char		nulls[2] = {' ', ' '};
	JdgInternal in;
	int64		n;

	JDG_READ_ARGS("clear_schedules", owner_args, &owner);
	v[0] = ObjectIdGetDatum(jdg_owner_of_call(owner));
	jdg_internal_begin(&in);
	jdg_put_tenants(&v[1], &nulls[1], in.save_user);
	jdg_run(&q, v, nulls, 0);
	n = jdg_col_int64(0, 1, 0);
	if (n > 0)
		jdg_audit_number("clear_schedules", "schedules",
						 DatumGetObjectId(v[0]), n);
	jdg_internal_end(&in);
	PG_RETURN_INT64(n);
}

/* Tells modules that a schedule was paused or resumed. */
static void
tell(JdgHappening kind, const JdgSchedule *s)
{
	JsonbParseState *st = NULL;

	if (!jdg_happens(kind))
		return;
	jdg_json_begin(&st);
	jdg_json_int64(&st, "schedule_id", s->schedule_id);
	jdg_json_text(&st, "schedule", s->name);
	jdg_happened_to(kind, s->owner, s->tenant, s->name, jdg_json_finish(&st));
}

/* pause_schedule(name, owner): false if it was paused already */
JDG_FUNCTION(jdg_pause_schedule, JDG_LEVEL_USER)
{
	JdgSchedule s;
	JdgInternal in;
	bool		change;

	begin_with(fcinfo, "pause_schedule", &in, &s);
	change = s.paused_at == DT_NOBEGIN;
	if (change)
	{
		/*
		 * next_run_at stays: resuming counts the missed occurrences from
		 * there
		 */
		s.paused_at = s.updated_at = jdg_now();
		s.paused_by = jdg_role_name(in.save_user);
		jdg_schedule_update(&s);
		tell(JDG_SCHEDULE_PAUSED, &s);
		jdg_audit("pause_schedule", "schedule", s.name, s.owner);
	}
	jdg_internal_end(&in);
	PG_RETURN_BOOL(change);
}

/* resume_schedule(name, owner): false if it was not paused */
JDG_FUNCTION(jdg_resume_schedule, JDG_LEVEL_USER)
{
	JdgSchedule s;
	JdgInternal in;
	bool		change;

	begin_with(fcinfo, "resume_schedule", &in, &s);
	change = s.paused_at != DT_NOBEGIN;
	if (change)
	{
		TimestampTz now = jdg_now();

		s.paused_at = DT_NOBEGIN;
		s.paused_by = NULL;
		s.updated_at = now;
		if (s.enabled)
			jdg_schedule_catch_up(&s, "paused", now);
		jdg_schedule_update(&s);
		tell(JDG_SCHEDULE_RESUMED, &s);
		jdg_audit("resume_schedule", "schedule", s.name, s.owner);
	}
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	PG_RETURN_BOOL(change);
}

/* The schedule's payload with the given keys over it. */
static Jsonb *
merge_payload(const JdgSchedule *s, Jsonb *over)
{
	if (!JB_ROOT_IS_OBJECT(over) || !JB_ROOT_IS_OBJECT(s->payload))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot merge payload_override into the payload of schedule \"%s\"",
						s->name),
				 JB_ROOT_IS_OBJECT(over) ?
				 errdetail("The payload of the schedule is not a JSON object.") :
				 errdetail("The argument payload_override is not a JSON object."),
				 errhint("Use jadugar.enqueue() to run the command with another payload.")));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(s->payload),
											  JsonbPGetDatum(over)));
}

/* run_now(name, payload_override, owner): a task, regardless of the timing */
JDG_FUNCTION(jdg_run_now, JDG_LEVEL_USER)
{
	RunArgs		a;
	Oid			owner;
	MemoryContext mcxt = CurrentMemoryContext;
	JdgSchedule s;
	JdgTaskOptions options;
	JdgTask		task;
	JdgQueue	queue;
	JdgInternal in;

	JDG_READ_ARGS("run_now", run_args, &a);
	jdg_check_name("schedule", a.name);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, a.name, false, &s, mcxt);
	jdg_internal_end(&in);
	jdg_resolve_owner(a.owner);
	jdg_tenant_use(s.tenant);
	jdg_options_of_schedule(&s, &options);
	if (a.payload_override)
		options.payload = merge_payload(&s, a.payload_override);
	jdg_task_prepare(&options, owner, jdg_schedule_max_attempts, &task,
					 &queue, NULL);
	s.payload = task.payload;
	jdg_tenant_quota_check(s.tenant, 1);

	jdg_internal_begin(&in);
	jdg_room_make(&queue, 1);
	jdg_schedule_task(&s, &task);
	task.run_at = jdg_now();
	jdg_schedule_enqueue(&s, &task, &queue, task.run_at);
	if (jdg_audit_is_other(owner))
		jdg_audit_detail("run_now", "schedule", s.name, owner,
						 psprintf("task " INT64_FORMAT, task.task_id), NULL);
	jdg_internal_end(&in);
	PG_RETURN_INT64(task.task_id);
}

/* next_run(name, owner): NULL if it will not run by itself */
JDG_FUNCTION(jdg_next_run, JDG_LEVEL_ANY)
{
	NameArgs	a;
	Oid			owner;
	JdgSchedule s;
	JdgInternal in;

	read_name(fcinfo, "next_run", &a);
	owner = jdg_owner_of_rows_to_read(a.owner);
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, a.name, false, &s, CurrentMemoryContext);
	jdg_internal_end(&in);
	if (!s.enabled || s.paused_at != DT_NOBEGIN ||
		jdg_tenant_is_paused(s.tenant) || s.next_run_at == DT_NOBEGIN)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(s.next_run_at);
}
