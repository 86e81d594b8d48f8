/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The workers of one role in one database, as a pool.
 *
 * Functions that sessions call after a commit take spinlocks only and cannot
 * fail.  scheduler/pool.c decides how many workers a pool gets.
 *
 * JdgDb.slot_wanted is one side of a pair: a scheduler that lacks a slot sets
 * it and then looks for a free slot once more; a process that frees a slot
 * does that first and then reads slot_wanted.  So one of the two always sees
 * the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_POOL_H
#define JDG_SHARED_POOL_H

#include "shared/database.h"
#include "shared/slot.h"

/* the workers of a pool; those that leave do not count */
typedef struct JdgPoolState
{
	int			workers;
	int			idle;
	int			starting;
	int			stuck;			/* will not claim soon */
	int64		tasks_done;		/* by the present workers */
} JdgPoolState;

/* set by start_workers(), stop_workers() and scale_workers() */
typedef struct JdgPoolBounds
{
	Oid			dboid;			/* InvalidOid: unused */
	Oid			owner;
	int			min;
	int			max;			/* -1: the settings decide */
} JdgPoolBounds;

#define JDG_POOLS_MAX 64

extern const JdgShmemPart jdg_pools_shmem;

/* examines the workers of a role in a database; returns their number */
extern int	jdg_pool_get_state(Oid dboid, Oid owner, JdgPoolState *p);

/* wakes an idle worker of a role that is not woken yet; false: none */
extern bool jdg_pool_wake_idle(Oid dboid, Oid owner);

/*
 * A role has ready tasks: makes sure that a worker looks for them.  Wakes an
 * idle worker.  Also returns true if the scheduler knows already that the
 * role's workers hold less than is ready: it either looks again soon or has no
 * more workers to give.  False: the caller has to wake the scheduler.
 */
extern bool jdg_pool_notify(Oid dboid, Oid owner);

/*
 * For the scheduler: notes in the slots of a role whether the scheduler knows
 * that it wants more workers.  Owner InvalidOid means every role.
 */
extern void jdg_pool_mark_help_known(Oid dboid, Oid owner, bool known);

/*
 * Asks a role's workers to leave at the end of their group, all but "keep".
 * InvalidOid means every role, or every database.
 */
extern void jdg_pool_leave(Oid dboid, Oid owner, int keep);

/*
 * Terminates the workers of a database that a statement needs without
 * sessions.  Their tasks are not charged.
 */
extern void jdg_pool_evict(Oid dboid);

/*
 * May a worker that has been idle for long enough exit?  Not if it has been
 * woken just now, nor if its role would keep fewer than min_workers workers,
 * or fewer than min_idle idle ones.  If it may, it is marked as leaving, so
 * that not too many leave when several ask at once.  Takes JdgSharedLock.
 */
extern bool jdg_pool_may_leave(JdgSlot *slot, int min_workers, int min_idle);

/*
 * Slots that are wanted.  A scheduler that has found no slot calls
 * jdg_pool_want_slot() ("must": for a role without worker), looks for a slot
 * once more, and then asks an idle worker to leave.
 */
extern void jdg_pool_want_slot(JdgDb *db, bool must);

/*
 * Asks the worker that has been idle for longest, of any role but this one of
 * "db", to leave; false: no worker is idle.
 */
extern bool jdg_pool_ask_idle_to_leave(JdgDb *db, Oid not_owner);

/* does a role lack a slot for which no worker is leaving yet? */
extern bool jdg_pool_slot_is_wanted(void);

/*
 * Makes this worker leave for a role that lacks a slot.  False: another worker
 * leaves for it, or this one has been woken just now.
 */
extern bool jdg_pool_yield_slot(JdgSlot *slot);

/* a slot is free: wakes the schedulers that lack one */
extern void jdg_pool_offer_slot(void);

/* frees a slot and offers it */
extern void jdg_pool_release_slot(int slotno);

/* the same if its worker never started */
extern void jdg_pool_free_unstarted(int slotno);

/*
 * Set or read the bounds of a role's pool, which hold until the server
 * restarts; min 0 and max -1 remove them.  Return false if there is no room
 * for more, or if there are none.  Both take JdgSharedLock.
 */
extern bool jdg_pool_set_bounds(Oid dboid, Oid owner, int min, int max);
extern bool jdg_pool_get_bounds(Oid dboid, Oid owner, int *min, int *max);

/*
 * Maximum number of workers of a role, from settings and bounds.  *min
 * receives the minimum, at most that.  Takes JdgSharedLock.
 */
extern int	jdg_pool_max_workers(Oid dboid, Oid owner, int *min);

/*
 * For views: does a ready task of a role find no worker now?  True if all of
 * the role's workers are busy and it gets no further one until one ends: it has
 * as many as it may have, no slot can be freed, or the server starts no more
 * processes.  Takes JdgSharedLock.
 */
extern bool jdg_pool_is_exhausted(JdgDb *db, Oid owner);

/* bounds number i of JDG_POOLS_MAX; false: unused */
extern bool jdg_pool_bounds(int i, JdgPoolBounds *bounds);

#endif							/* JDG_SHARED_POOL_H */
