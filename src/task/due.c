/*-------------------------------------------------------------------------
 *
 * due.c
 *	  Makes scheduled tasks ready when their run_at is reached.
 *
 * Runs in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/spi.h"
#include "shared/marks.h"
#include "shared/work.h"
#include "task/due.h"
#include "task/wakeup.h"

#define BATCH 1000

/* other duties get a turn at least so often */
#define TURN_US 50000

/* The mark of future tasks: see task/marks.c. */
static void
look_at_mark(JdgDb *db, JdgMarkLook *look)
{
	uint32		lost;

	if (jdg_marks_look(&db->marks, JDG_MARK_DUE, look, &lost) == 0 &&
		(!jdg_mark_make(&db->marks, JDG_MARK_DUE, 0, 0) ||
		 jdg_marks_look(&db->marks, JDG_MARK_DUE, look, &lost) == 0))
	{
		memset(look, 0, sizeof(*look));
		look->from = jdg_position_first;
	}
}

/*
 * Makes a batch of tasks ready: those with run_at between "from" and now.
 * Returns their number, and sets "left" to the first one that is left.
 */
static int64
promote_batch(TimestampTz from, JdgPosition *left)
{
	static JdgQuery promote = {
		"UPDATE jadugar_internal.task t SET state = CASE "
		"WHEN t.concurrency_key IS NOT NULL AND t.attempt = 0 "
		"THEN " JDG_SQL_KEY "::\"char\" ELSE " JDG_SQL_READY "::\"char\" END "
		"FROM (SELECT task_id FROM jadugar_internal.task WHERE state = "
		JDG_SQL_SCHEDULED " "
		"AND run_at >= $3 AND run_at <= $1 "
		"ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED) d "
		"WHERE t.task_id = d.task_id "
		"RETURNING t.task_id, t.owner, t.state, t.queue_id, t.priority, "
		"t.run_at", 3,
		{TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	};
	static JdgQuery next = {
		"SELECT run_at FROM jadugar_internal.task WHERE state = "
		JDG_SQL_SCHEDULED " "
		"AND run_at >= $1 ORDER BY run_at LIMIT 1", 1, {TIMESTAMPTZOID}
	};
	Datum		v[3] = {TimestampTzGetDatum(jdg_now()), Int64GetDatum(BATCH),
	TimestampTzGetDatum(from)};
	int64		n = jdg_run(&promote, v, NULL, 0);

	for (int64 i = 0; i < n; i++)
	{
		JdgTask		t = {0};

		t.task_id = jdg_col_int64(i, 1, 0);
		t.owner = jdg_col_oid(i, 2);
		t.state = jdg_col_char(i, 3);
		t.queue_id = jdg_col_int32(i, 4, 0);
		t.priority = jdg_col_int32(i, 5, 0);
		t.run_at = jdg_col_time(i, 6, DT_NOBEGIN);
		jdg_wake_at_commit(t.owner, &t);
	}
	*left = jdg_position_last;
	if (jdg_run(&next, &v[2], NULL, 0) > 0)
	{
		left->run_at = jdg_col_time(0, 1, DT_NOEND);
		left->task_id = 0;
	}
	return n;
}

/*
 * Makes due tasks ready, in transactions of BATCH.  Returns when the next one
 * is due: now, if there are too many for one turn.
 */
static TimestampTz
promote_due(JdgDb *db)
{
	TimestampTz begin = jdg_now();
	JdgPosition left;
	int64		n;

	do
	{
		JdgMarkLook look;

		look_at_mark(db, &look);
		jdg_work_begin_async();
		n = promote_batch(look.from.run_at, &left);
		JDG_FAULT("promote-before-commit");
		jdg_work_end();
		JDG_FAULT("promote-committed");
		jdg_mark_move(&db->marks, &look, left);
	} while (n == BATCH && jdg_now() - begin < TURN_US);
	if (n == BATCH)
		return jdg_now();

	/* due, but locked by a transaction that may roll back without a wake-up */
	if (left.run_at <= jdg_now())
		return jdg_now() + USECS_PER_SEC;
	return left.run_at;
}

/*
 * Meanwhile every commit of a future task wakes the scheduler; afterwards
 * only one that is due before the next instant.
 */
TimestampTz
jdg_promote(JdgDb *db, uint32 why)
{
	TimestampTz next;

	pg_atomic_write_u64(&db->next_due, (uint64) DT_NOEND);
	pg_memory_barrier();
	next = promote_due(db);
	pg_atomic_write_u64(&db->next_due, (uint64) next);
	return next;
}
