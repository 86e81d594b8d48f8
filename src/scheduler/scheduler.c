/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler: one process per database that has jadugar.
 *
 * Registered by the launcher.  Connects as the bootstrap superuser and does
 * nothing but bookkeeping.  Elected by a lock of our own (base/locks.h): a
 * second one waits for it.
 *
 * It looks for the extension, and exits if there is none.  Then it waits to be
 * elected, and until the database is adopted, and enters its loop.  A round
 * runs the duties of the modules (base/module.h) that are due or woken; then
 * the scheduler sleeps until the next instant or until its latch is set.
 * README.md explains why no ready task is forgotten.
 *
 * Shared: the JdgDb entry (shared/database.h).  Database locks: AccessShare on
 * the extension in each transaction, before anything else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
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

#include "access/identity.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/module.h"
#include "base/settings.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "scheduler/scheduler.h"
#include "shared/database.h"
#include "shared/launcher_state.h"
#include "shared/pool.h"
#include "shared/shmem.h"

#define MAX_DUTIES				64

/* limit of the time that upkeep waits for a lock */
#define UPKEEP_LOCK_TIMEOUT		"200ms"

/* the first and the longest pause after errors of a duty, in ms */
#define FIRST_PAUSE			100
#define LONGEST_PAUSE		(10 * 1000)
#define FIRST_UPKEEP_PAUSE	1000
#define LONGEST_UPKEEP_PAUSE	(60 * 1000)

/* a duty, and its state between rounds */
typedef struct DutyState
{
	const JdgDuty *duty;
	uint32		why;			/* wake bits since its last run */
	TimestampTz next;			/* the instant at which it is due by itself */
	int			failures;		/* in a row */
	int64		pause_until;	/* if it has failed; in steady ms */
} DutyState;

static DutyState duties[MAX_DUTIES];
static int	nduties = 0;

static JdgDb *my_db = NULL;
static Oid	my_dboid = InvalidOid;
static bool extension_gone = false;
static bool reloaded = false;
static MemoryContext loop_context = NULL;

/* Sets lock_timeout for the following transactions. */
static void
set_lock_timeout(const char *value)
{
	SetConfigOption("lock_timeout", value, PGC_USERSET, PGC_S_OVERRIDE);
}

/*
 * Replaces an element of waiting_pid, if there is one of that value.  The
 * caller holds JdgSharedLock.
 */
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

/*
 * Publishes the end of this scheduler, and wakes the launcher, which starts
 * the next one.  Unless the extension is gone, the end counts as a failure:
 * the second one in a row and further ones delay the next start, by 0.2 to 51
 * seconds.
 */
static void
scheduler_exit(int code, Datum arg)
{
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	if (my_db->dboid != my_dboid)
	{
		/* this process came late, and the entry is that of another database */
		LWLockRelease(JdgSharedLock);
		return;
	}
	replace_waiting(MyProcPid, 0);
	/* another scheduler may be elected already: our locks are released */
	if (my_db->scheduler_pid == MyProcPid ||
		(my_db->state == JDG_DB_STARTING && my_db->scheduler_pid == 0))
	{
		jdg_wakeup_set_latch(&my_db->wakeup, NULL);
		my_db->scheduler_pid = 0;
		pg_atomic_write_u32(&my_db->feeds, JDG_FEEDS_UNKNOWN);
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
			my_db->retry_at = jdg_steady_ms() +
				(my_db->failures <= 1 ? 0 : 50 << my_db->failures);
		}
	}
	LWLockRelease(JdgSharedLock);
	jdg_launcher_wake(false);
	jdg_dbs_changed();
}

/*
 * Exits because the extension does not exist.  The workers of the database
 * leave after their groups.
 */
static void
leave_database(void)
{
	extension_gone = true;
	jdg_pool_leave(my_dboid, InvalidOid, 0);
	proc_exit(0);
}

/* Exits if the extension does not exist. */
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

/*
 * Waits to be the only scheduler of the database, and publishes that in its
 * entry.  Exits if a statement needs the database without sessions.
 */
static void
become_elected(void)
{
	bool		unwanted;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	unwanted = my_db->dboid != my_dboid || jdg_db_is_evicted(my_db);
	if (!unwanted)
		replace_waiting(0, MyProcPid);
	LWLockRelease(JdgSharedLock);
	if (unwanted)
		proc_exit(0);
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "jadugar: waiting to be elected");
	(void) jdg_lock_session(JDG_LOCK_SCHEDULER, 0, true);
	CommitTransactionCommand();
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	my_db->state = JDG_DB_ACTIVE;
	my_db->scheduler_pid = MyProcPid;
	replace_waiting(MyProcPid, 0);
	unwanted = jdg_db_is_evicted(my_db);
	LWLockRelease(JdgSharedLock);
	if (unwanted)
		proc_exit(0);
	jdg_wakeup_set_latch(&my_db->wakeup, MyLatch);
	/* the launcher need not watch the start any longer */
	jdg_launcher_wake(false);
}

/*
 * Reloads the configuration if requested, and exits if jadugar is disabled.
 * "enabled" is checked each time: a process that starts while the others are
 * being signalled has the new value from the beginning.
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
		jdg_pool_leave(my_db->dboid, InvalidOid, 0);
		proc_exit(0);
	}
}

/*
 * Sleeps until an instant, until the clock is set, or until the latch is.
 * Waiting for a lock resets the latch, so recheck for pending requests before
 * sleeping.
 */
static void
wait_until(TimestampTz when)
{
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(true);
	if (!ConfigReloadPending && jdg_wakeup_peek(&my_db->wakeup) == 0)
		jdg_sleep_until(when, jdg_wait_scheduler());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	process_config();
}

/* How long the duty still pauses after an error, in ms. */
static int64
pause_left(const DutyState *state)
{
	return state->failures == 0 ? 0 :
		Max(state->pause_until - jdg_steady_ms(), 0);
}

/*
 * Is the duty due?  It is if it was woken, or has asked for this instant.
 * Wake bits that arrive while the duty is paused are kept for later.
 */
static bool
is_due(DutyState *state, uint32 why)
{
	const JdgDuty *duty = state->duty;

	state->why |= why & duty->wake;
	if (!duty->when_paused && pg_atomic_read_u32(&my_db->paused) != 0)
		return false;
	if (pause_left(state) > 0)
		return false;
	return state->why != 0 || (duty->wake & JDG_WAKE_ROUND) != 0 ||
		state->next <= jdg_now();
}

/* When the duty is due by itself; DT_NOEND: not while everything is paused. */
static TimestampTz
due_at(const DutyState *state)
{
	if (!state->duty->when_paused && pg_atomic_read_u32(&my_db->paused) != 0)
		return DT_NOEND;
	return state->failures == 0 ? state->next :
		jdg_now() + pause_left(state) * 1000;
}

/*
 * Runs a duty and notes its next instant.  Duties of upkeep run with a short
 * lock_timeout.
 */
static void
run_duty(DutyState *state)
{
	uint32		why = state->why;

	state->why = 0;
	if (state->duty->phase == JDG_DUTY_UPKEEP)
	{
		pgstat_report_activity(STATE_RUNNING, "jadugar: upkeep");
		set_lock_timeout(UPKEEP_LOCK_TIMEOUT);
	}
	state->next = state->duty->run(my_db, why);
	if (state->duty->phase == JDG_DUTY_UPKEEP)
		set_lock_timeout("0");
}

/*
 * Ends the handling of an error: logs it, and aborts the transaction.  If the
 * extension is gone, that is not an error, and the process exits.
 */
static void
abort_after_error(void)
{
	int			code;

	HOLD_INTERRUPTS();
	code = geterrcode();
	if (code != JDG_ERRCODE_NOT_INSTALLED)
		EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(loop_context);
	set_lock_timeout("0");
	RESUME_INTERRUPTS();
	if (code == JDG_ERRCODE_NOT_INSTALLED)
		check_extension();
}

/*
 * The duty has failed: it pauses for a time that grows with each failure in a
 * row, and then runs for all its reasons.  The others go on.  What the duty
 * has taken from shared memory is lost, so they also look at everything.
 */
static void
pause_duty(DutyState *state)
{
	bool		upkeep = state->duty->phase == JDG_DUTY_UPKEEP;
	int64		first = upkeep ? FIRST_UPKEEP_PAUSE : FIRST_PAUSE;
	int64		longest = upkeep ? LONGEST_UPKEEP_PAUSE : LONGEST_PAUSE;

	state->pause_until = jdg_steady_ms() +
		Min(first << Min(state->failures, 10), longest);
	state->failures++;
	state->why |= state->duty->wake & JDG_WAKE_ALL;
	state->next = DT_NOBEGIN;
	jdg_db_wake(my_db, JDG_WAKE_ALL);
}

/* Runs a duty in a section of its own: its error does not reach the others. */
static void
try_duty(DutyState *state)
{
	PG_TRY();
	{
		run_duty(state);
		state->failures = 0;
	}
	PG_CATCH();
	{
		abort_after_error();
		pause_duty(state);
	}
	PG_END_TRY();
}

/*
 * Makes all duties due if the clock has gone back: the instants for which they
 * have asked are later than they meant.
 */
static void
notice_clock(void)
{
	static TimestampTz last = DT_NOBEGIN;
	TimestampTz now = jdg_now();

	for (int i = 0; i < nduties && now + USECS_PER_SEC < last; i++)
		duties[i].next = DT_NOBEGIN;
	last = now;
}

/*
 * Runs the duties that are due.  Returns the first instant at which one is due
 * again.
 */
static TimestampTz
one_round(void)
{
	uint32		why = jdg_wakeup_take(&my_db->wakeup);
	TimestampTz next = DT_NOEND;

	/* any duty may depend on a changed setting */
	if (reloaded)
		why |= JDG_WAKE_ALL &
			~(JDG_WAKE_SWEEP | JDG_WAKE_KEYS | JDG_WAKE_UNIQUE);
	reloaded = false;
	JDG_FAULT("scheduler-round");
	notice_clock();
	if (why & JDG_WAKE_CONTROL)
		check_extension();
	for (int i = 0; i < nduties; i++)
	{
		if (is_due(&duties[i], why))
			try_duty(&duties[i]);
		next = Min(next, due_at(&duties[i]));
	}
	return next;
}

/*
 * Fills "duties" with those of all modules, in the order in which a round runs
 * them.
 */
static void
collect_duties(void)
{
	for (JdgDutyPhase phase = JDG_DUTY_CONTROL; phase <= JDG_DUTY_UPKEEP; phase++)
	{
		jdg_foreach_module(module)
		{
			for (const JdgDuty *d = module->duties; d && d->name; d++)
			{
				if (d->phase != phase)
					continue;
				if (nduties == MAX_DUTIES)
					elog(ERROR, "too many duties of the scheduler");
				duties[nduties].duty = d;
				duties[nduties].failures = 0;
				duties[nduties].why = d->wake & JDG_WAKE_ALL;
				duties[nduties++].next = DT_NOBEGIN;
			}
		}
	}
}

/*
 * Runs the duties of a copy that are due, and returns the first instant at
 * which one is due again.
 */
static TimestampTz
copy_round(void)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < nduties; i++)
	{
		if (!duties[i].duty->in_copies)
			continue;
		if (due_at(&duties[i]) <= jdg_now())
			try_duty(&duties[i]);
		next = Min(next, due_at(&duties[i]));
	}
	return next;
}

/*
 * Sleeps until the database is adopted, by its first use or by adopt().
 * Reasons of wake-ups are discarded, since the first round runs all duties.
 */
static void
wait_until_adopted(void)
{
	while (!jdg_is_adopted(my_db))
	{
		TimestampTz next = DT_NOEND;

		if (jdg_is_subscriber())
			next = copy_round();
		pgstat_report_activity(STATE_RUNNING,
							   "jadugar: waiting for the first use or for adopt()");
		wait_until(next);
		(void) jdg_wakeup_take(&my_db->wakeup);
		MemoryContextReset(loop_context);
	}
}

/*
 * The loop of rounds.  It is left by errors, and by the exit of the process.
 */
static void
schedule_until_done(void)
{
	static bool ready = false;

	if (nduties == 0)
		collect_duties();
	if (!ready)
	{
		process_config();
		wait_until_adopted();
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
 * Sleeps for so many milliseconds.  A latch that is set does not cut the pause
 * short, since requests are checked afterwards; a request to exit does.
 */
static void
pause_for(long ms)
{
	int64		until = jdg_steady_ms() + ms;

	for (; ms > 0; ms = until - jdg_steady_ms())
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 jdg_wait_scheduler());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Handles an error between duties: aborts the transaction, logs the error, and
 * pauses for a time that grows with errors within a minute.  The reasons for
 * the round are lost, so the next one runs all duties.
 */
static void
recover_from_error(void)
{
	static int	in_a_row = 0;
	static int64 last = 0;
	int64		now;

	abort_after_error();
	jdg_db_wake(my_db, JDG_WAKE_ALL);
	now = jdg_steady_ms();
	in_a_row = last > 0 && now - last < 60 * 1000 ? in_a_row + 1 : 0;
	last = now;
	pause_for(Min(100L << Min(in_a_row, 10), 60 * 1000L));
}

void
jdg_scheduler_main(Datum arg)
{
	sigjmp_buf	local_sigjmp_buf;

	my_db = &jdg_dbs[DatumGetInt32(arg)];
	my_dboid = my_db->dboid;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(scheduler_exit, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(my_dboid, InvalidOid, 0);
	pgstat_report_appname("jadugar scheduler");
	jdg_set_transaction_defaults();
	loop_context = AllocSetContextCreate(TopMemoryContext,
										 "jadugar scheduler",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	check_extension();
	become_elected();
	jdg_db_lose_marks(my_db);
	JDG_FAULT("scheduler-elected");

	if (sigsetjmp(local_sigjmp_buf, 1) != 0)
	{
		error_context_stack = NULL;
		recover_from_error();
	}
	PG_exception_stack = &local_sigjmp_buf;
	schedule_until_done();
}
