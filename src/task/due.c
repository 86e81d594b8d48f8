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
#include "shared/work.h"
#include "task/due.h"
#include "task/wakeup.h"

#define BATCH 1000

/* other duties get a turn at least so often */
#define TURN_US 50000

/* delay of the next try for locked rows */
#define RETRY_US USECS_PER_SEC

/*
 * Makes a batch of tasks ready: those with run_at between "from" and "now".
 * Returns their number.
 *
 * The ids come from an array, so that no plan can read the table first and
 * the due tasks for each of its rows: see base/spi.h.
 */
static int64
promote_batch(TimestampTz from, TimestampTz now)
{
	static JdgQuery promote = {
		"UPDATE jadugar_internal.task SET state = CASE "
		"WHEN concurrency_key IS NOT NULL AND NOT key_place "
		"THEN " JDG_SQL_KEY "::\"char\" ELSE " JDG_SQL_READY_STATE " END "
		"WHERE task_id = ANY (ARRAY("
		"SELECT task_id FROM jadugar_internal.task WHERE state = "
		JDG_SQL_SCHEDULED " "
		"AND run_at >= $3 AND run_at <= $1 "
		"ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED)) "
		"RETURNING task_id, owner, state, queue_id, priority, run_at, lane, tenant", 3,
		{TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[3] = {TimestampTzGetDatum(now), Int64GetDatum(BATCH),
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
		t.lane = jdg_col_int32(i, 7, 0);
		t.tenant = jdg_col_text(i, 8, CurrentMemoryContext);
		jdg_wake_at_commit(t.owner, &t);
	}
	return n;
}

/* The first run_at from "from" on of a task that is scheduled, or DT_NOEND. */
static TimestampTz
first_due(TimestampTz from)
{
	static JdgQuery q = {
		"SELECT run_at FROM jadugar_internal.task WHERE state = "
		JDG_SQL_SCHEDULED " "
		"AND run_at >= $1 ORDER BY run_at LIMIT 1", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(from)};

	if (jdg_run(&q, v, NULL, 0) == 0)
		return DT_NOEND;
	return jdg_col_time(0, 1, DT_NOEND);
}

/*
 * One transaction.  Returns the number of tasks that it made ready, and sets
 * "next" to the instant at which to look again: when the first task is due
 * that was not due yet.
 *
 * A task that was due and is left is locked, by a transaction that may roll
 * back without a wake-up: it is tried again after RETRY_US, and delays no
 * other task.
 */
static int64
promote_once(JdgDb *db, TimestampTz *next)
{
	TimestampTz now = jdg_now();
	JdgPosition left = jdg_position_last;
	JdgMarkLook look;
	TimestampTz first;
	int64		n;

	/* the mark of future tasks: see shared/mark.c */
	SpinLockAcquire(&db->due_mutex);
	look = jdg_mark_look(&db->due);
	SpinLockRelease(&db->due_mutex);
	jdg_work_begin_async();
	n = promote_batch(look.from.run_at, now);
	*next = first = first_due(look.from.run_at);
	if (first <= now && n < BATCH)
		*next = Min(first_due(now + 1), now + RETRY_US);
	if (first != DT_NOEND)
	{
		left.run_at = first;
		left.task_id = 0;
	}
	JDG_FAULT("promote-before-commit");
	jdg_work_end();
	JDG_FAULT("promote-committed");
	SpinLockAcquire(&db->due_mutex);
	(void) jdg_mark_move(&db->due, &look, left);
	SpinLockRelease(&db->due_mutex);
	return n;
}

/*
 * Makes due tasks ready, in transactions of BATCH.  Returns when the next one
 * is due: an instant that is past, if there are too many for one turn.
 */
static TimestampTz
promote_due(JdgDb *db)
{
	TimestampTz begin = jdg_now();
	TimestampTz next;

	do
	{
		(void) promote_once(db, &next);
	} while (next <= jdg_now() && jdg_now() - begin < TURN_US);
	return next;
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
