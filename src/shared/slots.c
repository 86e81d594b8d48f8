/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Worker slots: one per possible worker, shared by all databases.
 *
 * What one worker does; its role's workers together are in pools.c.
 *
 * A slot is allocated by a scheduler before it registers the worker, filled
 * by the worker, and released when the worker has ended.  A worker publishes
 * a task in its slot before it locks the task's row, and says so when it has
 * got the lock.  Requests to cancel are left only where the row is locked:
 * a worker that did not get it forgets the task without a look at requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "shared/shmem.h"

/*
 * Reserve a free slot; -1 if there is none.  The caller registers a worker
 * with this number or gives it back with jdg_slot_free_unstarted().
 */
int
jdg_slot_allocate(Oid dboid, Oid owner)
{
	int			found = -1;

	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		if (slot->state != JDG_SLOT_FREE)
			continue;
		SpinLockAcquire(&slot->mutex);
		slot->state = JDG_SLOT_STARTING;
		slot->generation++;
		slot->dboid = dboid;
		slot->owner = owner;
		slot->pid = 0;
		slot->latch = NULL;
		slot->wake = true;
		slot->leave = false;
		slot->help_known = false;
		slot->ntasks = 0;
		slot->current = -1;
		slot->registered_at = jdg_now();
		slot->started_at = 0;
		slot->deadline = DT_NOEND;
		slot->timed_out = false;
		slot->evicted = false;
		slot->progress = -1;
		slot->message[0] = '\0';
		slot->tasks_done = 0;
		slot->memory = 0;
		slot->busy_us = 0;
		SpinLockRelease(&slot->mutex);
		found = i;
		break;
	}
	LWLockRelease(JdgShared->lock);
	return found;
}

/* The slot is empty again; schedulers that wait for one are told. */
void
jdg_slot_release(int slotno)
{
	JdgSlot    *slot = &JdgShared->slots[slotno];

	SpinLockAcquire(&slot->mutex);
	if (slot->state == JDG_SLOT_DEAD)
		pg_atomic_fetch_sub_u32(&JdgShared->dead, 1);
	slot->state = JDG_SLOT_FREE;
	slot->generation++;
	slot->pid = 0;
	slot->latch = NULL;
	slot->ntasks = 0;
	slot->current = -1;
	SpinLockRelease(&slot->mutex);
	jdg_slot_offer();
}

/* Give back a slot whose worker never came to life. */
void
jdg_slot_free_unstarted(int slotno)
{
	JdgSlot    *slot = &JdgShared->slots[slotno];
	bool		mine;

	SpinLockAcquire(&slot->mutex);
	mine = slot->state == JDG_SLOT_STARTING;
	SpinLockRelease(&slot->mutex);
	if (mine)
		jdg_slot_release(slotno);
}

static int
find_in_slot(JdgSlot *slot, Oid dboid, int64 task_id)
{
	if (slot->state == JDG_SLOT_FREE || slot->dboid != dboid)
		return -1;
	for (int j = 0; j < slot->ntasks; j++)
	{
		if (slot->task[j].task_id == task_id && slot->task[j].locked)
			return j;
	}
	return -1;
}

bool
jdg_slot_find_task(Oid dboid, int64 task_id, JdgTaskPhase *phase)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		int			j;

		SpinLockAcquire(&slot->mutex);
		j = find_in_slot(slot, dboid, task_id);
		if (j >= 0 && phase)
			*phase = slot->task[j].phase;
		SpinLockRelease(&slot->mutex);
		if (j >= 0)
			return true;
	}
	return false;
}

/*
 * The worker of this slot ends.  Inside a task: the slot stays for the
 * scheduler, which charges the task; true then.
 */
bool
jdg_slot_died(JdgSlot *slot)
{
	bool		dead;

	SpinLockAcquire(&slot->mutex);
	/* a standalone row is marked also before and after the command runs */
	if (slot->current < 0 && slot->ntasks > 0 && slot->task[0].standalone)
		slot->current = 0;
	dead = slot->current >= 0 && !slot->evicted;
	if (dead && slot->state != JDG_SLOT_DEAD)
	{
		slot->state = JDG_SLOT_DEAD;
		slot->latch = NULL;
		slot->pid = 0;
		pg_atomic_fetch_add_u32(&JdgShared->dead, 1);
	}
	SpinLockRelease(&slot->mutex);
	return dead;
}

/*
 * Is this a task that a dead worker leaves to the scheduler?  Nobody may run
 * it before.  When no worker is dead that takes a look at one word.
 */
bool
jdg_slot_died_with(Oid dboid, int64 task_id)
{
	bool		found = false;

	if (pg_atomic_read_u32(&JdgShared->dead) == 0)
		return false;
	for (int i = 0; i < JdgShared->nslots && !found; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		int			j;

		SpinLockAcquire(&slot->mutex);
		j = slot->state == JDG_SLOT_DEAD ?
			find_in_slot(slot, dboid, task_id) : -1;
		found = j >= 0 && (j == slot->current ||
						   slot->task[j].cancel != JDG_CANCEL_NONE);
		SpinLockRelease(&slot->mutex);
	}
	return found;
}

/*
 * Ask the worker that holds a task to stop it.  False: no worker holds it, or
 * it has run already and only its commit is outstanding, or the worker has
 * died and the scheduler is about to charge the task.  The signal is sent
 * under the spinlock: the worker needs it to go on to its next group, so the
 * signal can not hit a task of that.  The scheduler is told, to see to it that
 * the task does stop.
 */
bool
jdg_slot_cancel_task(Oid dboid, int64 task_id, JdgCancelKind kind)
{
	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];
		bool		asked = false;
		bool		running = false;
		bool		found;
		int			j;

		SpinLockAcquire(&slot->mutex);
		j = find_in_slot(slot, dboid, task_id);
		found = j >= 0;
		if (found && slot->state != JDG_SLOT_DEAD &&
			slot->task[j].phase != JDG_TASK_DONE)
		{
			asked = true;
			slot->task[j].cancel = kind;
			slot->task[j].cancelled_at = jdg_now();
			running = slot->task[j].phase == JDG_TASK_RUNNING;
			if (running)
				(void) kill(slot->pid, SIGINT);
		}
		SpinLockRelease(&slot->mutex);
		if (running)
		{
			JdgDb	   *db = jdg_db_lookup(dboid, false);

			if (db != NULL)
				jdg_db_wake(db, JDG_WAKE_WORKER);
		}
		if (asked)
			JDG_FAULT("cancel-requested");
		if (found)
			return asked;
	}
	return false;
}

/*
 * A task may swallow its cancel: past jdg_cancel_grace its worker is
 * terminated.  For the scheduler; returns when to look again, DT_NOEND: when
 * told.
 */
TimestampTz
jdg_slots_enforce_cancels(Oid dboid)
{
	TimestampTz now = jdg_now();
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == JDG_SLOT_BUSY && slot->dboid == dboid &&
			slot->pid != 0 && slot->current >= 0 &&
			slot->task[slot->current].cancel != JDG_CANCEL_NONE)
		{
			TimestampTz at = slot->task[slot->current].cancelled_at +
			(int64) jdg_cancel_grace * 1000;

			if (at <= now)
			{
				(void) kill(slot->pid, SIGTERM);
				at = now + USECS_PER_SEC;
			}
			next = Min(next, at);
		}
		SpinLockRelease(&slot->mutex);
	}
	return next;
}

/*
 * The group ends before it has come to the tasks from "first" on.  Those that
 * nobody has asked to cancel are let go: from here on such a request finds no
 * worker and waits for the row.
 */
void
jdg_slot_give_up(JdgSlot *slot, int first)
{
	SpinLockAcquire(&slot->mutex);
	for (int j = first; j < slot->ntasks; j++)
	{
		if (slot->task[j].cancel == JDG_CANCEL_NONE)
			slot->task[j].locked = false;
	}
	SpinLockRelease(&slot->mutex);
}

/* The ids of all tasks that workers of a database hold or try to lock. */
int
jdg_slots_running(Oid dboid, int64 *ids, int max)
{
	int			n = 0;

	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->dboid == dboid)
		{
			for (int j = 0; j < slot->ntasks && n < max; j++)
				ids[n++] = slot->task[j].task_id;
		}
		SpinLockRelease(&slot->mutex);
	}
	return n;
}

/*
 * How many tasks of a queue workers hold.  Derived from the slots each time,
 * so no counter can leak.  Exact while the caller holds JdgShared->lock.
 */
int
jdg_slots_queue_load(Oid dboid, int queue_id)
{
	int			n = 0;

	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->dboid == dboid)
		{
			for (int j = 0; j < slot->ntasks; j++)
				n += slot->task[j].queue_id == queue_id;
		}
		SpinLockRelease(&slot->mutex);
	}
	return n;
}

/* How many tasks of a role and queue workers hold. */
int
jdg_slots_held(Oid dboid, Oid owner, int queue_id)
{
	int			n = 0;

	for (int i = 0; i < JdgShared->nslots; i++)
	{
		JdgSlot    *slot = &JdgShared->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->dboid == dboid &&
			slot->owner == owner)
		{
			for (int j = 0; j < slot->ntasks; j++)
				n += slot->task[j].queue_id == queue_id;
		}
		SpinLockRelease(&slot->mutex);
	}
	return n;
}
