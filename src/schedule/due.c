/*-------------------------------------------------------------------------
 *
 * due.c
 *	  The instants at which a schedule is due, and recording those that do
 *	  not run.
 *
 * Runs in any backend and in the scheduler.  The instants are computed from
 * the row and the time-zone data alone.  Functions that write run between
 * jdg_internal_begin() and jdg_internal_end().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "schedule/due.h"
#include "schedule/schedule.h"
#include "timing/next.h"
#include "timing/zone.h"

/* occurrences counted between two looks at the interrupt flags */
#define COUNT_CHUNK 100000

/* rows at a time in jdg_schedule_skip_missed() */
#define SKIP_CHUNK 200

/* Is it the clock that makes it due, not a person or the server's start? */
bool
jdg_schedule_clocked(const JdgSchedule *s)
{
	return s->timing.kind != JDG_TIMING_MANUAL &&
		s->timing.kind != JDG_TIMING_STARTUP;
}

/* Has it fired for the last time? */
bool
jdg_schedule_ended(const JdgSchedule *s)
{
	if (s->max_runs > 0 && s->runs >= s->max_runs)
		return true;
	return jdg_schedule_clocked(s) && TIMESTAMP_IS_NOBEGIN(s->next_run_at);
}

/* See schedule.h.  Also false when max_runs is used up. */
bool
jdg_schedule_next(const JdgSchedule *s, TimestampTz after, TimestampTz *next)
{
	JdgZone		zone;
	int64		found;

	if (s->max_runs > 0 && s->runs >= s->max_runs)
		return false;
	if (!TIMESTAMP_IS_NOBEGIN(s->starts_at) && after < s->starts_at)
	{
		if (s->timing.kind == JDG_TIMING_INTERVAL)
		{
			*next = s->starts_at;
			return TIMESTAMP_IS_NOBEGIN(s->ends_at) || *next <= s->ends_at;
		}
		after = s->starts_at - 1;
	}
	jdg_zone_init(&zone, jdg_zone_lookup(s->timezone));
	if (!jdg_timing_next(&s->timing, &zone, s->anchor, after, &found))
		return false;
	if (!TIMESTAMP_IS_NOBEGIN(s->ends_at) && found > s->ends_at)
		return false;
	*next = found;
	return true;
}

/*
 * How many occurrences lie between s->next_run_at, which must be one, and
 * "until", both included; counts no further than limit.  *last is the last
 * one counted.
 */
int64
jdg_schedule_due(const JdgSchedule *s, TimestampTz until, int64 limit,
				 TimestampTz *last)
{
	JdgZone		zone;
	int64		count = 1;
	int64		at = s->next_run_at;

	if (TIMESTAMP_IS_NOBEGIN(s->next_run_at) || s->next_run_at > until)
		return 0;
	if (!TIMESTAMP_IS_NOBEGIN(s->ends_at) && s->ends_at < until)
		until = s->ends_at;
	jdg_zone_init(&zone, jdg_zone_lookup(s->timezone));
	while (count < limit)
	{
		int64		n;

		CHECK_FOR_INTERRUPTS();
		n = jdg_timing_count(&s->timing, &zone, s->anchor, at, until,
							 Min(limit - count, COUNT_CHUNK), &at);
		if (n == 0)
			break;
		count += n;
	}
	*last = at;
	return count;
}

/* See schedule.h. */
void
jdg_schedule_catch_up(JdgSchedule *s, const char *reason, TimestampTz now)
{
	TimestampTz first = s->next_run_at;
	TimestampTz last = first;
	int64		n = jdg_schedule_due(s, now, PG_INT64_MAX, &last);

	Assert(jdg_is_bookkeeping());
	if (n == 0)
		return;
	jdg_schedule_record_missed(s, n, first, last, reason, now);
	s->missed += n;
	if (!jdg_schedule_next(s, now, &s->next_run_at))
	{
		s->next_run_at = DT_NOBEGIN;
		s->enabled = false;
	}
}

typedef struct Skip
{
	JdgSchedule *s;
	const char *reason;
	TimestampTz now;
} Skip;

static void
skip_due(void *arg)
{
	Skip	   *skip = arg;

	jdg_schedule_catch_up(skip->s, skip->reason, skip->now);
	skip->s->updated_at = skip->now;
	jdg_schedule_update(skip->s);
}

/*
 * Skips the due occurrences and writes the row, in a subtransaction.  If the
 * next instant cannot be computed (the time zone was removed), the schedule
 * is disabled with the error in last_error, and the others go on.
 */
static void
skip_one(JdgSchedule *s, const char *reason, TimestampTz now)
{
	Skip		skip = {s, reason, now};
	ErrorData  *edata;

	Assert(jdg_is_bookkeeping());
	edata = jdg_in_subxact(skip_due, &skip, CurrentMemoryContext);
	if (edata == NULL)
		return;
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(edata);
	s->enabled = false;
	s->next_run_at = DT_NOBEGIN;
	s->last_error = edata->message;
	s->updated_at = now;
	jdg_schedule_update(s);
}

/* See schedule.h. */
void
jdg_schedule_skip_missed(const char *reason)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS " FROM jadugar_internal.schedule "
		"WHERE enabled AND paused_at IS NULL AND NOT held AND next_run_at <= $1 "
		"ORDER BY next_run_at LIMIT " CppAsString2(SKIP_CHUNK)
		" FOR UPDATE",
		1, {TIMESTAMPTZOID}
	};
	TimestampTz now = jdg_now();
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar missed schedules",
											   ALLOCSET_DEFAULT_SIZES);
	int64		n;

	Assert(jdg_is_bookkeeping());
	do
	{
		Datum		v[1] = {TimestampTzGetDatum(now)};
		JdgSchedule *rows;

		MemoryContextReset(mcxt);
		n = jdg_run(&q, v, NULL, 0);
		rows = jdg_schedule_from_rows(n, mcxt);
		for (int64 i = 0; i < n; i++)
			skip_one(&rows[i], reason, now);
	} while (n == SKIP_CHUNK);
	MemoryContextDelete(mcxt);
}
