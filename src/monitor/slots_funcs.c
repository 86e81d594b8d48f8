/*-------------------------------------------------------------------------
 *
 * slots_funcs.c
 *	  Rows of the views tasks, running and workers from shared memory.
 *
 * Runs in any backend, called as the reader of the view; so slots that the
 * reader may not see are left out here.  Each slot is copied under its
 * spinlock.  The slots together are no snapshot: a task that moves from one
 * worker to another meanwhile may be seen twice, and is shown once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "shared/database.h"
#include "shared/pool.h"
#include "shared/queue_load.h"
#include "shared/shmem.h"

PG_FUNCTION_INFO_V1(jdg_v_now);
PG_FUNCTION_INFO_V1(jdg_v_slots);
PG_FUNCTION_INFO_V1(jdg_v_workers);
PG_FUNCTION_INFO_V1(jdg_v_queue_load);
PG_FUNCTION_INFO_V1(jdg_v_no_worker);

/* _v_now(): the time of base/clock.h */
Datum
jdg_v_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(jdg_now());
}

/* Leaves only tasks of roles that the caller is a member of. */
static void
keep_owned(JdgSlot *slot)
{
	int			n = 0;

	for (int i = 0; i < slot->ntasks; i++)
	{
		if (jdg_owns(GetUserId(), slot->task[i].owner))
			slot->task[n++] = slot->task[i];
	}
	slot->ntasks = n;
}

/* Copies a slot with its tasks if it is one of this database. */
static bool
copy_slot(JdgSlot *to, JdgSlot *slot)
{
	JdgSlotTask *task;
	bool		ours;

	if (slot->state == JDG_SLOT_FREE || slot->dboid != MyDatabaseId)
		return false;
	task = palloc(sizeof(JdgSlotTask) * slot->max_tasks);
	SpinLockAcquire(&slot->mutex);
	ours = slot->state != JDG_SLOT_FREE && slot->dboid == MyDatabaseId;
	if (ours)
	{
		memcpy(to, slot, sizeof(JdgSlot));
		memcpy(task, slot->task, sizeof(JdgSlotTask) * slot->ntasks);
	}
	SpinLockRelease(&slot->mutex);
	to->task = task;
	return ours;
}

/*
 * Copies the slots of this database that the caller may see: those of roles
 * that it is a member of, or all if it is a monitor.  Without "owned", a
 * confined caller gets all, too: the views join them with the tasks that it
 * sees.  Returns their number, and a palloc'd array in *result; 0 and NULL
 * without shared memory, or if the caller has no access to jadugar.  The
 * monitor role is checked only if necessary.
 */
static int
visible_slots(bool owned, JdgSlot **result)
{
	int			n = 0;
	int			kept = 0;
	bool		asked = false;
	bool		monitor = false;
	JdgSlot    *slots;

	*result = NULL;
	if (jdg_slots == NULL || !jdg_has_access(GetUserId()))
		return 0;
	slots = palloc(mul_size(jdg_slots_count(), sizeof(JdgSlot)));
	for (int i = 0; i < (owned ? jdg_max_workers : jdg_slots_count()); i++)
		n += copy_slot(&slots[n], &jdg_slots[i]);
	for (int i = 0; i < n; i++)
	{
		if (slots[i].http || !jdg_owns(GetUserId(), slots[i].owner))
		{
			if (!asked)
				monitor = jdg_is_monitor(GetUserId()) ||
					(!owned && jdg_confined(GetUserId()) != NULL);
			asked = true;
			if (!monitor && !slots[i].http)
				continue;
			if (!monitor)
				keep_owned(&slots[i]);
		}
		if (kept != i)
			memcpy(&slots[kept], &slots[i], sizeof(JdgSlot));
		kept++;
	}
	*result = slots;
	return kept;
}

/* The name of a phase in the views. */
static const char *
phase_name(JdgTaskPhase phase)
{
	switch (phase)
	{
		case JDG_TASK_CLAIMED:
			return "claimed";
		case JDG_TASK_RUNNING:
			return "running";
		case JDG_TASK_DONE:
			return "done";
	}
	return NULL;
}

/* Adds the row of task j of a slot to the result. */
static void
put_task(ReturnSetInfo *rsinfo, const JdgSlot *slot, int j)
{
	const JdgSlotTask *t = &slot->task[j];
	Datum		values[11] = {0};
	bool		nulls[11] = {false};
	bool		current = t->phase == JDG_TASK_RUNNING &&
	(slot->http || j == slot->current);
	TimestampTz started = slot->http ? t->started_at : slot->task_started_at;
	TimestampTz deadline = slot->http ? t->deadline : slot->deadline;

	values[0] = Int64GetDatum(t->task_id);
	values[1] = ObjectIdGetDatum(t->owner);
	values[2] = Int32GetDatum(t->queue_id);
	values[3] = Int32GetDatum(t->attempt);
	values[4] = Int32GetDatum(slot->pid);
	values[5] = CStringGetTextDatum(phase_name(t->phase));
	values[6] = BoolGetDatum(t->standalone);
	/* columns that only the current task has */
	nulls[7] = !current || slot->progress < 0;
	values[7] = Float8GetDatum(slot->progress);
	nulls[8] = !current || slot->message[0] == '\0';
	if (!nulls[8])
		values[8] = CStringGetTextDatum(slot->message);
	nulls[9] = !current || started == 0;
	values[9] = TimestampTzGetDatum(started);
	nulls[10] = !current || deadline == 0 || TIMESTAMP_IS_NOEND(deadline);
	values[10] = TimestampTzGetDatum(deadline);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Is the task in one of the first n slots? */
static bool
is_in_slots(const JdgSlot *slots, int n, int64 task_id)
{
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < slots[i].ntasks; j++)
		{
			if (slots[i].task[j].task_id == task_id)
				return true;
		}
	}
	return false;
}

/* _v_slots(): a row for each task that a worker holds */
Datum
jdg_v_slots(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	JdgSlot    *slots;
	int			n;

	jdg_init_materialized_srf(fcinfo, 0);
	n = visible_slots(false, &slots);
	for (int i = 0; i < n; i++)
	{
		if (slots[i].state == JDG_SLOT_DEAD)
			continue;
		for (int j = 0; j < slots[i].ntasks; j++)
		{
			if (!is_in_slots(slots, i, slots[i].task[j].task_id))
				put_task(rsinfo, &slots[i], j);
		}
	}
	return (Datum) 0;
}

/* The name of a state in the views. */
static const char *
state_name(JdgSlotState state)
{
	switch (state)
	{
		case JDG_SLOT_FREE:
			return "free";
		case JDG_SLOT_STARTING:
			return "starting";
		case JDG_SLOT_IDLE:
			return "idle";
		case JDG_SLOT_BUSY:
			return "busy";
		case JDG_SLOT_DEAD:
			return "dead";
	}
	return NULL;
}

/* The share of its lifetime that the worker has spent in tasks, 0 to 1. */
static double
worker_load(const JdgSlot *slot, TimestampTz now)
{
	double		life = (double) (now - slot->started_at);
	double		busy = (double) slot->busy_us;

	if (slot->current >= 0 && slot->current < slot->ntasks)
		busy += (double) (now - slot->task_started_at);
	if (life <= 0 || busy <= 0)
		return 0;
	return Min(busy / life, 1.0);
}

/* Adds the row of a worker to the result. */
static void
put_worker(ReturnSetInfo *rsinfo, const JdgSlot *slot, TimestampTz now)
{
	Datum		values[12] = {0};
	bool		nulls[12] = {false};
	bool		started = slot->started_at != 0;
	bool		current = slot->current >= 0 && slot->current < slot->ntasks;

	nulls[0] = slot->pid == 0;
	values[0] = Int32GetDatum(slot->pid);
	values[1] = ObjectIdGetDatum(slot->owner);
	values[2] = CStringGetTextDatum(state_name(slot->state));
	values[3] = Int32GetDatum(slot->ntasks);
	nulls[4] = !current;
	if (current)
		values[4] = Int64GetDatum(slot->task[slot->current].task_id);
	nulls[5] = !started;
	values[5] = Float8GetDatum(started ? worker_load(slot, now) : 0);
	values[6] = Int64GetDatum(slot->tasks_done);
	nulls[7] = slot->memory == 0;
	values[7] = Int64GetDatum(slot->memory);
	values[8] = TimestampTzGetDatum(slot->registered_at);
	nulls[9] = !started;
	values[9] = TimestampTzGetDatum(slot->started_at);
	nulls[10] = slot->state != JDG_SLOT_IDLE;
	values[10] = TimestampTzGetDatum(slot->idle_since);
	values[11] = BoolGetDatum(slot->leave);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* _v_workers(): a row for each worker */
Datum
jdg_v_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = jdg_now();
	JdgSlot    *slots;
	int			n;

	jdg_init_materialized_srf(fcinfo, 0);
	n = visible_slots(true, &slots);
	for (int i = 0; i < n; i++)
		put_worker(rsinfo, &slots[i], now);
	return (Datum) 0;
}

/* _v_queue_load(queue_id): tasks that workers hold; 0 without access */
Datum
jdg_v_queue_load(PG_FUNCTION_ARGS)
{
	int			n = 0;

	if (jdg_slots != NULL && jdg_has_access(GetUserId()))
		n = jdg_queue_load(MyDatabaseId, PG_GETARG_INT32(0));
	PG_RETURN_INT32(n);
}

/* what a call of _v_no_worker() keeps for the next one of the statement */
typedef struct NoWorker
{
	Oid			owner;
	bool		result;
} NoWorker;

/*
 * _v_no_worker(owner): does a ready task of the role wait until one of the
 * workers is free?  False without access.  The slots are examined once for
 * tasks of one owner that follow each other.
 */
Datum
jdg_v_no_worker(PG_FUNCTION_ARGS)
{
	Oid			owner = PG_GETARG_OID(0);
	NoWorker   *last = fcinfo->flinfo->fn_extra;

	if (last == NULL)
		last = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(NoWorker));
	if (last->owner != owner || !OidIsValid(owner))
	{
		JdgDb	   *db = NULL;

		if (JdgSharedLock != NULL && jdg_has_access(GetUserId()))
			db = jdg_db_lookup(MyDatabaseId, false);
		last->result = db != NULL && jdg_pool_is_exhausted(db, owner);
		last->owner = owner;
	}
	PG_RETURN_BOOL(last->result);
}
