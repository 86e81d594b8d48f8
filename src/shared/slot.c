/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  Worker slots, see slot.h.
 *
 * Runs in any process.  The workers of a role together: pool.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "shared/database.h"
#include "shared/gate.h"
#include "shared/shmem.h"
#include "shared/slot.h"

typedef struct Slots
{
	pg_atomic_uint32 dead;		/* slots in state JDG_SLOT_DEAD */
	JdgSlot		slot[FLEXIBLE_ARRAY_MEMBER];	/* jdg_slots_count() */
} Slots;

static Slots *slots = NULL;
JdgSlot    *jdg_slots = NULL;

/* the size of what the tasks follow */
static Size
slots_head(void)
{
	return MAXALIGN(add_size(offsetof(Slots, slot),
							 mul_size(jdg_slots_count(), sizeof(JdgSlot))));
}

static Size
slots_size(void)
{
	return add_size(slots_head(), mul_size(jdg_slots_max_tasks(),
										   sizeof(JdgSlotTask)));
}

/* JdgShmemPart.init of the slots. */
static void
slots_init(void *at, bool found)
{
	JdgSlotTask *task = (JdgSlotTask *) ((char *) at + slots_head());

	slots = at;
	jdg_slots = slots->slot;
	if (found)
		return;
	memset(slots, 0, slots_size());
	pg_atomic_init_u32(&slots->dead, 0);
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		SpinLockInit(&slot->mutex);
		slot->http = i >= jdg_max_workers;
		slot->max_tasks = slot->http ? jdg_http_max_transfers : JDG_GROUP_MAX;
		slot->task = task;
		task += slot->max_tasks;
	}
}

const JdgShmemPart jdg_slots_shmem = {
	"jadugar slots", slots_size, slots_init
};

/* Reserves a free slot from "first" on, before "end". */
static int
allocate(int first, int end, Oid dboid, Oid owner)
{
	int			found = -1;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	for (int i = first; i < end; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

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
	LWLockRelease(JdgSharedLock);
	return found;
}

int
jdg_slot_allocate(Oid dboid, Oid owner)
{
	return allocate(0, jdg_max_workers, dboid, owner);
}

int
jdg_slot_allocate_http(Oid dboid, Oid owner)
{
	return allocate(jdg_max_workers, jdg_slots_count(), dboid, owner);
}

int
jdg_slot_take_out(JdgSlot *slot, int first, JdgPlaces *given)
{
	int			n = 0;

	for (int i = first; i < slot->ntasks; i++)
	{
		if (slot->task[i].limited)
			given[n++] = slot->task[i].places;
	}
	slot->ntasks = Min(slot->ntasks, first);
	return n;
}

void
jdg_slot_give_back(const JdgPlaces *given, int n)
{
	for (int i = 0; i < n; i++)
		jdg_gates_give(&given[i]);
}

/* The caller holds the mutex. */
static void
set_free(JdgSlot *slot)
{
	if (slot->state == JDG_SLOT_DEAD)
		pg_atomic_fetch_sub_u32(&slots->dead, 1);
	slot->state = JDG_SLOT_FREE;
	slot->generation++;
	slot->pid = 0;
	slot->latch = NULL;
	slot->current = -1;
}

void
jdg_slot_clear_all(JdgSlot *slot)
{
	JdgPlaces	given[JDG_GROUP_MAX];
	bool		left;

	do
	{
		int			n;

		SpinLockAcquire(&slot->mutex);
		n = jdg_slot_take_out(slot, Max(slot->ntasks - JDG_GROUP_MAX, 0), given);
		left = slot->ntasks > 0;
		if (!left)
			set_free(slot);
		SpinLockRelease(&slot->mutex);
		jdg_slot_give_back(given, n);
	} while (left);
}

bool
jdg_slot_is_starting(JdgSlot *slot)
{
	bool		starting;

	SpinLockAcquire(&slot->mutex);
	starting = slot->state == JDG_SLOT_STARTING;
	SpinLockRelease(&slot->mutex);
	return starting;
}

/* The index of a task that the slot's worker has locked, or -1. */
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
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
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
		pg_atomic_fetch_add_u32(&slots->dead, 1);
	}
	SpinLockRelease(&slot->mutex);
	return dead;
}

bool
jdg_slot_died_with(Oid dboid, int64 task_id)
{
	bool		found = false;

	if (pg_atomic_read_u32(&slots->dead) == 0)
		return false;
	for (int i = 0; i < jdg_max_workers && !found; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
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
 * The signal is sent under the spinlock, which the worker needs before it
 * begins another group.  So the signal cannot hit a task of the next group.
 * The scheduler is woken, to enforce the cancel.
 */
bool
jdg_slot_cancel_task(Oid dboid, int64 task_id, JdgCancelKind kind, Oid by)
{
	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		bool		asked = false;
		bool		running = false;
		bool		found;
		Latch	   *latch = NULL;
		int			j;

		SpinLockAcquire(&slot->mutex);
		j = find_in_slot(slot, dboid, task_id);
		found = j >= 0;
		if (found && slot->state != JDG_SLOT_DEAD &&
			(slot->http ? slot->task[j].phase == JDG_TASK_RUNNING :
			 slot->task[j].phase != JDG_TASK_DONE))
		{
			asked = true;
			slot->task[j].cancel = kind;
			slot->task[j].cancelled_at = jdg_now();
			slot->task[j].cancelled_by = by;
			running = slot->task[j].phase == JDG_TASK_RUNNING;
			if (slot->http)
				latch = slot->latch;
			else if (running)
				(void) kill(slot->pid, SIGINT);
		}
		SpinLockRelease(&slot->mutex);
		if (latch != NULL)
			SetLatch(latch);
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

TimestampTz
jdg_slots_enforce_cancels(Oid dboid)
{
	TimestampTz now = jdg_now();
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

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

void
jdg_slot_release_rest(JdgSlot *slot, int first)
{
	SpinLockAcquire(&slot->mutex);
	for (int j = first; j < slot->ntasks; j++)
	{
		if (slot->task[j].cancel == JDG_CANCEL_NONE)
			slot->task[j].locked = false;
	}
	SpinLockRelease(&slot->mutex);
}

int
jdg_slots_running(Oid dboid, int64 *ids, int max)
{
	int			n = 0;

	for (int i = 0; i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

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
