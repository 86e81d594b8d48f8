/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Starting workers where ready tasks find none.
 *
 * Runs in the scheduler.  A pool is all workers of one role in one database.
 * One worker is started at a time for a role; when it has claimed and more is
 * left, it asks for the next, so a pool grows as fast as workers start and
 * stops growing when nothing is left for them.
 *
 * What would make a worker die while it connects is looked at here first
 * (the role is gone, may not log in, may not connect) and noted in the
 * JdgDb entry with the reason, to be tried again later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/settings.h"
#include "core/spi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "scheduler/scheduler.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define BLOCK_ROLE		(60 * USECS_PER_SEC)
#define BLOCK_NO_WORKER (1 * USECS_PER_SEC)

typedef struct Demand
{
	Oid			owner;
	int			ready;			/* at least so many more than workers hold */
} Demand;

/* handles of the workers this scheduler registered, by slot */
static BackgroundWorkerHandle **handles = NULL;

/*
 * A worker that was registered and never came to life (no memory, fork
 * failed): its slot is free again.
 */
void
jdg_pool_check_started(JdgDb *db)
{
	if (handles == NULL)
		return;
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		pid_t		pid;

		if (handles[i] == NULL)
			continue;
		if (GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
		{
			if (JdgShared->slots[i].dboid == db->dboid)
				jdg_slot_free_unstarted(i);
			pfree(handles[i]);
			handles[i] = NULL;
		}
	}
}

static bool
start_worker(JdgDb *db, Oid owner)
{
	BackgroundWorker w;
	BackgroundWorkerHandle *handle;
	MemoryContext old;
	int			slotno = jdg_slot_allocate(db->dboid, owner);
	bool		ok;

	if (slotno < 0)
	{
		pg_atomic_write_u32(&db->slot_wanted, 1);
		(void) jdg_slot_ask_idle_to_leave(db->dboid, owner);
		return false;
	}
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(w.bgw_library_name, BGW_MAXLEN, "jadugar");
	snprintf(w.bgw_function_name, BGW_MAXLEN, "jdg_worker_main");
	snprintf(w.bgw_name, BGW_MAXLEN, "jadugar worker %d", slotno);
	snprintf(w.bgw_type, BGW_MAXLEN, "jadugar worker");
	w.bgw_main_arg = Int32GetDatum(slotno);
	w.bgw_notify_pid = MyProcPid;
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (handles == NULL)
		handles = palloc0(sizeof(*handles) * JdgShared->nslots);
	ok = RegisterDynamicBackgroundWorker(&w, &handle);
	if (ok)
	{
		if (handles[slotno] != NULL)
			pfree(handles[slotno]);
		handles[slotno] = handle;
	}
	MemoryContextSwitchTo(old);
	if (!ok)
	{
		/* max_worker_processes is exhausted: an idle one of ours may go */
		jdg_slot_free_unstarted(slotno);
		jdg_db_block(db, owner, "no_worker", jdg_now() + BLOCK_NO_WORKER);
		pg_atomic_write_u32(&db->slot_wanted, 1);
		(void) jdg_slot_ask_idle_to_leave(db->dboid, owner);
	}
	return ok;
}

/* Why a role's worker could not connect; NULL: it could. */
static const char *
why_not(Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool		can_login;

	if (!HeapTupleIsValid(tuple))
		return "owner_missing";
	can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!can_login)
		return "owner_nologin";
	if (!jdg_database_acl_ok(MyDatabaseId, owner, ACL_CONNECT))
		return "owner_noconnect";
	return NULL;
}

/*
 * The roles that have ready tasks no worker holds, in queues that may run.
 */
static Demand *
find_demand(JdgDb *db, MemoryContext mcxt, int *n)
{
	static JdgQuery pairs = {
		"WITH RECURSIVE p(owner, queue_id) AS ("
		"(SELECT t.owner, t.queue_id FROM jadugar.task t WHERE t.state = 'r' "
		"ORDER BY t.owner, t.queue_id LIMIT 1) UNION ALL "
		"SELECT x.owner, x.queue_id FROM p, LATERAL ("
		"SELECT t.owner, t.queue_id FROM jadugar.task t WHERE t.state = 'r' "
		"AND (t.owner, t.queue_id) > (p.owner, p.queue_id) "
		"ORDER BY t.owner, t.queue_id LIMIT 1) x) "
		"SELECT p.owner, p.queue_id, q.max_concurrency FROM p "
		"JOIN jadugar.queue q ON q.queue_id = p.queue_id "
		"WHERE q.paused_at IS NULL "
		"AND (SELECT c.paused_at IS NULL FROM jadugar.control c) "
		"ORDER BY p.owner", 0
	};
	static JdgQuery count = {
		"SELECT count(*) FROM (SELECT 1 FROM jadugar.task t "
		"WHERE t.owner = $1 AND t.queue_id = $2 AND t.state = 'r' LIMIT $3) c",
		3, {OIDOID, INT4OID, INT8OID}
	};
	int64		rows = jdg_run(&pairs, NULL, NULL, 0);
	SPITupleTable *table = SPI_tuptable;
	Demand	   *demand = MemoryContextAlloc(mcxt, sizeof(Demand) * Max(rows, 1));

	*n = 0;
	for (int64 i = 0; i < rows; i++)
	{
		Oid			owner;
		int32		queue_id,
					limit;
		int			held,
					ready;
		Datum		v[3];

		SPI_tuptable = table;
		owner = jdg_col_oid(i, 1);
		queue_id = jdg_col_int32(i, 2, 0);
		limit = jdg_col_int32(i, 3, 0);
		held = jdg_slots_held(db->dboid, owner, queue_id);
		if (limit > 0 && jdg_slots_queue_load(db->dboid, queue_id) >= limit)
			continue;
		v[0] = ObjectIdGetDatum(owner);
		v[1] = Int32GetDatum(queue_id);
		v[2] = Int64GetDatum(held + 1);
		jdg_run(&count, v, NULL, 0);
		ready = (int) jdg_col_int64(0, 1, 0) - held;
		if (ready <= 0)
			continue;
		if (*n > 0 && demand[*n - 1].owner == owner)
			demand[*n - 1].ready += ready;
		else
		{
			demand[*n].owner = owner;
			demand[(*n)++].ready = ready;
		}
	}
	return demand;
}

/* Returns when to look at this role again, DT_NOEND: when told. */
static TimestampTz
serve(JdgDb *db, const Demand *d, int max)
{
	JdgBlocked	b;
	const char *reason;
	int			idle,
				starting;
	int			have;

	if (jdg_slot_wake_idle(db->dboid, d->owner))
		return DT_NOEND;
	have = jdg_slots_of(db->dboid, d->owner, &idle, &starting);
	if (idle > 0 || starting > 0 || have >= max)
		return DT_NOEND;
	if (jdg_db_blocked(db, d->owner, &b) && b.until > jdg_now())
	{
		if (strcmp(b.reason, "no_worker") == 0)
			pg_atomic_write_u32(&db->slot_wanted, 1);
		return b.until;
	}
	reason = why_not(d->owner);
	if (reason != NULL)
	{
		jdg_db_block(db, d->owner, reason, jdg_now() + BLOCK_ROLE);
		return jdg_now() + BLOCK_ROLE;
	}
	if (start_worker(db, d->owner))
		jdg_db_unblock(db, d->owner);
	else if (jdg_db_blocked(db, d->owner, &b) && b.until > jdg_now())
		return b.until;
	return DT_NOEND;
}

/*
 * Roles or their rights have changed.  Workers whose role may not connect any
 * more leave after their group; what held others back is looked at again.
 */
void
jdg_pool_roles_changed(JdgDb *db)
{
	jdg_work_begin();
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		Oid			owner = InvalidOid;

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
			slot->dboid == db->dboid && !slot->leave)
			owner = slot->owner;
		SpinLockRelease(&slot->mutex);
		if (OidIsValid(owner) && why_not(owner) != NULL)
			jdg_slots_leave(db->dboid, owner, 0);
	}
	jdg_work_end();
	SpinLockAcquire(&db->mutex);
	memset(db->blocked, 0, sizeof(db->blocked));
	SpinLockRelease(&db->mutex);
}

static int
most_workers(JdgDb *db, Oid owner, int *min)
{
	int			max = jdg_max_workers_per_role > 0 ?
	Min(jdg_max_workers_per_role, jdg_max_workers) : jdg_max_workers;
	int			pool_max = -1;

	*min = 0;
	if (jdg_pool_get(db->dboid, owner, min, &pool_max) && pool_max >= 0)
		max = Min(max, pool_max);
	*min = Min(*min, max);
	return max;
}

/* Pools that start_workers() or scale_workers() want to have a minimum. */
static void
fill_fixed_pools(JdgDb *db)
{
	for (int i = 0; i < JDG_POOLS_MAX; i++)
	{
		JdgPool		p;
		int			min,
					idle,
					starting,
					have;

		LWLockAcquire(JdgShared->lock, LW_SHARED);
		p = JdgShared->pools[i];
		LWLockRelease(JdgShared->lock);
		if (p.dboid != db->dboid)
			continue;
		(void) most_workers(db, p.owner, &min);
		have = jdg_slots_of(db->dboid, p.owner, &idle, &starting);
		for (; have < min; have++)
		{
			if (why_not(p.owner) != NULL || !start_worker(db, p.owner))
				break;
		}
	}
}

/*
 * See to it that ready tasks find workers.  Returns when to come again by
 * itself, DT_NOEND: when told.
 */
TimestampTz
jdg_pool_ensure(JdgDb *db)
{
	TimestampTz next = DT_NOEND;
	MemoryContext mcxt = CurrentMemoryContext;
	Demand	   *demand;
	int			n;

	pg_atomic_write_u32(&db->slot_wanted, 0);
	jdg_work_begin();
	demand = find_demand(db, mcxt, &n);
	for (int i = 0; i < n; i++)
	{
		int			min;
		int			max = most_workers(db, demand[i].owner, &min);

		next = Min(next, serve(db, &demand[i], max));
	}
	fill_fixed_pools(db);
	jdg_work_end();
	for (int i = 0; i < n; i++)
	{
		JdgBlocked	b;

		if (jdg_db_blocked(db, demand[i].owner, &b) &&
			strcmp(b.reason, "owner_missing") == 0)
		{
			jdg_fail_tasks_of_missing(demand[i].owner);
			jdg_db_unblock(db, demand[i].owner);
		}
	}
	return next;
}
