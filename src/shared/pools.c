/*-------------------------------------------------------------------------
 *
 * pools.c
 *	  The workers of a role as a pool: who is idle, who is woken, who leaves.
 *
 * Runs in any process; what sessions call after a commit takes spinlocks
 * only.  Who starts workers and when: scheduler/pool.c.
 *
 * JdgDb.slot_wanted and JdgDb.refused are each one side of a pair: whoever
 * waits says so and then looks once more, whoever gives something up does
 * that first and then looks whether anybody waits.  So one of the two always
 * sees the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "base/clock.h"
#include "base/settings.h"
#include "shared/shmem.h"

/* a worker that has been in one task for so long will not claim soon */
#define LONG_TASK_US	10000

/* Is this the slot of a worker that will look for ready tasks of the role? */
static bool
works_for(const JdgSlot *slot, Oid dboid, Oid owner)
{
	return slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
		slot->dboid == dboid && slot->owner == owner && !slot->leave;
}

/* How many workers a role has in a database, and what they do. */
int
jdg_slots_of(Oid dboid, Oid owner, JdgPoolState *p)
{
	TimestampTz long_ago = jdg_now() - LONG_TASK_US;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (works_for(slot, dboid, owner))
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

/*
 * Wake one idle worker of a role that was not woken yet.  False: none.
 * Takes spinlocks only.
 */
bool
jdg_slot_wake_idle(Oid dboid, Oid owner)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
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

/*
 * A role has ready tasks: see to it that somebody looks for them.  An idle
 * worker is woken; or the scheduler knows already that the role has more to
 * do than its workers hold, and either looks again soon or has no more
 * workers to give, so that those who are busy come to it.  False: the
 * scheduler has to be told.  Takes spinlocks only.
 */
bool
jdg_slots_call(Oid dboid, Oid owner)
{
	if (jdg_slot_wake_idle(dboid, owner))
		return true;
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		bool		known;

		if (!slot->help_known || slot->owner != owner || slot->dboid != dboid)
			continue;
		SpinLockAcquire(&slot->mutex);
		known = slot->help_known && works_for(slot, dboid, owner);
		SpinLockRelease(&slot->mutex);
		if (known)
			return true;
	}
	return false;
}

/* For the scheduler: it knows that a role (or no role) wants more workers. */
void
jdg_slots_know(Oid dboid, Oid owner, bool known)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->dboid == dboid &&
			(!OidIsValid(owner) || slot->owner == owner))
			slot->help_known = known;
		SpinLockRelease(&slot->mutex);
	}
	pg_memory_barrier();
}

/*
 * Make room for another role of "db": the worker that has been idle for
 * longest is asked to leave.  False: no worker is idle.
 */
bool
jdg_slot_ask_idle_to_leave(JdgDb *db, Oid not_owner)
{
	uint32		wanted = JDG_WANT_MUST;
	int			oldest = -1;
	TimestampTz since = DT_NOEND;
	Latch	   *latch = NULL;

	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

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
	SpinLockAcquire(&JdgShared->slots[oldest].mutex);
	if (JdgShared->slots[oldest].state == JDG_SLOT_IDLE &&
		!JdgShared->slots[oldest].wake)
	{
		JdgShared->slots[oldest].leave = true;
		latch = JdgShared->slots[oldest].latch;
	}
	SpinLockRelease(&JdgShared->slots[oldest].mutex);
	if (latch == NULL)
		return false;
	(void) pg_atomic_compare_exchange_u32(&db->slot_wanted, &wanted, JDG_WANT_PROMISED);
	SetLatch(latch);
	return true;
}

/*
 * Ask a role's workers to leave when they are done with their group, all but
 * "keep"; owner InvalidOid means every role of the database.
 */
void
jdg_slots_leave(Oid dboid, Oid owner, int keep)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		Latch	   *latch = NULL;

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
			slot->dboid == dboid && !slot->leave &&
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

/*
 * Terminate the workers of a database that somebody needs without sessions.
 * What they run is not to blame.
 */
void
jdg_slots_evict(Oid dboid)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

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

/*
 * A worker wants to end because it has been idle for long enough.  It may,
 * unless somebody has woken it just now, or its role would be left with fewer
 * than min_workers in all, or fewer than min_idle that are idle.  It is
 * marked as leaving then, so that of several that ask at once not too many go.
 */
bool
jdg_slot_may_leave(JdgSlot *slot, int min_workers, int min_idle)
{
	JdgPoolState p;
	bool		may;

	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	(void) jdg_slots_of(slot->dboid, slot->owner, &p);
	SpinLockAcquire(&slot->mutex);
	may = slot->leave || (!slot->wake && p.workers > min_workers &&
						  p.idle > min_idle);
	if (may)
		slot->leave = true;
	SpinLockRelease(&slot->mutex);
	LWLockRelease(JdgShared->lock);
	return may;
}

/* Does some role lack a slot for which no worker is leaving yet? */
bool
jdg_slot_is_wanted(void)
{
	pg_memory_barrier();
	for (int i = 0; i < JdgShared->ndbs; i++)
	{
		if (JdgShared->dbs[i].state == JDG_DB_ACTIVE &&
			pg_atomic_read_u32(&JdgShared->dbs[i].slot_wanted) == JDG_WANT_MUST)
			return true;
	}
	return false;
}

/*
 * Leave to a role that lacks a slot: false if somebody else does, or if this
 * worker has been woken just now.
 */
bool
jdg_slot_yield(JdgSlot *slot)
{
	bool		yield = false;
	bool		woken;

	SpinLockAcquire(&slot->mutex);
	woken = slot->state == JDG_SLOT_IDLE && slot->wake;
	SpinLockRelease(&slot->mutex);
	for (int i = 0; i < JdgShared->ndbs && !woken && !yield; i++)
	{
		JdgDb	   *db = &JdgShared->dbs[i];
		uint32		wanted = JDG_WANT_MUST;

		yield = db->state == JDG_DB_ACTIVE &&
			pg_atomic_compare_exchange_u32(&db->slot_wanted, &wanted, JDG_WANT_PROMISED);
	}
	if (yield)
	{
		SpinLockAcquire(&slot->mutex);
		slot->leave = true;
		SpinLockRelease(&slot->mutex);
	}
	return yield;
}

/*
 * The scheduler of a database has found no slot.  It must look once more
 * after this, and then call jdg_slot_ask_idle_to_leave().  "must": for a role
 * that has no worker; those of others make room then.
 */
void
jdg_slot_want(JdgDb *db, bool must)
{
	uint32		none = JDG_WANT_NONE;

	if (must)
		pg_atomic_write_u32(&db->slot_wanted, JDG_WANT_MUST);
	else
		(void) pg_atomic_compare_exchange_u32(&db->slot_wanted, &none,
											  JDG_WANT_LIKED);
	pg_memory_barrier();
}

/* A slot is free again: tell those that lack one. */
void
jdg_slot_offer(void)
{
	pg_memory_barrier();
	for (int i = 0; i < JdgShared->ndbs; i++)
	{
		JdgDb	   *db = &JdgShared->dbs[i];

		if (db->state == JDG_DB_ACTIVE &&
			pg_atomic_read_u32(&db->slot_wanted) != JDG_WANT_NONE)
			jdg_db_wake(db, JDG_WAKE_WORK);
	}
}

/*
 * May one more task of a queue with a limit be held?  If not, whoever gives
 * up a place later sees that it was asked for: jdg_queue_room_made().
 */
bool
jdg_queue_has_room(JdgDb *db, int queue_id, int limit)
{
	if (jdg_slots_queue_load(db->dboid, queue_id) < limit)
		return true;
	pg_atomic_write_u32(&db->refused, 1);
	pg_memory_barrier();
	return jdg_slots_queue_load(db->dboid, queue_id) < limit;
}

/* A worker holds fewer tasks of a queue with a limit than before. */
void
jdg_queue_room_made(Oid dboid)
{
	JdgDb	   *db = jdg_db_lookup(dboid, false);

	pg_memory_barrier();
	if (db != NULL && pg_atomic_read_u32(&db->refused) != 0 &&
		pg_atomic_exchange_u32(&db->refused, 0) != 0)
		jdg_db_wake(db, JDG_WAKE_WORK);
}

/*
 * Bounds of one role's pool until the server restarts; min 0 and max -1
 * forget them.
 */
bool
jdg_pool_set(Oid dboid, Oid owner, int min, int max)
{
	JdgPool    *pool = NULL;

	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < JDG_POOLS_MAX; i++)
	{
		JdgPool    *p = &JdgShared->pools[i];

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
	LWLockRelease(JdgShared->lock);
	return pool != NULL;
}

bool
jdg_pool_get(Oid dboid, Oid owner, int *min, int *max)
{
	bool		found = false;

	LWLockAcquire(JdgShared->lock, LW_SHARED);
	for (int i = 0; i < JDG_POOLS_MAX && !found; i++)
	{
		JdgPool    *p = &JdgShared->pools[i];

		if (p->dboid != dboid || p->owner != owner)
			continue;
		*min = p->min;
		*max = p->max;
		found = true;
	}
	LWLockRelease(JdgShared->lock);
	return found;
}
