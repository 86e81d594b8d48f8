/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The workers of one role in one database, see pool.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "storage/lwlock.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/blocked.h"
#include "shared/pool.h"
#include "shared/shmem.h"

typedef struct Pools
{
	JdgPoolBounds bounds[JDG_POOLS_MAX];	/* under JdgSharedLock */
} Pools;

static Pools *pools = NULL;

/* a worker that has been in one task for this time will not claim soon */
#define LONG_TASK_US	10000

static Size
pools_size(void)
{
	return sizeof(Pools);
}

static void
pools_init(void *at, bool found)
{
	pools = at;
	if (!found)
		memset(pools, 0, sizeof(Pools));
}

const JdgShmemPart jdg_pools_shmem = {
	"jadugar pools", pools_size, pools_init
};

/* Is this the slot of a worker that will look for ready tasks of the role? */
static bool
is_worker_of(const JdgSlot *slot, Oid dboid, Oid owner)
{
	return slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
		slot->dboid == dboid && slot->owner == owner && !slot->leave;
}

int
jdg_pool_get_state(Oid dboid, Oid owner, JdgPoolState *p)
{
	TimestampTz long_ago = jdg_now() - LONG_TASK_US;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (is_worker_of(slot, dboid, owner))
		{
			p->workers++;
			p->idle += slot->state == JDG_SLOT_IDLE;
			p->starting += slot->state == JDG_SLOT_STARTING;
			p->stuck += slot->state == JDG_SLOT_BUSY && slot->current >= 0 &&
				slot->task_started_at <= long_ago;
			p->tasks_done += slot->tasks_done;
		}
		SpinLockRelease(&slot->mutex);
	}
	return p->workers;
}

bool
jdg_pool_wake_idle(Oid dboid, Oid owner)
{
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		Latch	   *latch = NULL;

		if (slot->state != JDG_SLOT_IDLE || slot->owner != owner ||
			slot->dboid != dboid)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->state == JDG_SLOT_IDLE && slot->owner == owner &&
			slot->dboid == dboid && !slot->wake && !slot->leave)
		{
			slot->wake = true;
			latch = slot->latch;
		}
		SpinLockRelease(&slot->mutex);
		if (latch)
		{
			SetLatch(latch);
			return true;
		}
	}
	return false;
}

bool
jdg_pool_notify(Oid dboid, Oid owner)
{
	if (jdg_pool_wake_idle(dboid, owner))
		return true;
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		bool		known;

		if (!slot->help_known || slot->owner != owner || slot->dboid != dboid)
			continue;
		SpinLockAcquire(&slot->mutex);
		known = slot->help_known && is_worker_of(slot, dboid, owner);
		SpinLockRelease(&slot->mutex);
		if (known)
			return true;
	}
	return false;
}

void
jdg_pool_mark_help_known(Oid dboid, Oid owner, bool known)
{
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->dboid == dboid &&
			(!OidIsValid(owner) || slot->owner == owner))
			slot->help_known = known;
		SpinLockRelease(&slot->mutex);
	}
	pg_memory_barrier();
}

bool
jdg_pool_ask_idle_to_leave(JdgDb *db, Oid not_owner)
{
	uint32		wanted = JDG_SLOT_WANTED_MUST;
	int			oldest = -1;
	TimestampTz since = DT_NOEND;
	Latch	   *latch = NULL;

	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == JDG_SLOT_IDLE && !slot->leave && !slot->wake &&
			!(slot->dboid == db->dboid && slot->owner == not_owner) &&
			slot->idle_since < since)
		{
			since = slot->idle_since;
			oldest = i;
		}
		SpinLockRelease(&slot->mutex);
	}
	if (oldest < 0)
		return false;
	SpinLockAcquire(&jdg_slots[oldest].mutex);
	if (jdg_slots[oldest].state == JDG_SLOT_IDLE &&
		!jdg_slots[oldest].wake)
	{
		jdg_slots[oldest].leave = true;
		latch = jdg_slots[oldest].latch;
	}
	SpinLockRelease(&jdg_slots[oldest].mutex);
	if (latch == NULL)
		return false;
	(void) pg_atomic_compare_exchange_u32(&db->slot_wanted, &wanted, JDG_SLOT_WANTED_PROMISED);
	SetLatch(latch);
	return true;
}

void
jdg_pool_leave(Oid dboid, Oid owner, int keep)
{
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		Latch	   *latch = NULL;

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
			(!OidIsValid(dboid) || slot->dboid == dboid) && !slot->leave &&
			(!OidIsValid(owner) || slot->owner == owner) && keep-- <= 0)
		{
			slot->leave = true;
			latch = slot->latch;
		}
		SpinLockRelease(&slot->mutex);
		if (latch)
			SetLatch(latch);
	}
}

void
jdg_pool_evict(Oid dboid)
{
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
			slot->dboid == dboid)
		{
			slot->evicted = true;
			if (slot->pid != 0)
				(void) kill(slot->pid, SIGTERM);
		}
		SpinLockRelease(&slot->mutex);
	}
}

bool
jdg_pool_may_leave(JdgSlot *slot, int min_workers, int min_idle)
{
	JdgPoolState p;
	bool		may;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	(void) jdg_pool_get_state(slot->dboid, slot->owner, &p);
	SpinLockAcquire(&slot->mutex);
	may = slot->leave || (!slot->wake && p.workers > min_workers &&
						  p.idle > min_idle);
	if (may)
		slot->leave = true;
	SpinLockRelease(&slot->mutex);
	LWLockRelease(JdgSharedLock);
	return may;
}

bool
jdg_pool_slot_is_wanted(void)
{
	pg_memory_barrier();
	for (int i = 0; i < jdg_max_databases; i++)
	{
		if (jdg_dbs[i].state == JDG_DB_ACTIVE &&
			pg_atomic_read_u32(&jdg_dbs[i].slot_wanted) == JDG_SLOT_WANTED_MUST)
			return true;
	}
	return false;
}

bool
jdg_pool_yield_slot(JdgSlot *slot)
{
	bool		yield = false;
	bool		woken;

	SpinLockAcquire(&slot->mutex);
	woken = slot->state == JDG_SLOT_IDLE && slot->wake;
	SpinLockRelease(&slot->mutex);
	for (int i = 0; i < jdg_max_databases && !woken && !yield; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];
		uint32		wanted = JDG_SLOT_WANTED_MUST;

		yield = db->state == JDG_DB_ACTIVE &&
			pg_atomic_compare_exchange_u32(&db->slot_wanted, &wanted, JDG_SLOT_WANTED_PROMISED);
	}
	if (yield)
	{
		SpinLockAcquire(&slot->mutex);
		slot->leave = true;
		SpinLockRelease(&slot->mutex);
	}
	return yield;
}

void
jdg_pool_want_slot(JdgDb *db, bool must)
{
	uint32		none = JDG_SLOT_WANTED_NONE;

	if (must)
		pg_atomic_write_u32(&db->slot_wanted, JDG_SLOT_WANTED_MUST);
	else
		(void) pg_atomic_compare_exchange_u32(&db->slot_wanted, &none,
											  JDG_SLOT_WANTED_GROW);
	pg_memory_barrier();
}

void
jdg_pool_offer_slot(void)
{
	pg_memory_barrier();
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];

		if (db->state == JDG_DB_ACTIVE &&
			pg_atomic_read_u32(&db->slot_wanted) != JDG_SLOT_WANTED_NONE)
			jdg_db_wake(db, JDG_WAKE_WORK);
	}
}

void
jdg_pool_release_slot(int slotno)
{
	jdg_slot_clear_all(&jdg_slots[slotno]);
	jdg_pool_offer_slot();
}

void
jdg_pool_free_unstarted(int slotno)
{
	if (jdg_slot_is_starting(&jdg_slots[slotno]))
		jdg_pool_release_slot(slotno);
}

bool
jdg_pool_set_bounds(Oid dboid, Oid owner, int min, int max)
{
	JdgPoolBounds *pool = NULL;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	for (int i = 0; i < JDG_POOLS_MAX; i++)
	{
		JdgPoolBounds *p = &pools->bounds[i];

		if (p->dboid == dboid && p->owner == owner)
		{
			pool = p;
			break;
		}
		if (pool == NULL && !OidIsValid(p->dboid))
			pool = p;
	}
	if (pool != NULL)
	{
		pool->dboid = min == 0 && max == -1 ? InvalidOid : dboid;
		pool->owner = owner;
		pool->min = min;
		pool->max = max;
	}
	LWLockRelease(JdgSharedLock);
	return pool != NULL;
}

bool
jdg_pool_get_bounds(Oid dboid, Oid owner, int *min, int *max)
{
	bool		found = false;

	LWLockAcquire(JdgSharedLock, LW_SHARED);
	for (int i = 0; i < JDG_POOLS_MAX && !found; i++)
	{
		JdgPoolBounds *p = &pools->bounds[i];

		if (p->dboid != dboid || p->owner != owner)
			continue;
		*min = p->min;
		*max = p->max;
		found = true;
	}
	LWLockRelease(JdgSharedLock);
	return found;
}

int
jdg_pool_max_workers(Oid dboid, Oid owner, int *min)
{
	int			max = jdg_max_workers_per_role > 0 ?
	Min(jdg_max_workers_per_role, jdg_max_workers) : jdg_max_workers;
	int			pool_max = -1;

	*min = 0;
	if (jdg_pool_get_bounds(dboid, owner, min, &pool_max) && pool_max >= 0)
		max = Min(max, pool_max);
	*min = Min(*min, max);
	return max;
}

/*
 * Is there a slot for another worker, or one that will be free in a moment?
 * An idle worker leaves for another role, see jdg_pool_ask_idle_to_leave().
 */
static bool
has_slot_to_give(void)
{
	bool		found = false;

	for (int i = 0; i < jdg_max_workers && !found; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockAcquire(&slot->mutex);
		found = slot->state == JDG_SLOT_FREE || slot->state == JDG_SLOT_DEAD ||
			(slot->state == JDG_SLOT_IDLE && !slot->wake);
		SpinLockRelease(&slot->mutex);
	}
	return found;
}

bool
jdg_pool_is_exhausted(JdgDb *db, Oid owner)
{
	JdgPoolState p;
	JdgBlockedRole b;
	int			min;

	(void) jdg_pool_get_state(db->dboid, owner, &p);
	if (p.idle > 0 || p.starting > 0)
		return false;
	if (p.workers >= jdg_pool_max_workers(db->dboid, owner, &min) ||
		!has_slot_to_give())
		return true;
	/* no process, as the scheduler has found; a note may have been lost */
	if (jdg_blocked_find(&db->blocked, owner, &b))
		return strcmp(b.reason, "no_worker") == 0;
	return p.workers == 0 &&
		pg_atomic_read_u32(&db->slot_wanted) >= JDG_SLOT_WANTED_PROMISED;
}

bool
jdg_pool_bounds(int i, JdgPoolBounds *bounds)
{
	LWLockAcquire(JdgSharedLock, LW_SHARED);
	*bounds = pools->bounds[i];
	LWLockRelease(JdgSharedLock);
	return OidIsValid(bounds->dboid);
}
