/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The worker process: runs the tasks of one role in one database.
 *
 * A dynamic background worker, registered by the database's scheduler, which
 * has reserved a slot for it.  It connects as the tasks' owner, so the session
 * really is that role's.  It runs groups while there is work, and then waits
 * for its latch.  README.md lists the conditions under which it leaves.
 *
 * The slot is IDLE before the claim that finds nothing, so a session that
 * commits a task after that claim's snapshot finds an idle worker to wake.
 *
 * Shared: its slot (shared/slot.h).  Database locks: AccessShare on the
 * extension in each transaction, before anything else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "shared/database.h"
#include "shared/launcher_state.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/slot.h"
#include "shared/suspect.h"
#include "shared/wakeup.h"
#include "worker/worker.h"

/* a role without a task for this time needs no warm worker */
#define WARM_US			USECS_PER_HOUR
#define LONGEST_SLEEP	(24 * 60 * 60 * 1000L)

JdgSlot    *jdg_my_slot = NULL;
MemoryContext jdg_group_context = NULL;

static int	my_slotno;
static bool connected = false;

/*
 * The process ends; its transaction is still open.  Marks the slot before the
 * lock on the task's row is released, or another worker would take the task
 * uncharged.
 */
static void
worker_dies(int code, Datum arg)
{
	jdg_suspect_end();
	(void) jdg_slot_died(jdg_my_slot);
}

/*
 * The transaction has been rolled back.  Releases the slot, also if a
 * statement that needs the database without sessions has ended this process.
 * A slot that is DEAD stays: the scheduler charges its task first.  If the
 * worker could not connect, blocks its role for five seconds.
 */
static void
worker_exit(int code, Datum arg)
{
	JdgDb	   *db = jdg_db_lookup(jdg_my_slot->dboid, false);
	bool		evicted = jdg_my_slot->evicted;

	jdg_suspect_end();
	if (!jdg_slot_died(jdg_my_slot))
	{
		jdg_feeds_release_slot(jdg_my_slot->dboid, my_slotno);
		jdg_pool_release_slot(my_slotno);
	}
	else
		jdg_launcher_wake(false);	/* the extension may be gone */
	if (db == NULL)
		return;
	if (!connected && !evicted && !jdg_db_is_evicted(db))
		jdg_blocked_add(&db->blocked, jdg_my_slot->owner, "worker_failed",
						jdg_now() + 5 * USECS_PER_SEC);
	jdg_db_wake(db, JDG_WAKE_WORKER);
}

/* Shows the progress of the running task in the slot. */
static void
publish_progress(double fraction, const char *message)
{
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->progress = fraction;
	if (message)
		strlcpy(jdg_my_slot->message, message, JDG_MESSAGE_LEN);
	SpinLockRelease(&jdg_my_slot->mutex);
}

/*
 * A group allocates some hundred kilobytes and frees them.  The C library
 * would give them back to the system after each group, and ask for them again.
 * So it keeps up to this much.
 */
static void
keep_free_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	(void) mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
	(void) mallopt(M_TOP_PAD, 256 * 1024);
#endif
}

/* Allocated memory of this process, in bytes. */
static int64
memory_in_use(void)
{
	return (int64) MemoryContextMemAllocated(TopMemoryContext, true);
}

/*
 * Marks the slot as idle, before the tables are read: the barrier keeps this
 * order.  *since receives the time if the worker was not idle already.
 */
static void
become_idle(TimestampTz *since)
{
	SpinLockAcquire(&jdg_my_slot->mutex);
	if (jdg_my_slot->state != JDG_SLOT_IDLE)
		*since = jdg_my_slot->idle_since = jdg_now();
	jdg_my_slot->state = JDG_SLOT_IDLE;
	jdg_my_slot->wake = false;
	SpinLockRelease(&jdg_my_slot->mutex);
	pg_memory_barrier();
}

/*
 * Should the worker leave because a role without worker lacks a slot?  The
 * only worker of a role stays for its first second.
 */
static bool
should_make_room(void)
{
	JdgPoolState p;

	if (!jdg_pool_slot_is_wanted())
		return false;
	if (jdg_pool_get_state(MyDatabaseId, jdg_my_slot->owner, &p) <= 1 &&
		jdg_now() - jdg_my_slot->started_at <= USECS_PER_SEC)
		return false;
	return jdg_pool_yield_slot(jdg_my_slot);
}

/*
 * Checks, between groups, all reasons to leave that do not depend on idle
 * time.
 */
static bool
should_leave(void)
{
	bool		leave;

	SpinLockAcquire(&jdg_my_slot->mutex);
	leave = jdg_my_slot->leave;
	SpinLockRelease(&jdg_my_slot->mutex);
	if (leave || !jdg_enabled)
		return true;
	if (jdg_worker_max_tasks > 0 &&
		jdg_my_slot->tasks_done >= jdg_worker_max_tasks)
		return true;
	if (jdg_worker_max_memory > 0 &&
		jdg_my_slot->memory > (int64) jdg_worker_max_memory * 1024)
		return true;
	return should_make_room();
}

static void
process_config(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

/*
 * May a worker that has been idle since then leave?  If not, *again receives
 * the time of the next check.
 */
static bool
may_leave_idle(TimestampTz idle_since, TimestampTz *again)
{
	TimestampTz timeout = idle_since + (int64) jdg_worker_idle_timeout * 1000;
	TimestampTz cold = Max(timeout, idle_since + WARM_US);
	TimestampTz now = jdg_now();
	int			min = 0;
	int			max;

	*again = timeout;
	if (now < timeout)
		return false;
	(void) jdg_pool_get_bounds(MyDatabaseId, jdg_my_slot->owner, &min, &max);
	if (jdg_pool_may_leave(jdg_my_slot, min,
						   now < cold ? jdg_warm_workers : 0))
		return true;
	*again = now < cold ? cold : DT_NOEND;
	return false;
}

/*
 * Waits for a wake-up, a request to leave or a reload.  Returns false if it is
 * time to leave.  A latch that is set for another reason, such as a timer or
 * an invalidation, does not make the worker read the tables.
 */
static bool
wait_for_wakeup(TimestampTz idle_since)
{
	/* the slot is IDLE, so a role that lacks one from now on finds it */
	if (jdg_pool_slot_is_wanted() && jdg_pool_yield_slot(jdg_my_slot))
		return false;
	for (;;)
	{
		TimestampTz again;
		bool		news;

		/* also before the first wait: the claim may have reset the latch */
		SpinLockAcquire(&jdg_my_slot->mutex);
		news = jdg_my_slot->wake || jdg_my_slot->leave;
		SpinLockRelease(&jdg_my_slot->mutex);
		if (news || ConfigReloadPending)
			return true;
		if (may_leave_idle(idle_since, &again))
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 jdg_ms_until(again, LONGEST_SLEEP),
						 jdg_wait_worker());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* A group of tasks or of events, in turns where both are there. */
static bool
work_once(void)
{
	static bool events_first = false;
	bool		found = false;

	events_first = !events_first;
	if (events_first && !jdg_group_is_owed())
		found = jdg_deliver();
	if (!found)
		found = jdg_group_run();
	if (!found && !events_first)
		found = jdg_deliver();
	return found;
}

/* Runs groups of tasks until there is a reason to leave. */
static void
work_until_done(void)
{
	TimestampTz idle_since = jdg_now();

	for (;;)
	{
		bool		found;

		process_config();
		CHECK_FOR_INTERRUPTS();
		if (!jdg_group_is_owed() && should_leave())
			return;
		become_idle(&idle_since);
		found = work_once();
		if (!jdg_group_is_owed())
			jdg_worker_tell_start();
		jdg_my_slot->memory = memory_in_use();
		if (found)
			continue;
		pgstat_report_activity(STATE_IDLE, NULL);
		pgstat_report_stat(true);
		if (!wait_for_wakeup(idle_since))
			return;
	}
}

/*
 * Pauses after errors, without claiming; the scheduler may start another
 * worker for the work.  A request to leave ends the pause, a wake-up does not.
 */
static void
pause_for(long ms)
{
	int64		until = jdg_steady_ms() + ms;
	JdgDb	   *db = jdg_db_lookup(MyDatabaseId, false);

	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->state = JDG_SLOT_BUSY;
	SpinLockRelease(&jdg_my_slot->mutex);
	if (db != NULL)
		jdg_db_wake(db, JDG_WAKE_WORKER);
	do
	{
		ms = Max(until - jdg_steady_ms(), 0);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 jdg_wait_worker());
		ResetLatch(MyLatch);
		process_config();
		CHECK_FOR_INTERRUPTS();
	} while (jdg_steady_ms() < until && !should_leave());
}

/*
 * Handles an error outside the tasks' own code: aborts the transaction, so
 * that the group's tasks are ready again, and pauses if such errors follow
 * each other within ten seconds.
 */
static void
recover_from_error(void)
{
	static int	in_a_row = 0;
	static int64 last = 0;
	ErrorData  *edata;
	int64		now;
	bool		gone;
	bool		accounted;

	HOLD_INTERRUPTS();
	jdg_user_code_end();
	gone = geterrcode() == JDG_ERRCODE_NOT_INSTALLED;
	if (!gone)
		EmitErrorReport();
	edata = jdg_take_error(jdg_group_context);
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(jdg_group_context);
	accounted = jdg_deliver_failed(edata);
	accounted |= jdg_group_failed(edata);
	pgstat_report_stat(true);
	RESUME_INTERRUPTS();
	if (gone)
		proc_exit(0);			/* the extension was dropped */
	if (accounted)
		return;
	now = jdg_steady_ms();
	in_a_row = last > 0 && now - last < 10 * 1000 ? in_a_row + 1 : 0;
	last = now;
	if (in_a_row > 1)
		pause_for(Min(in_a_row, 60) * 1000L);
}

/*
 * Publishes this process in the slot that the scheduler has reserved for it.
 * From here on the slot is released when the process exits.
 */
static void
attach(int slotno)
{
	my_slotno = slotno;
	jdg_my_slot = &jdg_slots[slotno];
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->pid = MyProcPid;
	jdg_my_slot->latch = MyLatch;
	jdg_my_slot->evicted = false;
	jdg_my_slot->started_at = jdg_my_slot->idle_since = jdg_now();
	SpinLockRelease(&jdg_my_slot->mutex);
	before_shmem_exit(worker_exit, (Datum) 0);
}

/*
 * Does a statement need this database without sessions?  It sees this slot,
 * or this worker sees its mark: shared/pool.c and launcher/ddl_hook.c.
 */
static bool
is_evicted(void)
{
	JdgDb	   *db = jdg_db_lookup(jdg_my_slot->dboid, false);

	return db == NULL || jdg_db_is_evicted(db);
}

void
jdg_worker_main(Datum arg)
{
	sigjmp_buf	local_sigjmp_buf;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	jdg_interrupt_init();
	attach(DatumGetInt32(arg));
	JDG_FAULT("worker-attached");
	if (is_evicted())
		proc_exit(0);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(jdg_my_slot->dboid,
											  jdg_my_slot->owner, 0);
	/* as in any session of the role: a site may enforce something by them */
	process_session_preload_libraries();
	jdg_session_init();
	/* exit callbacks run in reverse order: this one before the abort */
	before_shmem_exit(worker_dies, (Datum) 0);
	connected = true;
	JDG_FAULT("worker-connected");
	jdg_suspect_attach(my_slotno);
	pgstat_report_appname("jadugar worker");
	jdg_set_transaction_defaults();
	jdg_group_context = AllocSetContextCreate(TopMemoryContext,
											  "jadugar group",
											  ALLOCSET_DEFAULT_SIZES);
	keep_free_memory();
	jdg_log_init();
	jdg_exec_hooks.progress = publish_progress;
	jdg_exec_hooks.cancel_requested = jdg_cancel_pending;
	jdg_exec_hooks.statement = jdg_task_statement_begins;

	/* STARTING until the first claim, so that no second worker is started */
	if (sigsetjmp(local_sigjmp_buf, 1) != 0)
	{
		error_context_stack = NULL;
		recover_from_error();
	}
	PG_exception_stack = &local_sigjmp_buf;
	work_until_done();
	jdg_worker_tell_stop();
	proc_exit(0);
}
