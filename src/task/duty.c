/*-------------------------------------------------------------------------
 *
 * duty.c
 *	  Tasks whose time has come, and tasks that wait for others.
 *
 * Runs in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/spi.h"
#include "scheduler/scheduler.h"
#include "task/enqueue.h"
#include "task/marks.h"
#include "task/resolve.h"

#define BATCH 1000

/* other things are looked after at least so often */
#define TURN_US 50000

/* ids to look at again after the next commit of a worker */
static int64 *watched = NULL;
static int	nwatched = 0;
static int	watched_room = 0;

/* The mark of future tasks: see task/marks.c. */
static void
look_at_mark(JdgDb *db, JdgMarkLook *look)
{
	uint32		lost;

	if (jdg_marks_look(db, JDG_MARK_DUE, look, &lost) == 0 &&
		(!jdg_mark_make(db, JDG_MARK_DUE, 0, 0) ||
		 jdg_marks_look(db, JDG_MARK_DUE, look, &lost) == 0))
	{
		memset(look, 0, sizeof(*look));
		look->from = jdg_position_first;
	}
}

/*
 * Make a batch of tasks ready whose run_at has come, not before "from".
 * Returns their number, and the first one that is left.
 */
static int64
promote_batch(TimestampTz from, JdgPosition *left)
{
	static JdgQuery promote = {
		"UPDATE jadugar.task t SET state = CASE "
		"WHEN t.concurrency_key IS NOT NULL AND t.attempt = 0 "
		"THEN 'k'::\"char\" ELSE 'r'::\"char\" END "
		"FROM (SELECT task_id FROM jadugar.task WHERE state = 's' "
		"AND run_at >= $3 AND run_at <= $1 "
		"ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED) d "
		"WHERE t.task_id = d.task_id "
		"RETURNING t.task_id, t.owner, t.state, t.queue_id, t.priority, "
		"t.run_at", 3,
		{TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	};
	static JdgQuery next = {
		"SELECT run_at FROM jadugar.task WHERE state = 's' "
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
 * Make tasks whose run_at has come ready, in transactions of BATCH.  Returns
 * when the next one is due: now, if there are too many for one turn.
 */
TimestampTz
jdg_promote_due(void)
{
	JdgDb	   *db = jdg_my_db();
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
		jdg_mark_move(db, &look, left);
	} while (n == BATCH && jdg_now() - begin < TURN_US);
	if (n == BATCH)
		return jdg_now();

	/* due, but locked by somebody who may roll back without telling us */
	if (left.run_at <= jdg_now())
		return jdg_now() + USECS_PER_SEC;
	return left.run_at;
}

static void
watch(int64 task_id)
{
	for (int i = 0; i < nwatched; i++)
	{
		if (watched[i] == task_id)
			return;
	}
	if (nwatched == watched_room)
	{
		watched_room = Max(watched_room * 2, 64);
		watched = watched == NULL ?
			MemoryContextAlloc(TopMemoryContext, sizeof(int64) * watched_room) :
			repalloc(watched, sizeof(int64) * watched_room);
	}
	watched[nwatched++] = task_id;
}

static int64 *
running_ids(int *n)
{
	int			max = JdgShared->nslots * JDG_GROUP_MAX;
	int64	   *ids = palloc(sizeof(int64) * max);

	*n = jdg_slots_running(MyDatabaseId, ids, max);
	return ids;
}

static void
resolve_ids(const int64 *ids, int n)
{
	for (int i = 0; i < n; i++)
	{
		int			nrunning;
		int64	   *running = running_ids(&nrunning);

		/* the slots were read first: see resolve.c */
		jdg_work_begin();
		if (jdg_resolve_waiting(ids[i], running, nrunning))
			watch(ids[i]);
		JDG_FAULT("resolve-before-commit");
		jdg_work_end();
	}
}

/* A task has ended in a session: look at what waits for it. */
static void
resolve_children(int64 parent)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar.dependency WHERE parent_id = $1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(parent)};
	MemoryContext mcxt = CurrentMemoryContext;
	int64	   *ids;
	int			n;

	jdg_work_begin();
	n = (int) jdg_run(&q, v, NULL, 0);
	ids = MemoryContextAlloc(mcxt, sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		ids[i] = jdg_col_int64(i, 1, 0);
	jdg_work_end();
	resolve_ids(ids, n);
}

/* Look at every waiting task: at start, and when too much was reported. */
void
jdg_waiting_sweep(void)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar.task WHERE state IN ('d', 'k') "
		"AND task_id > $1 ORDER BY task_id LIMIT $2", 2, {INT8OID, INT8OID}
	};
	int64		last = 0;
	int64		n;

	do
	{
		Datum		v[2] = {Int64GetDatum(last), Int64GetDatum(BATCH)};
		int64	   *ids = palloc(sizeof(int64) * BATCH);

		jdg_work_begin();
		n = jdg_run(&q, v, NULL, 0);
		for (int64 i = 0; i < n; i++)
			ids[i] = last = jdg_col_int64(i, 1, 0);
		jdg_work_end();
		resolve_ids(ids, (int) n);
		pfree(ids);
	} while (n == BATCH);
}

/* Look at what was reported, and at what is watched. */
void
jdg_waiting_resolve(JdgDb *db)
{
	JdgRecheck *r = palloc(sizeof(JdgRecheck) * JDG_RECHECK_MAX);
	int			n = jdg_db_take_rechecks(db, r);
	int			old = nwatched;
	int64	   *again = palloc(sizeof(int64) * Max(old, 1));

	/*
	 * Ask for commits before looking: one that comes between the look and the
	 * asking would not be told.
	 */
	pg_atomic_write_u32(&db->interest, 1);
	pg_memory_barrier();
	JDG_FAULT("reports-taken");
	memcpy(again, watched ? watched : again, sizeof(int64) * old);
	nwatched = 0;
	resolve_ids(again, old);
	for (int i = 0; i < n; i++)
	{
		if (r[i].finished)
			resolve_children(r[i].task_id);
		else
			resolve_ids(&r[i].task_id, 1);
	}
	pg_atomic_write_u32(&db->interest, nwatched > 0);
}
