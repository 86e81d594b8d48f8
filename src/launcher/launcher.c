/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: one process per server that starts the schedulers.
 *
 * Started by the postmaster when recovery has finished, so on a standby only
 * after promotion.  It has no database of its own; it gives a JdgDb entry to
 * each database that may have jadugar (databases.c), and starts a scheduler
 * for each.  A scheduler that finds no extension marks its entry and exits.
 * CREATE EXTENSION, a restore and CREATE DATABASE wake the launcher; a slow
 * scan is the safety net.
 *
 * A scheduler that fails is started again with a growing delay.  The
 * postmaster starts the launcher itself again after a second; the delays of
 * the schedulers are in shared memory, so that a restart of the launcher does
 * not lose them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/sleep.h"
#include "launcher/databases.h"
#include "launcher/launcher.h"
#include "shared/database.h"
#include "shared/launcher_state.h"
#include "shared/pool.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/suspect.h"

/* interval of the scans for databases without a wake-up, in ms */
#define SCAN_INTERVAL (30 * 60 * 1000L)
/* limit for the start of a scheduler in ms; then it is registered again */
#define STARTING_LIMIT (60 * 1000)
/* until a scheduler for which no process was free is tried again, in ms */
#define NO_PROCESS_PAUSE (5 * 1000)

void
jdg_launcher_register(void)
{
	BackgroundWorker w;

	if (IsBinaryUpgrade)
		return;
	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = 1;
	snprintf(w.bgw_library_name, BGW_MAXLEN, "jadugar");
	snprintf(w.bgw_function_name, BGW_MAXLEN, "jdg_launcher_main");
	snprintf(w.bgw_name, BGW_MAXLEN, "jadugar launcher");
	snprintf(w.bgw_type, BGW_MAXLEN, "jadugar launcher");
	RegisterBackgroundWorker(&w);
}

bool
jdg_scheduler_start(JdgDb *db, pid_t notify)
{
	BackgroundWorker w;

	memset(&w, 0, sizeof(w));
	w.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	w.bgw_start_time = BgWorkerStart_RecoveryFinished;
	w.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(w.bgw_library_name, BGW_MAXLEN, "jadugar");
	snprintf(w.bgw_function_name, BGW_MAXLEN, "jdg_scheduler_main");
	snprintf(w.bgw_name, BGW_MAXLEN, "jadugar scheduler of database %u",
			 db->dboid);
	snprintf(w.bgw_type, BGW_MAXLEN, "jadugar scheduler");
	w.bgw_main_arg = Int32GetDatum((int32) (db - jdg_dbs));
	w.bgw_notify_pid = notify;
	return RegisterDynamicBackgroundWorker(&w, NULL);
}

/*
 * Frees the slots of workers that ended inside a task of a database whose
 * extension was dropped: no scheduler charges these tasks.
 */
static void
free_dead_slots(void)
{
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgDb	   *db;
		bool		gone;

		if (jdg_slots[i].state != JDG_SLOT_DEAD)
			continue;
		db = jdg_db_lookup(jdg_slots[i].dboid, false);
		/* nobody else touches a dead slot without a scheduler */
		LWLockAcquire(JdgSharedLock, LW_SHARED);
		gone = db == NULL || db->state == JDG_DB_NONE;
		LWLockRelease(JdgSharedLock);
		if (gone)
			jdg_pool_release_slot(i);
	}
}

/*
 * Starts the schedulers that are due.  Returns the instant of the next check,
 * as all instants here in ms of the clock that cannot be set.
 */
static int64
start_schedulers(void)
{
	int64		next = PG_INT64_MAX;
	int64		now = jdg_steady_ms();

	if (!jdg_enabled)
		return next;
	for (int i = 0; i < jdg_max_databases; i++)
	{
		JdgDb	   *db = &jdg_dbs[i];
		bool		start = false;

		LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
		if (db->state == JDG_DB_NONE &&
			pg_atomic_exchange_u32(&db->maybe_created, 0) != 0)
		{
			db->state = JDG_DB_UNKNOWN;
			db->retry_at = 0;
		}

		/* registered, but the postmaster has not started it */
		if (db->state == JDG_DB_STARTING && db->scheduler_pid == 0)
		{
			if (db->retry_at + STARTING_LIMIT <= now)
				db->state = JDG_DB_UNKNOWN;
			else
				next = Min(next, db->retry_at + STARTING_LIMIT);
		}
		if (db->state == JDG_DB_UNKNOWN && !jdg_db_is_evicted(db))
		{
			if (db->retry_at <= now)
			{
				start = true;
				db->state = JDG_DB_STARTING;
				db->retry_at = now;
			}
			else
				next = Min(next, db->retry_at);
		}
		LWLockRelease(JdgSharedLock);
		if (start && !jdg_scheduler_start(db, 0))
		{
			ereport(LOG,
					(errmsg("jadugar could not start the scheduler of database %u",
							db->dboid),
					 errdetail("No background worker is free."),
					 errhint("Raise max_worker_processes.")));
			LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
			db->state = JDG_DB_UNKNOWN;
			db->retry_at = now + NO_PROCESS_PAUSE;
			LWLockRelease(JdgSharedLock);
			next = Min(next, db->retry_at);
		}
	}
	return next;
}

static void
launcher_exit(int code, Datum arg)
{
	jdg_launcher_leave();
}

void
jdg_launcher_main(Datum arg)
{
	MemoryContext mcxt;
	int64		next_scan = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(launcher_exit, (Datum) 0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname("jadugar launcher");
	jdg_launcher_enter();
	jdg_suspect_create();
	jdg_suspect_collect();
	mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar launcher",
								 ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		int64		next;

		MemoryContextReset(mcxt);
		MemoryContextSwitchTo(mcxt);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (jdg_launcher_take_scan() || next_scan <= jdg_steady_ms())
		{
			jdg_databases_scan();
			next_scan = jdg_steady_ms() + SCAN_INTERVAL;
		}
		JDG_FAULT("launcher-round");
		jdg_databases_assign();
		free_dead_slots();
		next = Min(start_schedulers(), next_scan);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) Max(next - jdg_steady_ms(), 0),
						 jdg_wait_launcher());
		ResetLatch(MyLatch);
	}
}
