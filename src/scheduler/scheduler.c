/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler: one process per database that has jadugar.
 *
 * Registered by the launcher.  Connects as the bootstrap superuser and does
 * nothing but bookkeeping.  Elected by a lock of our own (core/lock.h): a
 * second one waits for it, whoever started it.
 *
 * Life: look for the extension (none: say so in the JdgDb entry and end) →
 * wait to be elected → wait until the database is adopted → deal with what a
 * crash left → loop.  The loop does what is due, publishes when something is
 * due next, and sleeps until then or until its latch is set.
 *
 * next_due is set to "always tell me" before the tables are looked at and to
 * the real instant afterwards, so a transaction that commits an earlier one
 * in between either is seen or sets the latch.
 *
 * Shared: the JdgDb entry (core/shmem.h).  Database locks: AccessShare on the
 * extension in each transaction, before anything else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/fault.h"
#include "core/lock.h"
#include "core/settings.h"
#include "core/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "scheduler/firing.h"
#include "queue/marks.h"
#include "scheduler/scheduler.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAINTENANCE_INTERVAL	(USECS_PER_HOUR)
#define LONGEST_SLEEP			(24 * 60 * 60 * 1000L)

static JdgDb *my_db = NULL;
static bool extension_gone = false;
static MemoryContext loop_context = NULL;
static JdgInternal internal;

/* A transaction of the scheduler: begin, lock the extension, bookkeeping. */
void
jdg_work_begin(void)
{
	MemoryContext old = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	jdg_lock_extension();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(old);
	jdg_internal_begin(&internal);
}

void
jdg_work_end(void)
{
	MemoryContext old;

	jdg_internal_end(&internal);
	old = CurrentMemoryContext;
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(old == TopTransactionContext ? loop_context : old);
	pgstat_report_stat(false);
}

/* The place of a scheduler in waiting_pid, if there is one. */
static void
replace_waiting(pid_t old, pid_t new)
{
	for (int i = 0; i < JDG_WAITING_MAX; i++)
	{
		if (my_db->waiting_pid[i] == old)
		{
			my_db->waiting_pid[i] = new;
			break;
		}
	}
}

static void
scheduler_exit(int code, Datum arg)
{
	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	replace_waiting(MyProcPid, 0);
	/* the next one may have been elected since our locks went */
	if (my_db->scheduler_pid == MyProcPid ||
		(my_db->state == JDG_DB_STARTING && my_db->scheduler_pid == 0))
	{
		SpinLockAcquire(&my_db->mutex);
		my_db->scheduler_latch = NULL;
		SpinLockRelease(&my_db->mutex);
		my_db->scheduler_pid = 0;
		if (extension_gone)
		{
			my_db->state = JDG_DB_NONE;
			my_db->failures = 0;
			pg_atomic_write_u32(&my_db->used, 0);
		}
		else
		{
			my_db->state = JDG_DB_UNKNOWN;
			my_db->failures = Min(my_db->failures + 1, 10);
			my_db->retry_at = jdg_now() +
				(my_db->failures <= 1 ? 0 :
				 (INT64CONST(50000) << my_db->failures));
		}
	}
	LWLockRelease(JdgShared->lock);
	jdg_launcher_wake(false);
}

/* End because there is no extension (any more): workers follow by themselves. */
static void
leave_database(void)
{
	extension_gone = true;
	jdg_slots_leave(my_db->dboid, InvalidOid, 0);
	proc_exit(0);
}

static void
check_extension(void)
{
	bool		there;

	StartTransactionCommand();
	there = OidIsValid(jdg_extension_oid(true));
	CommitTransactionCommand();
	if (!there)
		leave_database();
}

static void
become_elected(void)
{
	bool		unwanted;

	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	replace_waiting(0, MyProcPid);
	unwanted = my_db->evicted_by != 0;
	LWLockRelease(JdgShared->lock);
	if (unwanted)
		proc_exit(0);
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "jadugar: waiting to be elected");
	(void) jdg_lock_session(JDG_LOCK_SCHEDULER, 0, true);
	CommitTransactionCommand();
	LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
	my_db->state = JDG_DB_ACTIVE;
	my_db->scheduler_pid = MyProcPid;
	replace_waiting(MyProcPid, 0);
	unwanted = my_db->evicted_by != 0;
	LWLockRelease(JdgShared->lock);
	if (unwanted)
		proc_exit(0);
	SpinLockAcquire(&my_db->mutex);
	my_db->scheduler_latch = MyLatch;
	SpinLockRelease(&my_db->mutex);
	/* it need not wait for us to show ourselves any more */
	jdg_launcher_wake(false);
}

/*
 * "enabled" is looked at each time: one that is started while the others are
 * being told has the new value from the beginning.
 */
static void
process_config(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (!jdg_enabled)
	{
		jdg_slots_leave(my_db->dboid, InvalidOid, 0);
		proc_exit(0);
	}
}

/*
 * Do the rows of this database belong to it?  Until the first use (origin is
 * empty) nothing is there to run.  The transaction that fills origin may take
 * its time, or be prepared, while others have committed work: then
 * JdgDb.used says so, which a restore does not set.
 */
static bool
is_adopted(void)
{
	static JdgQuery q = {
		"SELECT o.id = h.id AND h.database = $1 FROM jadugar.here h, "
		"jadugar.origin o", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};
	bool		first_use,
				ok;

	jdg_work_begin();
	first_use = jdg_run(&q, v, NULL, 0) == 0;
	ok = first_use ? pg_atomic_read_u32(&my_db->used) != 0 :
		jdg_col_bool(0, 1);
	jdg_work_end();
	pg_atomic_write_u32(&my_db->not_adopted, !first_use && !ok);
	return ok;
}

static void
wait_for_latch(long ms)
{
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(true);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, jdg_wait_scheduler());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	process_config();
}

static void
wait_until_adopted(void)
{
	while (!is_adopted())
	{
		pgstat_report_activity(STATE_RUNNING,
							   "jadugar: waiting for the first use or for adopt()");
		wait_for_latch(LONGEST_SLEEP);
		(void) jdg_db_take_wake(my_db);
		MemoryContextReset(loop_context);
	}
}

/*
 * Read jadugar.control.  Returns when a pause ends by itself.
 */
static TimestampTz
read_control(bool *paused)
{
	static JdgQuery q = {
		"SELECT paused_at IS NOT NULL, paused_until FROM jadugar.control", 0
	};
	static JdgQuery resume = {
		"UPDATE jadugar.control SET paused_at = NULL, paused_until = NULL, "
		"paused_by = NULL, pause_reason = NULL "
		"WHERE paused_until <= $1", 1, {TIMESTAMPTZOID},
		.config = true
	};
	Datum		v[1] = {TimestampTzGetDatum(jdg_now())};
	TimestampTz until = DT_NOEND;

	jdg_work_begin();
	*paused = jdg_run(&q, NULL, NULL, 0) > 0 && jdg_col_bool(0, 1);
	if (*paused)
		until = jdg_col_time(0, 2, DT_NOEND);
	if (*paused && until <= jdg_now())
	{
		jdg_run(&resume, v, NULL, 0);
		*paused = false;
		until = DT_NOEND;
	}
	jdg_work_end();
	pg_atomic_write_u32(&my_db->paused, *paused);
	return until;
}

static void
start_up(void)
{
	pgstat_report_activity(STATE_RUNNING, "jadugar: starting");
	jdg_charge_after_crash(my_db);
	jdg_waiting_sweep();
}

/* One round; returns when the next one is due. */
static TimestampTz
one_round(bool *started, TimestampTz *maintain_at)
{
	uint32		why = jdg_db_take_wake(my_db);
	TimestampTz next = DT_NOEND;
	bool		paused;

	JDG_FAULT("scheduler-round");
	pg_atomic_write_u64(&my_db->next_due, (uint64) DT_NOEND);
	pg_memory_barrier();
	if (why & JDG_WAKE_SCHEDULES)
		jdg_fire_changed();
	if (why & JDG_WAKE_CONTROL)
	{
		check_extension();
		jdg_pool_roles_changed(my_db);
	}
	jdg_pool_check_started(my_db);
	next = jdg_charge_dead(my_db);
	next = Min(next, read_control(&paused));
	if (!paused)
	{
		if (!*started)
			jdg_fire_startup(my_db);
		*started = true;
		next = Min(next, jdg_fire_due(my_db));
	}
	next = Min(next, jdg_promote_due());
	next = Min(next, jdg_slots_enforce_cancels(my_db->dboid));
	if (why & JDG_WAKE_SWEEP)
		jdg_waiting_sweep();
	jdg_waiting_resolve(my_db);
	pg_atomic_write_u64(&my_db->next_due, (uint64) next);
	next = Min(next, jdg_pool_ensure(my_db));
	if (jdg_now() >= *maintain_at)
	{
		/* what fails must not keep the loop from what is due: a minute later */
		*maintain_at = jdg_now() + USECS_PER_MINUTE;
		jdg_maintain();
		*maintain_at = jdg_now() + MAINTENANCE_INTERVAL;
	}
	return Min(next, *maintain_at);
}

static void
schedule_until_done(void)
{
	static bool started = false;
	static bool ready = false;
	static TimestampTz maintain_at;

	if (!ready)
	{
		process_config();
		wait_until_adopted();
		start_up();
		maintain_at = jdg_now();	/* in the first round, after what is due */
		ready = true;
	}
	for (;;)
	{
		TimestampTz next;

		MemoryContextReset(loop_context);
		MemoryContextSwitchTo(loop_context);
		CHECK_FOR_INTERRUPTS();
		process_config();
		pgstat_report_activity(STATE_RUNNING, "jadugar: scheduling");
		next = one_round(&started, &maintain_at);
		my_db->failures = 0;
		wait_for_latch(jdg_ms_until(next, LONGEST_SLEEP));
	}
}

/*
 * Not cut short by a latch that somebody sets, what he wants is looked at
 * afterwards; but by a request to end.
 */
static void
pause_for(long ms)
{
	TimestampTz until = GetCurrentTimestamp() + ms * 1000;

	do
	{
		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 jdg_wait_scheduler());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	} while (GetCurrentTimestamp() < until);
}

/*
 * An error reached the top of the loop: abort, say so, go on after a pause
 * that grows.  The extension gone is not an error.
 */
static void
recover_from_error(void)
{
	static int	in_a_row = 0;
	static TimestampTz last = 0;
	TimestampTz now;
	int			code;

	HOLD_INTERRUPTS();
	code = geterrcode();
	if (code != JDG_ERRCODE_NOT_INSTALLED)
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(loop_context);
	jdg_maintain_reset();
	RESUME_INTERRUPTS();
	if (code == JDG_ERRCODE_NOT_INSTALLED)
		check_extension();
	now = GetCurrentTimestamp();
	in_a_row = now - last < 60 * USECS_PER_SEC ? in_a_row + 1 : 0;
	last = now;
	pause_for(in_a_row == 0 ? 100L : Min(in_a_row, 60) * 1000L);
}

void
jdg_scheduler_main(Datum arg)
{
	sigjmp_buf	local_sigjmp_buf;

	my_db = &JdgShared->dbs[DatumGetInt32(arg)];
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(scheduler_exit, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(my_db->dboid, InvalidOid, 0);
	pgstat_report_appname("jadugar scheduler");
	jdg_plain_transactions();
	/* event triggers are for what users do, not for our partitions */
	SetConfigOption("session_replication_role", "replica", PGC_SUSET,
					PGC_S_OVERRIDE);
	loop_context = AllocSetContextCreate(TopMemoryContext,
										 "jadugar scheduler",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	check_extension();
	become_elected();
	jdg_marks_forget(my_db);
	JDG_FAULT("scheduler-elected");

	if (sigsetjmp(local_sigjmp_buf, 1) != 0)
	{
		error_context_stack = NULL;
		recover_from_error();
	}
	PG_exception_stack = &local_sigjmp_buf;
	schedule_until_done();
}
