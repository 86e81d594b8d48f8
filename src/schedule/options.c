/*-------------------------------------------------------------------------
 *
 * options.c
 *	  From the arguments of a call to the row of a schedule: checks, the
 *	  options of its tasks, and when it is due next.
 *
 * Runs in the caller's backend.  Tasks are prepared here, as the caller, when
 * the schedule is given; firing then only copies the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/spi.h"
#include "handler/command.h"
#include "schedule/due.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "task/retry.h"
#include "timing/compare.h"
#include "timing/timing_type.h"

/*
 * The options that would make the tasks of a schedule as they are.  Outside
 * jdg_internal_begin().
 */
void
jdg_options_of_schedule(const JdgSchedule *s, JdgTaskOptions *o)
{
	JdgInternal in;
	JdgQueue	queue;
	MemoryContext mcxt = CurrentMemoryContext;

	Assert(!jdg_is_bookkeeping());
	memset(o, 0, sizeof(*o));
	jdg_internal_begin(&in);
	o->command = MemoryContextStrdup(mcxt,
									 jdg_command_get(s->command_id)->text);
	if (s->queue_id != JDG_DEFAULT_QUEUE &&
		jdg_queue_by_id(s->queue_id, &queue))
		o->queue = MemoryContextStrdup(mcxt, queue.name);
	jdg_internal_end(&in);
	o->payload = s->payload;
	o->priority = &s->priority;
	o->timeout = s->timeout;
	o->retry = s->retry;
	o->transaction = jdg_xact_word(s->transaction);
	o->isolate = &s->isolate;
	o->expect_rows = &s->expect_rows;
	o->settings = s->settings;
	o->metadata = s->metadata;
	o->concurrency_key = s->concurrency_key;
	o->tenant = s->tenant;
}

/*
 * How often an occurrence is tried is fixed when the schedule is given, like
 * every other default of its session.  Not for a request without a policy: that
 * of its endpoint counts when it is enqueued.
 */
static Jsonb *
with_max_attempts(Jsonb *retry, int32 max_attempts)
{
	char	   *text;
	Datum		extra;

	/* does it say so itself?  then no default shows through */
	if (jdg_retry_max_attempts(retry, 1) == jdg_retry_max_attempts(retry, 2))
		return retry;
	text = psprintf("{\"max_attempts\": %d}", max_attempts);

	extra = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	if (retry == NULL)
		return DatumGetJsonbP(extra);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(retry), extra));
}

/*
 * Checks the options of the tasks as the current user and sets the schedule's
 * columns from them.  Its owner must be set.
 */
void
jdg_prepare_schedule(const JdgTaskOptions *o, JdgSchedule *s)
{
	JdgTask		task;
	JdgQueue	queue;

	Assert(!jdg_is_bookkeeping());
	memset(&task, 0, sizeof(task));
	jdg_task_prepare(o, s->owner, jdg_schedule_max_attempts, &task, &queue,
					 NULL);
	s->command_id = task.command_id;
	s->payload = task.payload;
	s->queue_id = task.queue_id;
	s->priority = task.priority;
	s->timeout = task.timeout;
	s->retry = task.retry == NULL && task.transaction == JDG_XACT_HTTP ? NULL :
		with_max_attempts(task.retry, task.max_attempts);
	s->transaction = task.transaction;
	s->isolate = task.isolate;
	s->expect_rows = task.expect_rows;
	s->settings = task.settings;
	s->metadata = task.metadata;
	s->concurrency_key = task.concurrency_key;
	s->tenant = task.tenant;
}

void
jdg_check_window(const JdgSchedule *s)
{
	if (s->starts_at == DT_NOBEGIN || s->ends_at == DT_NOBEGIN ||
		s->starts_at <= s->ends_at)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("ends_at must not be before starts_at"),
			 errdetail("starts_at is %s, ends_at is %s.",
					   pstrdup(timestamptz_to_str(s->starts_at)),
					   pstrdup(timestamptz_to_str(s->ends_at))),
			 errhint("Swap the two, or leave one out.")));
}

/*
 * Schedules that this one depends on must be there, and none of them may in
 * the end depend on this one.  Inside jdg_internal_begin().
 */
void
jdg_check_depends(const JdgSchedule *s)
{
	static JdgQuery missing = {
		"SELECT d.name FROM unnest($2) d(name) WHERE d.name <> $3 "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.schedule s "
		"WHERE s.owner = $1 AND s.name = d.name "
		"AND ($4 IS NULL OR s.tenant = ANY ($4)) OFFSET 0) LIMIT 1",
		4, {OIDOID, TEXTARRAYOID, TEXTOID, TEXTARRAYOID}
	};
	static JdgQuery cycle = {
		"WITH RECURSIVE up(name) AS (SELECT unnest($2) UNION "
		"SELECT unnest(s.depends_on) FROM up JOIN jadugar_internal.schedule s "
		"ON s.owner = $1 AND s.name = up.name WHERE s.name <> $3) "
		"SELECT FROM up WHERE name = $3",
		3, {OIDOID, TEXTARRAYOID, TEXTOID}
	};
	Datum		v[4];
	char		nulls[4] = {' ', ' ', ' ', ' '};

	Assert(jdg_is_bookkeeping());
	if (s->depends_on == NULL)
		return;
	v[0] = ObjectIdGetDatum(s->owner);
	v[1] = PointerGetDatum(s->depends_on);
	v[2] = CStringGetTextDatum(s->name);
	jdg_put_tenants(&v[3], &nulls[3], jdg_section_caller());
	if (jdg_run(&missing, v, nulls, 1) > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("schedule \"%s\" in depends_on does not exist",
						jdg_col_text(0, 1, CurrentMemoryContext)),
				 errdetail("The argument depends_on names schedules of the same owner."),
				 errhint("Create that schedule first.")));
	if (jdg_run(&cycle, v, NULL, 1) > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("schedule \"%s\" would depend on itself", s->name),
				 errdetail("Schedules that depend on each other in a cycle never run."),
				 errhint("Remove from depends_on the schedules that wait for this one.")));
}

/* Raises VALIDATION_ERROR with the reason why the schedule has no next run. */
static void
never_due(const JdgSchedule *s, TimestampTz now)
{
	const char *timing = jdg_timing_text(&s->timing);

	if (s->max_runs > 0 && s->runs >= s->max_runs)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("schedule \"%s\" would not run again", s->name),
				 errdetail("It has run " INT64_FORMAT " times, and max_runs is " INT64_FORMAT ".",
						   s->runs, s->max_runs),
				 errhint("Give a larger max_runs, or reset it.")));
	if (s->timing.kind == JDG_TIMING_ONCE && s->timing.u.once_us <= now)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("schedule \"%s\" would never run", s->name),
				 errdetail("Its timing \"%s\" is in the past.", timing),
				 errhint("Give an instant in the future, or run the command now with jadugar.enqueue().")));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("schedule \"%s\" would never run", s->name),
			 errdetail("Its timing \"%s\" has no future occurrence between starts_at and ends_at.",
					   timing),
			 errhint("SELECT jadugar.occurrences('%s') returns its next instants.",
					 timing)));
}

/*
 * When a schedule with a new timing is due first.  Raises VALIDATION_ERROR
 * if it never would be.
 */
void
jdg_plan_new(JdgSchedule *s, TimestampTz now)
{
	if (!jdg_schedule_next(s, now, &s->next_run_at))
	{
		s->next_run_at = DT_NOBEGIN;
		if (jdg_schedule_clocked(s))
			never_due(s, now);
	}
	s->last_error = NULL;
	/* the server has started already: the next start is the first */
	if (s->timing.kind == JDG_TIMING_STARTUP && s->last_startup == DT_NOBEGIN)
		s->last_startup = PgStartTime;
}

/*
 * A schedule was changed from "old" to "s", with the counters of "old".
 * "enable": the caller has asked to enable it.  An unchanged plan continues
 * where it was.  If the plan changes, overdue occurrences of the old plan do
 * not run and are recorded.  Inside jdg_internal_begin(), row locked.
 */
void
jdg_plan_changed(JdgSchedule *s, JdgSchedule *old, bool enable,
				 TimestampTz now)
{
	bool		ended = jdg_schedule_ended(old);
	bool		timing = jdg_timing_compare(&s->timing, &old->timing) != 0 ||
	strcmp(s->timezone, old->timezone) != 0 ||
	s->starts_at != old->starts_at;
	bool		window = s->ends_at != old->ends_at ||
	s->max_runs != old->max_runs;

	Assert(jdg_is_bookkeeping());
	if (!timing && !window)
	{
		if (ended && enable)
			jdg_plan_new(s, now);
		else if (ended)
			s->enabled = false;
		else if (s->enabled && !old->enabled && s->paused_at == DT_NOBEGIN)
			jdg_schedule_catch_up(s, "disabled", now);
		return;
	}
	jdg_schedule_catch_up(old, !old->enabled ? "disabled" :
						  old->paused_at != DT_NOBEGIN ? "paused" : "replaced",
						  now);
	s->missed = old->missed;
	if (ended)
		s->enabled = true;
	if (s->timing.kind != JDG_TIMING_STARTUP)
		s->last_startup = DT_NOBEGIN;
	if (timing)
		s->anchor = s->starts_at != DT_NOBEGIN ? s->starts_at : now;
	jdg_plan_new(s, now);
}
