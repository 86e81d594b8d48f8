/*-------------------------------------------------------------------------
 *
 * stat.c
 *	  How the occurrences of schedules ended: jadugar_internal.schedule_stat.
 *
 * Runs where tasks are settled.  The rows are the last that a settling
 * transaction locks, in the order of schedule_id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/spi.h"
#include "schedule/stat.h"
#include "task/history.h"
#include "task/settle.h"

/* what some occurrences of a schedule add up to; DT_NOBEGIN: null */
typedef struct ScheduleCount
{
	int64		schedule_id;
	TimestampTz last_run_at;
	char		last_status;
	TimestampTz last_success_at;
	int			completed;
	int			failures;
} ScheduleCount;

static int
compare_counts(const void *a, const void *b)
{
	int64		x = ((const ScheduleCount *) a)->schedule_id;
	int64		y = ((const ScheduleCount *) b)->schedule_id;

	return x < y ? -1 : x > y;
}

static Datum
make_array(Datum *values, bool *nulls, int n, Oid type)
{
	int			dims[1] = {n};
	int			lbs[1] = {1};
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs,
											  type, len, byval, align));
}

/*
 * Add to the statistics of n schedules, different ones.  Rows are locked in
 * the order of their ids; sorts the array.
 */
static void
add_to_statistics(ScheduleCount *c, int n)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.schedule_stat AS s (schedule_id, "
		"last_run_at, last_status, last_success_at, completed, failures) "
		"SELECT * FROM unnest($1, $2, $3, $4, $5, $6) "
		"ON CONFLICT (schedule_id) DO UPDATE SET "
		"last_run_at = coalesce(excluded.last_run_at, s.last_run_at), "
		"last_status = excluded.last_status, last_success_at = "
		"coalesce(excluded.last_success_at, s.last_success_at), "
		"completed = s.completed + excluded.completed, "
		"failures = s.failures + excluded.failures", 6,
		{INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
		INT8ARRAYOID, INT8ARRAYOID}
	};
	Datum	   *col[6];
	bool	   *nulls[6];
	Datum		v[6];

	Assert(jdg_is_bookkeeping());
	qsort(c, n, sizeof(ScheduleCount), compare_counts);
	for (int i = 0; i < 6; i++)
	{
		col[i] = palloc(sizeof(Datum) * n);
		nulls[i] = palloc0(sizeof(bool) * n);
	}
	for (int i = 0; i < n; i++)
	{
		col[0][i] = Int64GetDatum(c[i].schedule_id);
		col[1][i] = TimestampTzGetDatum(c[i].last_run_at);
		nulls[1][i] = c[i].last_run_at == DT_NOBEGIN;
		col[2][i] = CStringGetTextDatum(jdg_status_name(c[i].last_status));
		col[3][i] = TimestampTzGetDatum(c[i].last_success_at);
		nulls[3][i] = c[i].last_success_at == DT_NOBEGIN;
		col[4][i] = Int64GetDatum(c[i].completed);
		col[5][i] = Int64GetDatum(c[i].failures);
	}
	v[0] = make_array(col[0], nulls[0], n, INT8OID);
	v[1] = make_array(col[1], nulls[1], n, TIMESTAMPTZOID);
	v[2] = make_array(col[2], nulls[2], n, TEXTOID);
	v[3] = make_array(col[3], nulls[3], n, TIMESTAMPTZOID);
	v[4] = make_array(col[4], nulls[4], n, INT8OID);
	v[5] = make_array(col[5], nulls[5], n, INT8OID);
	jdg_run(&q, v, NULL, 0);
}

/*
 * What was cancelled before it began says nothing about how a schedule runs.
 * It is also what sessions settle, and a session would keep schedule_stat's
 * row locked until it commits, with every worker that settles waiting.
 */
static bool
counts_for_schedule(const JdgOutcome *o, const JdgDecision *d)
{
	return !d->stays &&
		(o->end != JDG_END_CANCELLED || o->started_at != DT_NOBEGIN);
}

/* Sum up by schedule; returns the number of schedules. */
static int
add_counts(const JdgTask *tasks, const JdgOutcome *o, const JdgDecision *d,
		   int n, ScheduleCount *counts)
{
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		ScheduleCount *c = counts;

		if (tasks[i].schedule_id == 0 || !counts_for_schedule(&o[i], &d[i]))
			continue;
		while (c < counts + k && c->schedule_id != tasks[i].schedule_id)
			c++;
		if (c == counts + k)
		{
			memset(c, 0, sizeof(*c));
			c->schedule_id = tasks[i].schedule_id;
			c->last_run_at = c->last_success_at = DT_NOBEGIN;
			k++;
		}
		if (o[i].started_at != DT_NOBEGIN)
			c->last_run_at = o[i].started_at;
		c->last_status = d[i].status;
		if (d[i].status == JDG_STATUS_COMPLETED)
		{
			c->last_success_at = o[i].finished_at;
			c->completed++;
		}
		else
			c->failures++;
	}
	return k;
}

static bool
is_occurrence(const JdgTask *task)
{
	return task->schedule_id != 0;
}

static void
count_occurrences(JdgEnds *ends)
{
	ScheduleCount *counts = palloc(sizeof(ScheduleCount) * ends->n);
	int			k = add_counts(ends->tasks, ends->outcomes, ends->decisions,
							   ends->n, counts);

	if (k > 0)
		add_to_statistics(counts, k);
}

const JdgEndFollower jdg_schedule_follower = {
	is_occurrence, NULL, count_occurrences
};
