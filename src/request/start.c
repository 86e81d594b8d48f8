/*-------------------------------------------------------------------------
 *
 * start.c
 *	  Starts the process "jadugar http" when requests are to be sent.
 *
 * Runs in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/settings.h"
#include "catalog/pg_authid.h"
#include "request/process.h"
#include "shared/lane.h"
#include "shared/pool.h"
#include "shared/sender.h"
#include "shared/slot.h"
#include "shared/work.h"

/* between two starts if the process cannot start, or ends with an error */
#define AGAIN_US (10 * USECS_PER_SEC)
/* until an idle worker has made room */
#define PLACE_US USECS_PER_SEC
/* until roles that may not run work are looked at again: as for workers */
#define BLOCKED_US (60 * USECS_PER_SEC)
/* a process that has not started by then never will */
#define UNSTARTED_US (60 * USECS_PER_SEC)

static BackgroundWorkerHandle *handle = NULL;
static int	slotno = -1;
static TimestampTz not_before = DT_NOBEGIN;

/* Notes why there is no process, for the view health. */
static void
lacks(JdgDb *db, JdgHttpLacks what)
{
	pg_atomic_write_u32(&db->http_lacks, what);
}

/* Has the process that this scheduler has started ended without its slot? */
static void
check_started(JdgDb *db)
{
	pid_t		pid;

	if (handle == NULL ||
		GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
		return;
	/* the slot may have become another database's since */
	if (jdg_slots[slotno].dboid == db->dboid &&
		jdg_slot_is_starting(&jdg_slots[slotno]))
		jdg_slot_clear_all(&jdg_slots[slotno]);
	if (pg_atomic_read_u32(&db->http_left) == 0)
		lacks(db, JDG_HTTP_LACKS_START);
	pfree(handle);
	handle = NULL;
}

/*
 * Another scheduler, which has ended, may have registered a process that could
 * not be started.  Its slot would count as one for ever.
 */
static void
clear_unstarted(Oid dboid)
{
	TimestampTz long_ago = jdg_now() - UNSTARTED_US;

	for (int i = jdg_max_workers; handle == NULL && i < jdg_slots_count(); i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		if (slot->dboid == dboid && slot->pid == 0 &&
			slot->registered_at < long_ago && jdg_slot_is_starting(slot))
			jdg_slot_clear_all(slot);
	}
}

static bool
start(JdgDb *db, TimestampTz now)
{
	BackgroundWorker w;
	MemoryContext old;
	bool		ok;

	slotno = jdg_slot_allocate_http(db->dboid, BOOTSTRAP_SUPERUSERID);
	if (slotno < 0)
	{
		/* its end wakes this scheduler, which then need not wait */
		jdg_http_want_slot(db);
		slotno = jdg_slot_allocate_http(db->dboid, BOOTSTRAP_SUPERUSERID);
	}
	if (slotno < 0)
	{
		not_before = DT_NOBEGIN;
		lacks(db, JDG_HTTP_LACKS_SLOT);
		return false;
	}
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(w.bgw_library_name, BGW_MAXLEN, "jadugar_http");
	snprintf(w.bgw_function_name, BGW_MAXLEN, "jdg_http_main");
	snprintf(w.bgw_name, BGW_MAXLEN, "jadugar http of database %u", db->dboid);
	snprintf(w.bgw_type, BGW_MAXLEN, "jadugar http");
	w.bgw_main_arg = Int32GetDatum(slotno);
	w.bgw_notify_pid = MyProcPid;
	old = MemoryContextSwitchTo(TopMemoryContext);
	ok = RegisterDynamicBackgroundWorker(&w, &handle);
	MemoryContextSwitchTo(old);
	if (!ok)
	{
		handle = NULL;
		jdg_slot_clear_all(&jdg_slots[slotno]);
		lacks(db, JDG_HTTP_LACKS_PLACE);
		/* max_worker_processes is exhausted: an idle worker may make room */
		(void) jdg_pool_ask_idle_to_leave(db, InvalidOid);
		not_before = now + PLACE_US;
	}
	return ok;
}

/* Is a request to be sent, if its role may run work? */
static bool
is_wanted(JdgDb *db)
{
	int			n;

	if (!jdg_http_enabled || !jdg_enabled ||
		pg_atomic_read_u32(&db->paused) != 0)
		return false;
	(void) jdg_lanes_owners(db->dboid, JDG_CARRIER_HTTP, InvalidOid, &n);
	return n > 0;
}

/* May one of the roles that have requests run work? */
static bool
is_possible(JdgDb *db)
{
	bool		possible = false;
	Oid		   *owners;
	int			n;

	jdg_work_begin();
	owners = jdg_lanes_owners(db->dboid, JDG_CARRIER_HTTP, InvalidOid, &n);
	for (int i = 0; i < n && !possible; i++)
		possible = jdg_role_obstacle(owners[i]) == NULL;
	jdg_work_end();
	return possible;
}

TimestampTz
jdg_http_process_ensure(JdgDb *db, uint32 why)
{
	TimestampTz now = jdg_now();

	check_started(db);
	if (!is_wanted(db))
	{
		lacks(db, JDG_HTTP_LACKS_NOTHING);
		return DT_NOEND;
	}
	if (jdg_max_http_processes == 0)
	{
		lacks(db, JDG_HTTP_LACKS_SLOT);
		return DT_NOEND;
	}
	clear_unstarted(db->dboid);
	if (jdg_http_notify(db->dboid))
		return DT_NOEND;
	if (pg_atomic_exchange_u32(&db->http_left, 0) != 0)
		not_before = DT_NOBEGIN;
	if (!jdg_pause_is_over(not_before, AGAIN_US, now))
		return not_before;
	if (!is_possible(db))
		return now + BLOCKED_US;
	not_before = now + AGAIN_US;
	if (start(db, now))
		return DT_NOEND;
	return not_before == DT_NOBEGIN ? now + AGAIN_US : not_before;
}
