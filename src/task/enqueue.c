/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  Inserting prepared tasks: queue depth, dependencies.
 *
 * Runs in the caller's backend, inside jdg_internal_begin().
 *
 * Depth: sessions that enqueue into a queue with a max_depth exclude each
 * other by JDG_LOCK_QUEUE until they commit, so the bound is exact; workers
 * do not take that lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/params.h"
#include "shared/database.h"
#include "shared/shmem.h"
#include "task/enqueue.h"
#include "task/locktask.h"
#include "task/outcome.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* looks for tasks to drop before a queue counts as full, one each ms */
#define DROP_TRIES 50

int64
jdg_queue_depth(const JdgQueue *queue, bool latest)
{
	static JdgQuery q = {
		"SELECT count(*) FROM (SELECT 1 FROM jadugar_internal.task "
		"WHERE bounded AND queue_id = $1 LIMIT $2) t", 2, {INT4OID, INT8OID}
	};
	Datum		v[2] = {Int32GetDatum(queue->queue_id),
	Int64GetDatum(queue->max_depth)};

	Assert(jdg_is_bookkeeping());
	if (latest)
		jdg_run_latest(&q, v, NULL);
	else
		jdg_run(&q, v, NULL, 1);
	return jdg_col_int64(0, 1, 0);
}

static void
raise_full(const JdgQueue *queue)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_QUEUE_FULL),
			 errmsg("queue \"%s\" is full", queue->name),
			 errdetail("It holds at most %lld unfinished tasks.",
					   (long long) queue->max_depth),
			 errhint("Enqueue later, or raise max_depth with jadugar.alter_queue().")));
}

/* Cancel the oldest tasks that no worker has; false: there was none. */
static bool
drop_oldest(const JdgQueue *queue, int64 n)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE bounded AND queue_id = $1 AND state NOT IN ("
		JDG_SQL_STANDALONE ", " JDG_SQL_FLOW ") "
		"ORDER BY task_id LIMIT $2 FOR UPDATE SKIP LOCKED", 2,
		{INT4OID, INT8OID}
	};
	Datum		v[2] = {Int32GetDatum(queue->queue_id), Int64GetDatum(n)};
	int64		rows = jdg_run(&q, v, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(rows, CurrentMemoryContext);

	if (rows > 0)
		jdg_row_held();
	for (int64 i = 0; i < rows; i++)
	{
		/* the one before may have taken it along as its dependant */
		if (jdg_task_load(tasks[i].task_id, true, &tasks[i],
						  CurrentMemoryContext))
			jdg_settle_drop(&tasks[i], "queue_full", InvalidOid);
	}
	return rows >= n;
}

/*
 * Sleeps up to a second until tasks finish.  Gives up the queue's lock
 * meanwhile and takes it again.  Raises QUEUE_FULL at an isolation level that
 * would not see the room.
 */
static void
wait_for_room(const JdgQueue *queue)
{
	JdgDb	   *db;

	if (IsolationUsesXactSnapshot())
		raise_full(queue);
	db = jdg_my_db();
	jdg_unlock_xact(JDG_LOCK_QUEUE, queue->queue_id);
	pg_atomic_fetch_add_u32(&db->waiters, 1);
	PG_TRY();
	{
		/* room may have appeared just before this backend was counted */
		(void) ConditionVariableTimedSleep(&db->finished, 1000,
										   jdg_wait_task());
		ConditionVariableCancelSleep();
	}
	PG_FINALLY();
	{
		pg_atomic_fetch_sub_u32(&db->waiters, 1);
	}
	PG_END_TRY();
	jdg_lock_xact(JDG_LOCK_QUEUE, queue->queue_id);
}

/* Make sure that n more tasks fit into the queue. */
void
jdg_queue_make_room(const JdgQueue *queue, int64 n)
{
	int			tries = 0;

	Assert(jdg_is_bookkeeping());
	if (queue->max_depth <= 0)
		return;
	jdg_lock_xact(JDG_LOCK_QUEUE, queue->queue_id);
	for (;;)
	{
		int64		excess = jdg_queue_depth(queue, true) + n - queue->max_depth;

		if (excess <= 0)
			return;
		if (n > queue->max_depth || queue->on_full == JDG_FULL_REJECT)
			raise_full(queue);
		if (queue->on_full == JDG_FULL_DROP_OLDEST)
		{
			if (drop_oldest(queue, excess))
				return;
			/* a row may be locked only for a moment: by the scheduler, say */
			if (tries++ >= DROP_TRIES)
				raise_full(queue);
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 1L, jdg_wait_task());
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		wait_for_room(queue);
	}
}

/* Raises TASK_NOT_FOUND for an id that was never given to a task. */
static void
check_known(int64 task_id)
{
	static JdgQuery known = {
		"SELECT $1 > 0 AND $1 <= last_value AND is_called "
		"FROM jadugar_internal.task_id_seq", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	jdg_run(&known, v, NULL, 0);
	if (!jdg_col_bool(0, 1))
		jdg_task_missing(task_id);
}

/*
 * Does a new task have to wait for a parent that is gone, since that failed?
 * Raises an error if it could never run.
 */
static bool
waits_for_gone(const JdgTask *t, int64 parent, Oid role)
{
	Oid			owner;
	JdgKnown	known = jdg_outcome_of(parent, &owner);

	if (!OidIsValid(owner))
		check_known(parent);
	else if (!jdg_may_manage(role, owner))
		jdg_task_missing(parent);
	if (known == JDG_KNOWN_COMPLETED ||
		t->on_dependency_failure == JDG_FAILURE_RUN)
		return false;
	if (known == JDG_KNOWN_NOT)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED),
				 errmsg("it is not known whether task %lld in depends_on has succeeded",
						(long long) parent),
				 errdetail("It has finished, and its history has been removed."),
				 errhint("Leave it out, or pass on_dependency_failure => 'run'.")));
	if (t->on_dependency_failure == JDG_FAILURE_CANCEL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED),
				 errmsg("task %lld in depends_on has not succeeded",
						(long long) parent),
				 errhint("Retry it first, or pass on_dependency_failure => 'run' or 'wait'.")));
	return true;
}

/*
 * One dependency of a task that is being enqueued: insert it if the parent
 * is unfinished or is to be retried; true then.
 */
static bool
add_dependency(const JdgTask *t, int64 parent, Oid role)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.dependency (task_id, parent_id, failed) "
		"VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 3,
		{INT8OID, INT8OID, BOOLOID}
	};
	Datum		v[3];
	JdgTask		p;
	bool		gone = !jdg_task_load(parent, false, &p, CurrentMemoryContext);

	if (!gone && !jdg_may_manage(role, p.owner))
		jdg_task_missing(parent);
	if (gone && !waits_for_gone(t, parent, role))
		return false;
	v[0] = Int64GetDatum(t->task_id);
	v[1] = Int64GetDatum(parent);
	v[2] = BoolGetDatum(gone);
	jdg_run(&insert, v, NULL, 0);
	return true;
}

/* The task waits for the end of another one, whatever that end is. */
static void
wait_for_end(const JdgTask *t, int64 parent)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.dependency (task_id, parent_id, any_end) "
		"VALUES ($1, $2, true) ON CONFLICT DO NOTHING", 2,
		{INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(t->task_id), Int64GetDatum(parent)};

	jdg_run(&insert, v, NULL, 0);
}

/* State of a new task, from its dependencies, run_at and key. */
void
jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
			   int64 runs_before, Oid role)
{
	bool		waits = runs_before != 0;

	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < nparents; i++)
		waits |= add_dependency(t, parents[i], role);
	if (runs_before != 0)
		wait_for_end(t, runs_before);
	if (waits)
		t->state = JDG_STATE_DEPENDENCY;
	else
		t->state = jdg_state_without_dependencies(t);
}
