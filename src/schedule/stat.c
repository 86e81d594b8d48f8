/*-------------------------------------------------------------------------
 *
 * stat.c
 *	  How the occurrences of schedules ended: jadugar_internal.schedule_stat.
 *
 * Runs where tasks are settled.  The rows are the last that a settling
 * transaction locks, in the order of schedule_id.  It does not lock schedules,
 * so a row may come after its schedule was deleted.  The scheduler deletes
 * such rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/params.h"
#include "schedule/stat.h"
#include "shared/database.h"
#include "shared/work.h"
#include "task/history.h"
#include "task/settle.h"
#include "tenant/rows.h"

/* the sum of some occurrences of a schedule; DT_NOBEGIN: null */
typedef struct ScheduleCount
{
	int64		schedule_id;
	TimestampTz last_run_at;
	JdgStatus	last_status;
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

/* the increments as arrays: names in the query, and types of elements */
enum
{
	C_SCHEDULE_ID, C_RUN_AT, C_STATUS, C_SUCCESS_AT, C_COMPLETED, C_FAILURES,
	NCOLUMNS
};

static const struct
{
	const char *name;
	Oid			type;
}			columns[NCOLUMNS] = {
	[C_SCHEDULE_ID] = {"schedule_id", INT8OID},
	[C_RUN_AT] = {"run_at", TIMESTAMPTZOID},
	[C_STATUS] = {"status", TEXTOID},
	[C_SUCCESS_AT] = {"success_at", TIMESTAMPTZOID},
	[C_COMPLETED] = {"completed", INT8OID},
	[C_FAILURES] = {"failures", INT8OID},
};

/*
 * Add to the statistics of n schedules, different ones, which may have been
 * deleted.  Rows are locked in the order of their ids; sorts the array.
 */
static void
add_to_statistics(ScheduleCount *c, int n)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.schedule_stat AS s (schedule_id, last_run_at, "
		"last_status, last_success_at, completed, failures) "
		"SELECT * FROM unnest($schedule_id, $run_at, $status, $success_at, "
		"$completed, $failures) AS n (schedule_id) "
		"WHERE EXISTS (SELECT FROM jadugar_internal.schedule x "
		"WHERE x.schedule_id = n.schedule_id) "
		"ON CONFLICT (schedule_id) DO UPDATE SET "
		"last_run_at = coalesce(excluded.last_run_at, s.last_run_at), "
		"last_status = excluded.last_status, last_success_at = "
		"coalesce(excluded.last_success_at, s.last_success_at), "
		"completed = s.completed + excluded.completed, "
		"failures = s.failures + excluded.failures"
	};
	Datum	   *col[NCOLUMNS];
	bool	   *nulls[NCOLUMNS];
	JdgParams	p = {0};

	Assert(jdg_is_bookkeeping());
	qsort(c, n, sizeof(ScheduleCount), compare_counts);
	for (int k = 0; k < NCOLUMNS; k++)
	{
		col[k] = palloc(sizeof(Datum) * n);
		nulls[k] = palloc0(sizeof(bool) * n);
	}
	for (int i = 0; i < n; i++)
	{
		col[C_SCHEDULE_ID][i] = Int64GetDatum(c[i].schedule_id);
		col[C_RUN_AT][i] = TimestampTzGetDatum(c[i].last_run_at);
		nulls[C_RUN_AT][i] = c[i].last_run_at == DT_NOBEGIN;
		col[C_STATUS][i] = CStringGetTextDatum(jdg_status_name(c[i].last_status));
		col[C_SUCCESS_AT][i] = TimestampTzGetDatum(c[i].last_success_at);
		nulls[C_SUCCESS_AT][i] = c[i].last_success_at == DT_NOBEGIN;
		col[C_COMPLETED][i] = Int64GetDatum(c[i].completed);
		col[C_FAILURES][i] = Int64GetDatum(c[i].failures);
	}
	for (int k = 0; k < NCOLUMNS; k++)
		jdg_bind_array(&p, columns[k].name, columns[k].type, col[k], nulls[k],
					   n);
	jdg_run_params(&q, &p, 0);
}

/*
 * A task cancelled before it began shows nothing about how a schedule runs.
 * Such tasks are also those that sessions settle, and a session would keep
 * schedule_stat's row locked until it commits, with every settling worker
 * waiting.
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

JdgQuery	jdg_schedule_stat_prune = {
	"WITH gone AS (DELETE FROM jadugar_internal.schedule_stat "
	"WHERE schedule_id = ANY (ARRAY("
	"SELECT t.schedule_id FROM jadugar_internal.schedule_stat t "
	"WHERE $1 IS NOT NULL AND NOT EXISTS "
	"(SELECT FROM jadugar_internal.schedule s "
	"WHERE s.schedule_id = t.schedule_id) "
	"LIMIT " JDG_TENANT_BATCH " FOR UPDATE SKIP LOCKED)) RETURNING 1) "
	"SELECT 0::bigint, CASE WHEN count(*) >= " JDG_TENANT_BATCH " THEN $2 END "
	"FROM gone", 2, {TEXTOID, TIMESTAMPTZOID}
};

TimestampTz
jdg_schedule_stat_upkeep(JdgDb *db, uint32 why)
{
	Datum		v[2] = {CStringGetTextDatum(""), TimestampTzGetDatum(DT_NOBEGIN)};
	bool		last;

	jdg_work_begin();
	jdg_run(&jdg_schedule_stat_prune, v, NULL, 1);
	(void) jdg_col(0, 2, &last);
	jdg_work_end();
	return last ? jdg_now() + USECS_PER_HOUR : DT_NOBEGIN;
}
