/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Rows of jadugar_internal.schedule, see schedule.h.
 *
 * Runs in any backend and in the scheduler, between jdg_internal_begin() and
 * jdg_internal_end().  A process locks a schedule's row before it changes it.
 * The scheduler skips rows that other transactions have locked, so a user's
 * open transaction does not delay it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access/row_access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/params.h"
#include "schedule/schedule.h"
#include "schedule/zones.h"
#include "task/history.h"
#include "task/tenant_quota.h"
#include "task/time_zone.h"
#include "timing/timing_type.h"

const char *const jdg_overlap_words[] = {
	"skip", "queue", "parallel", "replace", NULL
};

const char *const jdg_misfire_words[] = {
	"skip", "once", "all", NULL
};

/* A row of SPI_tuptable that selected JDG_SCHEDULE_COLUMNS, to mcxt. */
void
jdg_schedule_from_row(uint64 row, JdgSchedule *s, MemoryContext mcxt)
{
	bool		isnull;
	Datum		depends;

	Assert(jdg_is_bookkeeping());
	s->schedule_id = jdg_col_int64(row, 1, 0);
	s->owner = jdg_col_oid(row, 2);
	s->name = jdg_col_text(row, 3, mcxt);
	memcpy(&s->timing, DatumGetJdgTiming(jdg_col(row, 4, &isnull)),
		   sizeof(JdgTiming));
	s->timezone = jdg_col_text(row, 5, mcxt);
	s->command_id = jdg_col_int64(row, 6, 0);
	s->payload = jdg_col_jsonb(row, 7, mcxt);
	s->queue_id = jdg_col_int32(row, 8, 0);
	s->priority = jdg_col_int32(row, 9, 0);
	s->timeout = jdg_col_interval(row, 10, mcxt);
	s->retry = jdg_col_jsonb(row, 11, mcxt);
	s->transaction = jdg_col_char(row, 12);
	s->isolate = jdg_col_bool(row, 13);
	s->overlap = jdg_choice("overlap",
							jdg_col_text(row, 14, CurrentMemoryContext),
							jdg_overlap_words);
	s->misfire = jdg_choice("misfire",
							jdg_col_text(row, 15, CurrentMemoryContext),
							jdg_misfire_words);
	s->misfire_grace = jdg_col_interval(row, 16, mcxt);
	s->jitter = jdg_col_interval(row, 17, mcxt);
	s->starts_at = jdg_col_time(row, 18, DT_NOBEGIN);
	s->ends_at = jdg_col_time(row, 19, DT_NOBEGIN);
	s->max_runs = jdg_col_int64(row, 20, 0);
	depends = jdg_col(row, 21, &isnull);
	s->depends_on = NULL;
	if (!isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		s->depends_on = DatumGetArrayTypePCopy(depends);
		MemoryContextSwitchTo(old);
	}
	s->concurrency_key = jdg_col_text(row, 22, mcxt);
	s->settings = jdg_col_jsonb(row, 23, mcxt);
	s->tenant = jdg_col_text(row, 24, mcxt);
	s->description = jdg_col_text(row, 25, mcxt);
	s->metadata = jdg_col_jsonb(row, 26, mcxt);
	s->enabled = jdg_col_bool(row, 27);
	s->paused_at = jdg_col_time(row, 28, DT_NOBEGIN);
	s->anchor = jdg_col_time(row, 29, DT_NOBEGIN);
	s->next_run_at = jdg_col_time(row, 30, DT_NOBEGIN);
	s->last_fired_at = jdg_col_time(row, 31, DT_NOBEGIN);
	s->last_startup = jdg_col_time(row, 32, DT_NOBEGIN);
	s->runs = jdg_col_int64(row, 33, 0);
	s->missed = jdg_col_int64(row, 34, 0);
	s->last_error = jdg_col_text(row, 35, mcxt);
	s->created_at = jdg_col_time(row, 36, DT_NOBEGIN);
	s->updated_at = jdg_col_time(row, 37, DT_NOBEGIN);
	s->paused_by = jdg_col_text(row, 38, mcxt);
	s->expect_rows = jdg_expect_rows_in(jdg_col_char(row, 39));
}

/* The first n rows, as an array. */
JdgSchedule *
jdg_schedule_from_rows(int64 n, MemoryContext mcxt)
{
	JdgSchedule *rows = MemoryContextAlloc(mcxt,
										   Max(n, 1) * sizeof(JdgSchedule));

	for (int64 i = 0; i < n; i++)
		jdg_schedule_from_row(i, &rows[i], mcxt);
	return rows;
}

/* False: that owner has no schedule of that name. */
bool
jdg_schedule_load(Oid owner, const char *name, bool lock, JdgSchedule *s,
				  MemoryContext mcxt)
{
	static JdgQuery plain = {
		"SELECT " JDG_SCHEDULE_COLUMNS " FROM jadugar_internal.schedule "
		"WHERE owner = $1 AND name = $2",
		2, {OIDOID, TEXTOID}
	};
	static JdgQuery locking = {
		"SELECT " JDG_SCHEDULE_COLUMNS " FROM jadugar_internal.schedule "
		"WHERE owner = $1 AND name = $2 FOR UPDATE",
		2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(lock ? &locking : &plain, v, NULL, 0) == 0)
		return false;
	jdg_schedule_from_row(0, s, mcxt);
	return true;
}

/*
 * The owner of a schedule of this name that is not the given one, and whose
 * schedules the caller may see; InvalidOid: there is none.
 */
static Oid
find_other_owner(Oid owner, const char *name)
{
	static JdgQuery q = {
		"SELECT s.owner FROM jadugar_internal.schedule s WHERE s.name = $2 "
		"AND s.owner <> $1 ORDER BY s.owner LIMIT 100", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};

	return jdg_visible_owner(jdg_run(&q, v, NULL, 0));
}

/* See schedule.h. */
void
jdg_schedule_find(Oid owner, const char *name, bool lock, JdgSchedule *s,
				  MemoryContext mcxt)
{
	Oid			other;

	Assert(jdg_is_bookkeeping());
	if (jdg_schedule_load(owner, name, lock, s, mcxt) &&
		(lock ? jdg_may_manage_row(jdg_section_caller(), owner, s->tenant) :
		 jdg_row_access(jdg_section_caller(), owner, s->tenant) != JDG_ROW_HIDDEN))
		return;
	other = find_other_owner(owner, name);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("schedule \"%s\" does not exist", name),
			 errdetail("Role \"%s\" has no schedule with this name.",
					   jdg_role_name(owner)),
			 OidIsValid(other) ?
			 errhint("It belongs to role \"%s\": pass owner => %s.",
					 jdg_role_name(other),
					 quote_literal_cstr(jdg_role_name(other))) :
			 errhint("See the view jadugar.schedules. Pass owner for a schedule of another role.")));
}

void
jdg_schedule_exists(const char *name)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("schedule \"%s\" already exists", name),
			 errdetail("Names of schedules are unique for each owner."),
			 errhint("Choose another name, change the schedule with jadugar.alter_schedule(), or pass or_replace => true to jadugar.schedule().")));
	pg_unreachable();
}

/* Binds the columns that insert and update share. */
static void
bind_columns(JdgParams *p, const JdgSchedule *s)
{
	jdg_bind_text(p, "name", s->name);
	jdg_bind_text(p, "timing", jdg_timing_text(&s->timing));
	jdg_bind_text(p, "timezone", s->timezone);
	jdg_bind_int64(p, "command_id", s->command_id);
	jdg_bind_jsonb(p, "payload", s->payload);
	jdg_bind_int32(p, "queue_id", s->queue_id);
	jdg_bind_int32(p, "priority", s->priority);
	jdg_bind_interval(p, "timeout", s->timeout);
	jdg_bind_jsonb(p, "retry", s->retry);
	jdg_bind_char(p, "transaction", s->transaction);
	jdg_bind_bool(p, "isolate", s->isolate);
	jdg_bind_char_or_null(p, "expect_rows",
						  jdg_expect_rows_out(s->expect_rows));
	jdg_bind_text(p, "overlap", jdg_overlap_words[s->overlap]);
	jdg_bind_text(p, "misfire", jdg_misfire_words[s->misfire]);
	jdg_bind_interval(p, "misfire_grace", s->misfire_grace);
	jdg_bind_interval(p, "jitter", s->jitter);
	jdg_bind_time(p, "starts_at", s->starts_at);
	jdg_bind_time(p, "ends_at", s->ends_at);
	jdg_bind_int64_or_null(p, "max_runs", s->max_runs ? &s->max_runs : NULL);
	jdg_bind(p, "depends_on", TEXTARRAYOID, PointerGetDatum(s->depends_on),
			 s->depends_on == NULL);
	jdg_bind_text(p, "concurrency_key", s->concurrency_key);
	jdg_bind_jsonb(p, "settings", s->settings);
	jdg_bind_text(p, "tenant", s->tenant);
	jdg_bind_text(p, "description", s->description);
	jdg_bind_jsonb(p, "metadata", s->metadata);
	jdg_bind_bool(p, "enabled", s->enabled);
	jdg_bind_time(p, "paused_at", s->paused_at);
	jdg_bind_text(p, "paused_by", s->paused_by);
	jdg_bind_time(p, "anchor", s->anchor);
	jdg_bind_time(p, "next_run_at", s->next_run_at);
	jdg_bind_time(p, "last_fired_at", s->last_fired_at);
	jdg_bind_time(p, "last_startup", s->last_startup);
	jdg_bind_int64(p, "runs", s->runs);
	jdg_bind_int64(p, "missed", s->missed);
	jdg_bind_text(p, "last_error", s->last_error);
	jdg_bind_time(p, "updated_at", s->updated_at);
}

#define BOUND_COLUMNS \
	"name, timing, timezone, command_id, payload, queue_id, priority, " \
	"timeout, retry, transaction, isolate, expect_rows, overlap, misfire, " \
	"misfire_grace, jitter, starts_at, ends_at, max_runs, depends_on, " \
	"concurrency_key, settings, tenant, description, metadata, enabled, " \
	"paused_at, paused_by, anchor, next_run_at, last_fired_at, last_startup, runs, " \
	"missed, last_error, updated_at"

/* the timing goes through its text, which is the same timing again */
#define BOUND_VALUES \
	"$name, $timing::jadugar.timing, $timezone, $command_id, $payload, " \
	"$queue_id, $priority, $timeout, $retry, $transaction, $isolate, " \
	"$expect_rows, $overlap, $misfire, $misfire_grace, $jitter, $starts_at, $ends_at, " \
	"$max_runs, $depends_on, $concurrency_key, $settings, $tenant, " \
	"$description, $metadata, $enabled, $paused_at, $paused_by, $anchor, $next_run_at, " \
	"$last_fired_at, $last_startup, $runs, $missed, $last_error, $updated_at"

int64
jdg_schedule_insert(const JdgSchedule *s)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.schedule (" BOUND_COLUMNS ", owner, created_at) "
		"VALUES (" BOUND_VALUES ", $owner, $created_at) "
		"ON CONFLICT (owner, name) DO NOTHING RETURNING schedule_id"
	};
	JdgParams	p = {0};

	Assert(jdg_is_bookkeeping());
	bind_columns(&p, s);
	jdg_bind_oid(&p, "owner", s->owner);
	jdg_bind_time(&p, "created_at", s->created_at);
	jdg_zone_note(s->timezone);
	if (jdg_run_params(&q, &p, 0) == 0)
		return 0;
	return jdg_col_int64(0, 1, 0);
}

void
jdg_schedule_update(const JdgSchedule *s)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule SET (" BOUND_COLUMNS ") = ("
		BOUND_VALUES "), held = held AND ($last_startup IS NOT NULL "
		"OR tenant IS NOT DISTINCT FROM $tenant) "
		"WHERE schedule_id = $schedule_id"
	};
	JdgParams	p = {0};

	Assert(jdg_is_bookkeeping());
	bind_columns(&p, s);
	jdg_bind_int64(&p, "schedule_id", s->schedule_id);
	jdg_run_params(&q, &p, 0);
	if (s->next_run_at != DT_NOBEGIN)
		jdg_zone_note(s->timezone);
}

void
jdg_schedule_task(const JdgSchedule *s, JdgTask *task)
{
	memset(task, 0, sizeof(*task));
	task->owner = s->owner;
	task->queue_id = s->queue_id;
	task->priority = s->priority;
	task->transaction = s->transaction;
	task->isolate = s->isolate;
	task->expect_rows = s->expect_rows;
	task->command_id = s->command_id;
	task->payload = s->payload;
	task->schedule_id = s->schedule_id;
	task->schedule = s->name;
	task->scheduled_for = DT_NOBEGIN;
	task->started_at = DT_NOBEGIN;
	task->timeout = s->timeout;
	task->retry = s->retry;
	/* they see the day that the schedule means */
	task->settings = jdg_settings_with_zone(s->settings, s->timezone);
	task->metadata = s->metadata;
	task->tenant = s->tenant;
	task->priority = jdg_tenant_priority(s->tenant, s->priority);

	/*
	 * Where occurrences may not run at the same time but each shall run, they
	 * share a key.
	 */
	task->concurrency_key = s->concurrency_key;
	if (s->concurrency_key == NULL && (s->overlap == JDG_OVERLAP_QUEUE ||
									   s->overlap == JDG_OVERLAP_REPLACE))
		task->concurrency_key = psprintf("jadugar.schedule." INT64_FORMAT,
										 s->schedule_id);
}

/* See schedule.h. */
void
jdg_schedule_record_missed(const JdgSchedule *s, int64 n, TimestampTz first,
						   TimestampTz last, const char *reason,
						   TimestampTz now)
{
	JdgHistory	h;
	JdgTask		task;

	Assert(jdg_is_bookkeeping());
	if (n <= 0)
		return;
	jdg_schedule_task(s, &task);
	jdg_history_from_task(&h, &task);
	h.payload = NULL;
	h.schedule = s->name;
	h.status = JDG_STATUS_SKIPPED;
	h.final = true;
	h.reason = reason;
	h.enqueued_at = DT_NOBEGIN;
	h.scheduled_for = first;
	h.occurrences = n;
	h.scheduled_until = n > 1 ? last : DT_NOBEGIN;
	h.finished_at = now;
	jdg_history_insert(&h, 1);
}
