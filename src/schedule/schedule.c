/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Rows of jadugar_internal.schedule, see schedule.h.
 *
 * Runs in any backend and in the scheduler, between jdg_internal_begin() and
 * jdg_internal_end().  Whoever changes a schedule first locks its row; the
 * scheduler skips rows that others have locked, so no user's open
 * transaction holds it up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/spi.h"
#include "schedule/schedule.h"
#include "schedule/zones.h"
#include "task/history.h"
#include "timing/timing_type.h"

static const char *const overlap_words[] = {
	"skip", "queue", "parallel", "replace"
};

static const char *const misfire_words[] = {
	"skip", "once", "all"
};

JdgOverlap
jdg_overlap_from_text(const char *word)
{
	for (int i = 0; i < lengthof(overlap_words); i++)
	{
		if (pg_strcasecmp(word, overlap_words[i]) == 0)
			return (JdgOverlap) i;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("overlap policy is not known"),
			 errdetail("overlap is \"%s\".", word),
			 errhint("Use 'skip', 'queue', 'parallel' or 'replace'.")));
	return JDG_OVERLAP_SKIP;	/* keep compiler quiet */
}

JdgMisfire
jdg_misfire_from_text(const char *word)
{
	for (int i = 0; i < lengthof(misfire_words); i++)
	{
		if (pg_strcasecmp(word, misfire_words[i]) == 0)
			return (JdgMisfire) i;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("misfire policy is not known"),
			 errdetail("misfire is \"%s\".", word),
			 errhint("Use 'skip', 'once' or 'all'.")));
	return JDG_MISFIRE_ONCE;	/* keep compiler quiet */
}

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
	s->overlap = jdg_overlap_from_text(jdg_col_text(row, 14,
													CurrentMemoryContext));
	s->misfire = jdg_misfire_from_text(jdg_col_text(row, 15,
													CurrentMemoryContext));
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

/* See schedule.h. */
void
jdg_schedule_find(Oid owner, const char *name, bool lock, JdgSchedule *s,
				  MemoryContext mcxt)
{
	Assert(jdg_is_bookkeeping());
	if (!jdg_schedule_load(owner, name, lock, s, mcxt))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("schedule \"%s\" does not exist", name),
				 errdetail("Role \"%s\" has no schedule of that name.",
						   GetUserNameFromId(owner, false)),
				 errhint("See the view jadugar.schedules; owner => means schedules of another role.")));
}

/* what insert and update have in common: $1 to $34 */
#define NVALUES 34

static void
put_values(const JdgSchedule *s, Datum *v, char *n)
{
	memset(n, ' ', NVALUES);
	n[NVALUES] = '\0';
	v[0] = CStringGetTextDatum(s->name);
	v[1] = CStringGetTextDatum(jdg_timing_text(&s->timing));
	v[2] = CStringGetTextDatum(s->timezone);
	v[3] = Int64GetDatum(s->command_id);
	jdg_put_pointer(&v[4], &n[4], s->payload);
	v[5] = Int32GetDatum(s->queue_id);
	v[6] = Int32GetDatum(s->priority);
	jdg_put_pointer(&v[7], &n[7], s->timeout);
	jdg_put_pointer(&v[8], &n[8], s->retry);
	v[9] = CharGetDatum(s->transaction);
	v[10] = BoolGetDatum(s->isolate);
	v[11] = CStringGetTextDatum(overlap_words[s->overlap]);
	v[12] = CStringGetTextDatum(misfire_words[s->misfire]);
	jdg_put_pointer(&v[13], &n[13], s->misfire_grace);
	jdg_put_pointer(&v[14], &n[14], s->jitter);
	jdg_put_time(&v[15], &n[15], s->starts_at);
	jdg_put_time(&v[16], &n[16], s->ends_at);
	jdg_put_int64(&v[17], &n[17], s->max_runs, 0);
	jdg_put_pointer(&v[18], &n[18], s->depends_on);
	jdg_put_text(&v[19], &n[19], s->concurrency_key);
	jdg_put_pointer(&v[20], &n[20], s->settings);
	jdg_put_text(&v[21], &n[21], s->tenant);
	jdg_put_text(&v[22], &n[22], s->description);
	jdg_put_pointer(&v[23], &n[23], s->metadata);
	v[24] = BoolGetDatum(s->enabled);
	jdg_put_time(&v[25], &n[25], s->paused_at);
	jdg_put_time(&v[26], &n[26], s->anchor);
	jdg_put_time(&v[27], &n[27], s->next_run_at);
	jdg_put_time(&v[28], &n[28], s->last_fired_at);
	jdg_put_time(&v[29], &n[29], s->last_startup);
	v[30] = Int64GetDatum(s->runs);
	v[31] = Int64GetDatum(s->missed);
	jdg_put_text(&v[32], &n[32], s->last_error);
	jdg_put_time(&v[33], &n[33], s->updated_at);
}

#define VALUE_COLUMNS \
	"name, timing, timezone, command_id, payload, queue_id, priority, " \
	"timeout, retry, transaction, isolate, overlap, misfire, " \
	"misfire_grace, jitter, starts_at, ends_at, max_runs, depends_on, " \
	"concurrency_key, settings, tenant, description, metadata, enabled, " \
	"paused_at, anchor, next_run_at, last_fired_at, last_startup, runs, " \
	"missed, last_error, updated_at"

/* the timing goes through its text, which is the same timing again */
#define VALUE_PARAMETERS \
	"$1, $2::jadugar.timing, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, " \
	"$13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, " \
	"$27, $28, $29, $30, $31, $32, $33, $34"

#define VALUE_TYPES \
	TEXTOID, TEXTOID, TEXTOID, INT8OID, JSONBOID, INT4OID, INT4OID, \
	INTERVALOID, JSONBOID, CHAROID, BOOLOID, TEXTOID, TEXTOID, \
	INTERVALOID, INTERVALOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, \
	TEXTARRAYOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID, BOOLOID, \
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, \
	TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID

int64
jdg_schedule_insert(const JdgSchedule *s)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.schedule (" VALUE_COLUMNS ", owner, "
		"created_at) "
		"VALUES (" VALUE_PARAMETERS ", $35, $36) "
		"ON CONFLICT (owner, name) DO NOTHING RETURNING schedule_id",
		NVALUES + 2, {VALUE_TYPES, OIDOID, TIMESTAMPTZOID}
	};
	Datum		v[NVALUES + 2];
	char		n[NVALUES + 3];

	Assert(jdg_is_bookkeeping());
	put_values(s, v, n);
	v[NVALUES] = ObjectIdGetDatum(s->owner);
	v[NVALUES + 1] = TimestampTzGetDatum(s->created_at);
	n[NVALUES] = n[NVALUES + 1] = ' ';
	n[NVALUES + 2] = '\0';
	jdg_zone_note(s->timezone);
	if (jdg_run(&q, v, n, 0) == 0)
		return 0;
	return jdg_col_int64(0, 1, 0);
}

void
jdg_schedule_update(const JdgSchedule *s)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule SET (" VALUE_COLUMNS ") = ("
		VALUE_PARAMETERS ") WHERE schedule_id = $35",
		NVALUES + 1, {VALUE_TYPES, INT8OID}
	};
	Datum		v[NVALUES + 1];
	char		n[NVALUES + 2];

	Assert(jdg_is_bookkeeping());
	put_values(s, v, n);
	v[NVALUES] = Int64GetDatum(s->schedule_id);
	n[NVALUES] = ' ';
	n[NVALUES + 1] = '\0';
	jdg_run(&q, v, n, 0);
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
	task->command_id = s->command_id;
	task->payload = s->payload;
	task->schedule_id = s->schedule_id;
	task->scheduled_for = DT_NOBEGIN;
	task->started_at = DT_NOBEGIN;
	task->timeout = s->timeout;
	task->retry = s->retry;
	task->settings = s->settings;
	task->metadata = s->metadata;
	task->tenant = s->tenant;

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
