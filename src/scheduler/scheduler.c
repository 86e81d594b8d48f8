/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler: one process per database that has jadugar.
 *
 * Registered by the launcher.  Connects as the bootstrap superuser and does
 * nothing but bookkeeping.  Elected by a lock of our own (base/locks.h): a
 * second one waits for it, whoever started it.
 *
 * Life: look for the extension (none: say so in the JdgDb entry and end) →
 * wait to be elected → wait until the database is adopted → deal with what a
 * crash left → loop.  A round does what it was woken for and what is due; then
 * the scheduler sleeps until the next instant or until its latch is set.  Why
 * nothing is overlooked: README.md.
 *
 * Shared: the JdgDb entry (shared/shmem.h).  Database locks: AccessShare on the
 * extension in each transaction, before anything else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/settings.h"
#include "base/spi.h"
#include "schedule/firing.h"
#include "scheduler/scheduler.h"
#include "task/marks.h"

#define MAINTENANCE_INTERVAL	(USECS_PER_HOUR)
#define LONGEST_SLEEP			(24 * 60 * 60 * 1000L)

/* the last bit before an instant is waited for by a timer */
#define FINE_WAIT_MS			3

/* what the loop knows of its own between its rounds */
typedef struct Loop
{
	bool		started;		/* has fired what the start is to fire */
	bool		paused;
	TimestampTz control_at;		/* a pause ends */
	TimestampTz promote_at;		/* a task's run_at comes */
	TimestampTz flows_at;		/* a timer of a flow */
	TimestampTz pool_at;		/* pools are to be looked at again */
	TimestampTz maintain_at;
	TimestampTz prune_at;		/* runs are to be pruned */
} Loop;

static Loop loop;
static TimeoutId fine_timer;

static JdgDb *my_db = NULL;
static bool extension_gone = false;
static bool reloaded = false;
static MemoryContext loop_context = NULL;
static JdgInternal internal;

static void
begin(bool wait_for_disk)
{
	MemoryContext old = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	jdg_lock_extension();
	if (!wait_for_disk)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(old);
	jdg_internal_begin(&internal);
}

/* A transaction of the scheduler: begin, lock the extension, bookkeeping. */
void
jdg_work_begin(void)
{
	begin(true);
}

/*
 * One that makes tasks ready and need not wait for the disk: whatever follows
 * from it, the end of such a task to begin with, is committed after it, so
 * nothing of that can survive a crash that it does not survive.  If a crash
 * undoes it, it is done again.
 */
void
jdg_work_begin_async(void)
{
	begin(false);
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
		reloaded = true;
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

/* The timer's signal sets the latch; that is all it is for. */
static void
fine_timer_rings(void)
{
}

/*
 * Until an instant or the latch.  WaitLatch() counts in milliseconds and may
 * be late by one, so its last few are left to a timer.  That is not set for
 * longer: there is no taking back the signal of a timer that is set.
 *
 * A lock that the round has waited for has reset the latch, whoever had set
 * it: what he wanted is looked for before we sleep.
 */
static void
wait_until(TimestampTz when)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		ms = jdg_ms_until(when, LONGEST_SLEEP);
	int			rc = ms > 0 ? 0 : WL_LATCH_SET;

	if (ConfigReloadPending || jdg_db_is_woken(my_db))
	{
		ms = 0;
		rc = WL_LATCH_SET;
	}
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(true);
	if (ms > FINE_WAIT_MS)
		rc = WaitLatch(MyLatch, events | WL_TIMEOUT, ms - FINE_WAIT_MS,
					   jdg_wait_scheduler());
	if ((rc & WL_LATCH_SET) == 0 &&
		jdg_ms_until(when, LONGEST_SLEEP) <= 2 * FINE_WAIT_MS)
	{
		enable_timeout_at(fine_timer,
						  GetCurrentTimestamp() + (when - jdg_now()));
		(void) WaitLatch(MyLatch, events, 0, jdg_wait_scheduler());
		disable_timeout(fine_timer, false);
	}
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
		wait_until(DT_NOEND);
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

/*
 * Tasks whose run_at has come.  Meanwhile whoever commits one tells us, when
 * it is due; afterwards if it is due before promote_at.
 */
static void
promote(void)
{
	pg_atomic_write_u64(&my_db->next_due, (uint64) DT_NOEND);
	pg_memory_barrier();
	loop.promote_at = jdg_promote_due();
	pg_atomic_write_u64(&my_db->next_due, (uint64) loop.promote_at);
}

static void
maintain(void)
{
	/* what fails must not keep the loop from what is due: a minute later */
	loop.maintain_at = jdg_now() + USECS_PER_MINUTE;
	jdg_maintain();
	loop.maintain_at = jdg_now() + MAINTENANCE_INTERVAL;
	loop.prune_at = jdg_now();
}

/* Again in the next round while there is more to do. */
static void
prune(void)
{
	loop.prune_at = jdg_now() + USECS_PER_MINUTE;
	loop.prune_at = jdg_prune_runs() ? jdg_now() : DT_NOEND;
}

/* One round; returns when the next one is due. */
static TimestampTz
one_round(void)
{
	uint32		why = jdg_db_take_wake(my_db);
	TimestampTz next = DT_NOEND;
	TimestampTz cancels_at;
	TimestampTz fire_at;

	/* the first round, and what a change of settings may mean: all of it */
	if (reloaded)
		why |= JDG_WAKE_ALL & ~JDG_WAKE_SWEEP;
	reloaded = false;
	JDG_FAULT("scheduler-round");
	if (why & JDG_WAKE_SCHEDULES)
		jdg_fire_changed();
	if (why & JDG_WAKE_CONTROL)
	{
		check_extension();
		jdg_pool_roles_changed(my_db);
	}
	if ((why & JDG_WAKE_CONTROL) || loop.control_at <= jdg_now())
	{
		bool		was_paused = loop.paused;

		loop.control_at = read_control(&loop.paused);
		if (was_paused && !loop.paused)
			why |= JDG_WAKE_WORK;
	}
	jdg_pool_check_started(my_db);
	next = jdg_charge_dead(my_db);
	if ((why & (JDG_WAKE_WORK | JDG_WAKE_WORKER | JDG_WAKE_CONTROL)) ||
		loop.pool_at <= jdg_now())
		loop.pool_at = jdg_pool_ensure(my_db);
	if (!loop.paused)
	{
		if (!loop.started)
			jdg_fire_startup(my_db);
		loop.started = true;
		fire_at = jdg_fire_due(my_db);
		next = Min(next, fire_at);
	}
	if ((why & JDG_WAKE_SCHEDULES) || loop.promote_at <= jdg_now())
		promote();
	cancels_at = jdg_slots_enforce_cancels(my_db->dboid);
	if ((why & (JDG_WAKE_FLOWS | JDG_WAKE_SWEEP)) || loop.flows_at <= jdg_now())
		loop.flows_at = jdg_flows_advance((why & JDG_WAKE_SWEEP) != 0);
	if (why & JDG_WAKE_SWEEP)
		jdg_waiting_sweep();
	jdg_waiting_resolve(my_db);
	if (loop.maintain_at <= jdg_now())
		maintain();
	if (loop.prune_at <= jdg_now())
		prune();
	next = Min(next, Min(cancels_at, Min(loop.control_at, loop.promote_at)));
	next = Min(next, loop.flows_at);
	next = Min(next, loop.prune_at);
	return Min(next, Min(loop.pool_at, loop.maintain_at));
}

static void
schedule_until_done(void)
{
	static bool ready = false;

	if (!ready)
	{
		process_config();
		wait_until_adopted();
		start_up();
		jdg_db_wake(my_db, JDG_WAKE_ALL & ~JDG_WAKE_SWEEP);
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
		next = one_round();
		my_db->failures = 0;
		wait_until(next);
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
 * that grows.  What the round was woken for is not known any more, so the
 * next one looks at everything.  The extension gone is not an error.
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
	jdg_db_wake(my_db, JDG_WAKE_ALL);
	now = GetCurrentTimestamp();
	in_a_row = now - last < 60 * USECS_PER_SEC ? in_a_row + 1 : 0;
	last = now;
	pause_for(Min(100L << Min(in_a_row, 10), 60 * 1000L));
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
	fine_timer = RegisterTimeout(USER_TIMEOUT, fine_timer_rings);
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
