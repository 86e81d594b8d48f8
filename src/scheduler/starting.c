/*-------------------------------------------------------------------------
 *
 * starting.c
 *	  Starts workers.
 *
 * Runs in the scheduler.  Before it starts a worker, it checks the conditions
 * that would make the worker die while it connects: the role does not exist,
 * cannot log in, or cannot connect.  The reason is noted in JdgDb.blocked; the
 * role is tried again later, or when roles have changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "scheduler/starting.h"
#include "shared/pool.h"
#include "shared/sender.h"
#include "shared/work.h"

/* delays of the next attempt: the role cannot connect; no worker was free */
#define BLOCK_ROLE		(60 * USECS_PER_SEC)
#define BLOCK_NO_WORKER (USECS_PER_SEC / 4)

/* handles of the workers this scheduler registered, by slot */
static BackgroundWorkerHandle **handles = NULL;

/*
 * Frees the slots of workers that were registered and never started (no
 * memory, fork failed).  When a worker has ended, the server can start
 * another: roles that lacked one are tried again.
 */
TimestampTz
jdg_pool_check_started(JdgDb *db, uint32 why)
{
	bool		ended = false;

	if (handles == NULL)
		return DT_NOEND;
	for (int i = 0; i < jdg_max_workers; i++)
	{
		pid_t		pid;

		if (handles[i] == NULL)
			continue;
		if (GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
		{
			if (jdg_slots[i].dboid == db->dboid)
				jdg_pool_free_unstarted(i);
			pfree(handles[i]);
			handles[i] = NULL;
			ended = true;
		}
	}
	if (ended && jdg_blocked_remove_reason(&db->blocked, "no_worker"))
		jdg_db_wake(db, JDG_WAKE_WORK);
	return DT_NOEND;
}

/*
 * Allocates a slot.  Returns -1 if none is free: then the scheduler is woken
 * when one is, and an idle worker of another role has been asked to leave.
 */
static int
find_slot(JdgDb *db, Oid owner, bool grow)
{
	int			slotno = jdg_slot_allocate(db->dboid, owner);

	if (slotno >= 0)
		return slotno;
	jdg_pool_want_slot(db, !grow);
	slotno = jdg_slot_allocate(db->dboid, owner);
	if (slotno < 0)
		(void) jdg_pool_ask_idle_to_leave(db, owner);
	return slotno;
}

/*
 * Registers a worker of a role with a slot.  Returns false if there is no
 * slot, or no background worker of the server is free; in the second case,
 * blocks the role for BLOCK_NO_WORKER.
 */
static bool
start_worker(JdgDb *db, Oid owner, bool grow)
{
	BackgroundWorker w;
	BackgroundWorkerHandle *handle;
	MemoryContext old;
	int			slotno = find_slot(db, owner, grow);
	bool		ok;

	if (slotno < 0)
		return false;
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
		handles = palloc0(sizeof(*handles) * jdg_max_workers);
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
		/* max_worker_processes is exhausted: an idle worker may make room */
		jdg_pool_free_unstarted(slotno);
		jdg_blocked_add(&db->blocked, owner, "no_worker", jdg_now() + BLOCK_NO_WORKER);
		jdg_pool_want_slot(db, !grow);
		if (!jdg_pool_ask_idle_to_leave(db, owner))
			(void) jdg_http_ask_idle_to_leave(InvalidOid);
	}
	return ok;
}

int
jdg_workers_start(JdgDb *db, Oid owner, int n, bool grow, TimestampTz *next)
{
	JdgBlockedRole b;
	const char *reason;
	int			started = 0;

	if (jdg_blocked_find(&db->blocked, owner, &b) && b.until > jdg_now())
	{
		if (strcmp(b.reason, "no_worker") == 0)
			jdg_pool_want_slot(db, !grow);
		*next = Min(*next, b.until);
		return 0;
	}
	reason = jdg_role_obstacle(owner);
	if (reason != NULL)
	{
		jdg_blocked_add(&db->blocked, owner, reason, jdg_now() + BLOCK_ROLE);
		*next = Min(*next, jdg_now() + BLOCK_ROLE);
		return 0;
	}
	while (started < n && start_worker(db, owner, grow))
		started++;
	if (started > 0)
		jdg_blocked_remove(&db->blocked, owner);
	else if (n > 0 && jdg_blocked_find(&db->blocked, owner, &b) && b.until > jdg_now())
		*next = Min(*next, b.until);
	return started;
}

TimestampTz
jdg_pool_roles_changed(JdgDb *db, uint32 why)
{
	jdg_work_begin();
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];
		Oid			owner = InvalidOid;

		SpinLockAcquire(&slot->mutex);
		if (slot->state != JDG_SLOT_FREE && slot->state != JDG_SLOT_DEAD &&
			slot->dboid == db->dboid && !slot->leave)
			owner = slot->owner;
		SpinLockRelease(&slot->mutex);
		if (OidIsValid(owner) && jdg_role_obstacle(owner) != NULL)
			jdg_pool_leave(db->dboid, owner, 0);
	}
	jdg_work_end();
	jdg_blocked_reset(&db->blocked);
	return DT_NOEND;
}
