/*-------------------------------------------------------------------------
 *
 * schedule_funcs.c
 *	  SQL functions schedule(), alter_schedule() and reschedule().
 *
 * Runs in the caller's backend.  The row is locked while it is changed.
 * Another session that needs it waits for the caller's transaction; the
 * scheduler skips locked rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "exec/tenant.h"
#include "schedule/args.h"
#include "schedule/due.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"
#include "timing/timing_type.h"
#include "timing/zone.h"

/* reschedule() */
typedef struct RescheduleArgs
{
	char	   *name;
	JdgTiming  *timing;
	char	   *timezone;
	char	   *owner;
} RescheduleArgs;

static const JdgArg reschedule_args[] = {
	{"name", TEXTOID, offsetof(RescheduleArgs, name), JDG_NEEDED},
	{"timing", InvalidOid, offsetof(RescheduleArgs, timing), JDG_NEEDED},
	{"timezone", TEXTOID, offsetof(RescheduleArgs, timezone)},
	{"owner", TEXTOID, offsetof(RescheduleArgs, owner)},
};

/*
 * Put a schedule in, or in the place of the one of its name, which keeps its
 * id, its counters, its history and whether it is paused.
 */
static int64
put_schedule(JdgSchedule *s, bool or_replace, TimestampTz now)
{
	JdgSchedule old;
	MemoryContext mcxt = CurrentMemoryContext;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (jdg_schedule_load(s->owner, s->name, true, &old, mcxt))
		{
			if (!or_replace ||
				!jdg_may_manage_row(jdg_section_caller(), s->owner, old.tenant))
				jdg_schedule_exists(s->name);
			break;
		}
		s->anchor = s->starts_at != DT_NOBEGIN ? s->starts_at : now;
		jdg_plan_new(s, now);
		jdg_check_depends(s);
		s->schedule_id = jdg_schedule_insert(s);
		if (s->schedule_id != 0)
			return s->schedule_id;

		/* another session has just made one of that name; look again */
		if (!or_replace)
			jdg_schedule_exists(s->name);
	}
	s->schedule_id = old.schedule_id;
	s->paused_at = old.paused_at;
	s->paused_by = old.paused_by;
	s->anchor = old.anchor;
	s->next_run_at = old.next_run_at;
	s->last_fired_at = old.last_fired_at;
	s->last_startup = old.last_startup;
	s->runs = old.runs;
	s->missed = old.missed;
	s->last_error = old.last_error;

	/* an ended schedule stays so, unless an error that may be gone ended it */
	jdg_plan_changed(s, &old, s->enabled && old.last_error != NULL, now);
	jdg_check_depends(s);
	jdg_schedule_update(s);
	return s->schedule_id;
}

/* schedule(name, timing, command, ...) */
JDG_FUNCTION(jdg_schedule, JDG_LEVEL_USER)
{
	JdgScheduleArgs args;
	JdgTaskOptions options;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	int64		id;

	memset(&s, 0, sizeof(s));
	jdg_schedule_args_read(fcinfo, &args);
	s.name = args.name;
	s.owner = jdg_resolve_owner(args.owner);
	s.timezone = pstrdup(pg_get_timezone_name(jdg_zone_lookup(NULL)));
	s.overlap = JDG_OVERLAP_SKIP;
	s.misfire = JDG_MISFIRE_ONCE;
	s.starts_at = s.ends_at = s.paused_at = DT_NOBEGIN;
	s.next_run_at = s.last_fired_at = s.last_startup = DT_NOBEGIN;
	s.enabled = true;
	s.created_at = s.updated_at = now;
	jdg_schedule_args_apply(&args, &s);
	memset(&options, 0, sizeof(options));
	args.tenant = jdg_tenant_of_call(args.tenant);
	jdg_schedule_args_options(&args, &options);
	jdg_prepare_schedule(&options, &s);

	jdg_internal_begin(&in);
	id = put_schedule(&s, args.or_replace, now);
	jdg_audit("schedule", "schedule", s.name, s.owner);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	PG_RETURN_INT64(id);
}

/*
 * Sets the new name, in mcxt; raises CONFLICT if the owner has a schedule of
 * that name.  NULL changes nothing.
 */
static void
rename_schedule(JdgSchedule *s, const char *name, MemoryContext mcxt)
{
	JdgSchedule other;

	if (name == NULL || strcmp(name, s->name) == 0)
		return;
	if (jdg_schedule_load(s->owner, name, false, &other, mcxt))
		jdg_schedule_exists(name);
	s->name = MemoryContextStrdup(mcxt, name);
}

/*
 * Writes a schedule that may have a new name.  Another session may have taken
 * the name in a transaction that this has waited for.
 */
static void
update_renamed(const JdgSchedule *s)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		jdg_schedule_update(s);
	}
	PG_CATCH();
	{
		jdg_discard_duplicate(mcxt);
		jdg_schedule_exists(s->name);
	}
	PG_END_TRY();
}

/* alter_schedule(name, ...): arguments that are null change nothing */
JDG_FUNCTION(jdg_alter_schedule, JDG_LEVEL_USER)
{
	JdgScheduleArgs args;
	JdgTaskOptions options;
	JdgSchedule old;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			owner;

	jdg_schedule_args_read_change(fcinfo, &args);
	owner = jdg_owner_of_call(args.owner);
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, args.name, true, &old, mcxt);
	jdg_internal_end(&in);

	s = old;
	jdg_schedule_args_apply(&args, &s);
	if (jdg_schedule_args_touch_task(&args))
	{
		/* only a role that may give work to the owner may change that work */
		jdg_resolve_owner(args.owner);
		jdg_options_of_schedule(&s, &options);
		jdg_schedule_args_options(&args, &options);
		jdg_prepare_schedule(&options, &s);
	}
	s.tenant = unconstify(char *, jdg_tenant_of_new_row(s.tenant));
	jdg_tenant_use(s.tenant);

	jdg_internal_begin(&in);
	jdg_plan_changed(&s, &old, args.enabled && s.enabled, now);
	rename_schedule(&s, args.new_name, mcxt);
	jdg_check_depends(&s);
	s.updated_at = now;
	update_renamed(&s);
	jdg_audit_detail("alter_schedule", "schedule", old.name, s.owner,
					 strcmp(s.name, old.name) == 0 ? NULL :
					 psprintf("new name \"%s\"", s.name), NULL);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	PG_RETURN_VOID();
}

/* reschedule(name, timing, timezone, owner) → when it runs next */
JDG_FUNCTION(jdg_reschedule, JDG_LEVEL_USER)
{
	JdgSchedule old;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	MemoryContext mcxt = CurrentMemoryContext;
	RescheduleArgs a;
	Oid			owner;

	JDG_READ_ARGS("reschedule", reschedule_args, &a);
	jdg_check_name("schedule", a.name);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, a.name, true, &old, mcxt);
	s = old;
	s.timing = *DatumGetJdgTiming(PointerGetDatum(a.timing));
	if (a.timezone != NULL)
		s.timezone = MemoryContextStrdup(mcxt,
										 pg_get_timezone_name(jdg_zone_lookup(a.timezone)));
	jdg_plan_changed(&s, &old, jdg_schedule_ended(&old), now);
	s.updated_at = now;
	jdg_schedule_update(&s);
	jdg_audit("reschedule", "schedule", s.name, s.owner);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	if (s.next_run_at == DT_NOBEGIN)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(s.next_run_at);
}
