/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Tasks that wait for other tasks: when to examine them again.
 *
 * Runs in the scheduler.  resolve.c decides whether a task may go on.
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
#include "shared/slot.h"
#include "shared/work.h"
#include "task/resolve.h"
#include "task/settle.h"
#include "task/waiting.h"

#define BATCH 1000

/* ids to look at again after the next commit of a worker */
static int64 *watched = NULL;
static int	nwatched = 0;
static int	watched_room = 0;

/*
 * Adds a task to those that are examined again after a worker's next commit.
 */
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
	int			max = jdg_max_workers * JDG_GROUP_MAX;
	int64	   *ids = palloc(sizeof(int64) * max);

	*n = jdg_slots_running(MyDatabaseId, ids, max);
	return ids;
}

/* Examines the given waiting tasks, each in a transaction of its own. */
static void
resolve_ids(const int64 *ids, int n)
{
	for (int i = 0; i < n; i++)
	{
		int			nrunning;
		int64	   *running = running_ids(&nrunning);
		JdgTask		task;

		/* the slots were read first: see resolve.c */
		jdg_work_begin_async();
		switch (jdg_resolve_waiting(ids[i], running, nrunning, &task))
		{
			case JDG_WAITING_DONE:
				break;
			case JDG_WAITING_WATCH:
				watch(ids[i]);
				break;
			case JDG_WAITING_CANCEL:
				jdg_settle_cancel(&task, "dependency", InvalidOid);
				break;
		}
		JDG_FAULT("resolve-before-commit");
		jdg_work_end();
	}
}

/* A task has ended in a session: examines its dependants. */
static void
resolve_children(int64 parent)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.dependency "
		"WHERE parent_id = $1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(parent)};
	MemoryContext mcxt = CurrentMemoryContext;
	int64	   *ids;
	int			n;

	jdg_work_begin();
	n = (int) jdg_run(&q, v, NULL, 0);
	ids = jdg_col_int64s(n, 1, mcxt);
	jdg_work_end();
	resolve_ids(ids, n);
}

/* Look at every waiting task: at start, and when too much was reported. */
static void
sweep(void)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task WHERE state IN (" JDG_SQL_DEPENDENCY ", "
		JDG_SQL_KEY ") "
		"AND task_id > $1 ORDER BY task_id LIMIT $2", 2, {INT8OID, INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		last = 0;
	int64		n;

	do
	{
		Datum		v[2] = {Int64GetDatum(last), Int64GetDatum(BATCH)};
		int64	   *ids;

		jdg_work_begin();
		n = jdg_run(&q, v, NULL, 0);
		ids = jdg_col_int64s(n, 1, mcxt);
		jdg_work_end();
		if (n > 0)
			last = ids[n - 1];
		resolve_ids(ids, (int) n);
		pfree(ids);
	} while (n == BATCH);
}

/* Examines the reported tasks and the watched ones. */
static void
resolve_reported(JdgDb *db)
{
	JdgRecheck *r = palloc(sizeof(JdgRecheck) * JDG_RECHECK_MAX);
	int			n = jdg_wakeup_take_rechecks(&db->wakeup, r);
	int			old = nwatched;
	int64	   *again = palloc(sizeof(int64) * Max(old, 1));

	/*
	 * Request notice of commits before looking: a commit between the look and
	 * the request would go unnoticed.
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

TimestampTz
jdg_waiting(JdgDb *db, uint32 why)
{
	if (why & JDG_WAKE_SWEEP)
		sweep();
	resolve_reported(db);
	return DT_NOEND;
}
