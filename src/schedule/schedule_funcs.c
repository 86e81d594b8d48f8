/*-------------------------------------------------------------------------
 *
 * schedule_funcs.c
 *	  schedule(), alter_schedule() and reschedule().
 *
 * Runs in the caller's backend.  The row is locked while it is changed;
 * whoever waits for it waits for the caller's transaction, but never the
 * scheduler, which passes over locked rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "schedule/args.h"
#include "schedule/due.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/wakeup.h"
#include "timing/timing_type.h"
#include "timing/zone.h"

PG_FUNCTION_INFO_V1(jdg_schedule);
PG_FUNCTION_INFO_V1(jdg_alter_schedule);
PG_FUNCTION_INFO_V1(jdg_reschedule);

static void
require_argument(FunctionCallInfo fcinfo, int n, const char *function,
				 const char *arg)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						arg, function)));
}

static void
raise_exists(const char *name)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("schedule \"%s\" exists already", name),
			 errdetail("Names of schedules are unique for each owner."),
			 errhint("Pass or_replace => true to replace it, or change it with jadugar.alter_schedule().")));
}

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
			if (!or_replace)
				raise_exists(s->name);
			break;
		}
		s->anchor = s->starts_at != DT_NOBEGIN ? s->starts_at : now;
		jdg_plan_new(s, now);
		jdg_check_depends(s);
		s->schedule_id = jdg_schedule_insert(s);
		if (s->schedule_id != 0)
			return s->schedule_id;

		/* somebody has just made one of that name; see whether he keeps it */
		if (!or_replace)
			raise_exists(s->name);
	}
	s->schedule_id = old.schedule_id;
	s->paused_at = old.paused_at;
	s->anchor = old.anchor;
	s->next_run_at = old.next_run_at;
	s->last_fired_at = old.last_fired_at;
	s->last_startup = old.last_startup;
	s->runs = old.runs;
	s->missed = old.missed;
	s->last_error = old.last_error;

	/* what has ended stays so, but for an error that may be gone by now */
	jdg_plan_changed(s, &old, s->enabled && old.last_error != NULL, now);
	jdg_check_depends(s);
	jdg_schedule_update(s);
	return s->schedule_id;
}

/* schedule(name, timing, command, ...) */
Datum
jdg_schedule(PG_FUNCTION_ARGS)
{
	JdgScheduleArgs args;
	JdgTaskOptions options;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	int64		id;

	memset(&s, 0, sizeof(s));
	jdg_schedule_args_read(&args, fcinfo);
	s.name = jdg_name_argument(fcinfo, JDG_ARG_NAME, "schedule", "name");
	require_argument(fcinfo, JDG_ARG_TIMING, "schedule", "timing");
	require_argument(fcinfo, JDG_ARG_COMMAND, "schedule", "command");
	s.owner = jdg_resolve_owner(jdg_arg_text(fcinfo, JDG_ARG_OWNER));
	s.timezone = pstrdup(pg_get_timezone_name(jdg_zone_lookup(NULL)));
	s.overlap = JDG_OVERLAP_SKIP;
	s.misfire = JDG_MISFIRE_ONCE;
	s.starts_at = s.ends_at = s.paused_at = DT_NOBEGIN;
	s.next_run_at = s.last_fired_at = s.last_startup = DT_NOBEGIN;
	s.enabled = true;
	s.created_at = s.updated_at = now;
	jdg_schedule_args_apply(&args, &s);
	memset(&options, 0, sizeof(options));
	jdg_schedule_args_options(&args, &options);
	jdg_prepare_schedule(&options, &s);

	jdg_internal_begin(&in);
	id = put_schedule(&s, !PG_ARGISNULL(JDG_ARG_OR_REPLACE) &&
					  PG_GETARG_BOOL(JDG_ARG_OR_REPLACE), now);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	PG_RETURN_INT64(id);
}

static void
rename_schedule(JdgSchedule *s, const char *name, MemoryContext mcxt)
{
	JdgSchedule other;

	if (name == NULL || strcmp(name, s->name) == 0)
		return;
	if (jdg_schedule_load(s->owner, name, false, &other, mcxt))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("schedule \"%s\" exists already", name),
				 errdetail("Names of schedules are unique for each owner."),
				 errhint("Choose another name.")));
	s->name = MemoryContextStrdup(mcxt, name);
}

/* alter_schedule(name, ...): what is not given stays */
Datum
jdg_alter_schedule(PG_FUNCTION_ARGS)
{
	JdgScheduleArgs args;
	JdgTaskOptions options;
	JdgSchedule old;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	MemoryContext mcxt = CurrentMemoryContext;
	char	   *new_name = NULL;
	char	   *name = jdg_name_argument(fcinfo, JDG_ARG_NAME,
										 "alter_schedule", "name");
	char	   *owner_name = jdg_arg_text(fcinfo, JDG_ARG_OWNER);
	Oid			owner = jdg_owner_of_call(owner_name);

	jdg_schedule_args_read(&args, fcinfo);
	if (!PG_ARGISNULL(JDG_ARG_RESET))
		jdg_schedule_args_read_reset(&args, PG_GETARG_ARRAYTYPE_P(JDG_ARG_RESET));
	if (!PG_ARGISNULL(JDG_ARG_NEW_NAME))
		new_name = jdg_name_argument(fcinfo, JDG_ARG_NEW_NAME,
									 "alter_schedule", "new_name");

	jdg_internal_begin(&in);
	jdg_schedule_find(owner, name, true, &old, mcxt);
	jdg_internal_end(&in);

	s = old;
	jdg_schedule_args_apply(&args, &s);
	if (jdg_schedule_args_touch_task(&args))
	{
		/* what runs as somebody is for those who may give work to him */
		jdg_resolve_owner(owner_name);
		jdg_options_of_schedule(&s, &options);
		jdg_schedule_args_options(&args, &options);
		jdg_prepare_schedule(&options, &s);
	}

	jdg_internal_begin(&in);
	jdg_plan_changed(&s, &old, args.given[JDG_ARG_ENABLED] && s.enabled, now);
	rename_schedule(&s, new_name, mcxt);
	jdg_check_depends(&s);
	s.updated_at = now;
	jdg_schedule_update(&s);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	PG_RETURN_VOID();
}

/* reschedule(name, timing, timezone, owner) → when it runs next */
Datum
jdg_reschedule(PG_FUNCTION_ARGS)
{
	JdgSchedule old;
	JdgSchedule s;
	JdgInternal in;
	TimestampTz now = jdg_now();
	MemoryContext mcxt = CurrentMemoryContext;
	char	   *name = jdg_name_argument(fcinfo, 0, "reschedule", "name");
	char	   *timezone = jdg_arg_text(fcinfo, 2);
	Oid			owner = jdg_owner_of_call(jdg_arg_text(fcinfo, 3));

	require_argument(fcinfo, 1, "reschedule", "timing");
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, name, true, &old, mcxt);
	s = old;
	memcpy(&s.timing, PG_GETARG_JDG_TIMING(1), sizeof(JdgTiming));
	if (timezone != NULL)
		s.timezone = MemoryContextStrdup(mcxt,
										 pg_get_timezone_name(jdg_zone_lookup(timezone)));
	jdg_plan_changed(&s, &old, jdg_schedule_ended(&old), now);
	s.updated_at = now;
	jdg_schedule_update(&s);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	if (s.next_run_at == DT_NOBEGIN)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(s.next_run_at);
}
