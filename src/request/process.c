/*-------------------------------------------------------------------------
 *
 * process.c
 *	  The process "jadugar http": sends the requests of a database.
 *
 * The scheduler starts it when HTTP tasks are ready.  It is a background worker
 * of the library jadugar_http, which is the only one linked with libcurl, and
 * which calls JdgHttpHost.main.  It connects as the bootstrap superuser
 * and runs no code of users.  It leaves after jadugar.http_idle_timeout.
 *
 * It shares its slot (shared/slot.h): the tasks there are its requests.  No
 * transaction is open, and no lock is held, while bytes travel.
 *
 * A round: the library sends and receives; then deadlines, which count only
 * when everything that has arrived has been read; then ends are settled; then
 * tasks are claimed.  Then the process waits for its latch, or the library.
 *
 * It has a note (shared/suspect.h), so that a crash of the server is known to be
 * this process's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "request/process.h"
#include "request/transfer.h"
#include "shared/database.h"
#include "shared/sender.h"
#include "shared/suspect.h"

/* until the process tries again after an error, in ms */
#define FAILED_MS 100
#define FAILED_MS_MAX 5000
/* requests under way when the process is asked to leave have this time, in ms */
#define SHUTDOWN_MS 2000
/* and then their ends, if they cannot be settled at once */
#define SETTLE_MS 2000

const JdgHttpLibrary *jdg_http = NULL;
JdgTransfer **jdg_transfers = NULL;
int			jdg_ntransfers = 0;
JdgSlot    *jdg_http_slot = NULL;

static MemoryContext round_context = NULL;
static WaitEventSet *wait_set = NULL;
static int64 retry_at = -1;		/* steady ms: no end is settled until then */
static int64 claim_at = -1;		/* steady ms: no claims until then */
static int64 leave_at = -1;		/* steady ms: the process was asked to leave */
static volatile sig_atomic_t asked_to_leave = false;

static void
handle_term(SIGNAL_ARGS)
{
	int			save_errno = errno;

	asked_to_leave = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/* SIGQUIT: another process has crashed, and the postmaster restarts all. */
static void
handle_quit(SIGNAL_ARGS)
{
	jdg_suspect_end();
	_exit(2);
}

void
jdg_requests_left(JdgDb *db)
{
	pg_atomic_write_u32(&db->orphans, 1);
	jdg_db_wake(db, JDG_WAKE_WORKER | JDG_WAKE_WORK);
}

/* Releases the slot: what it leaves in state x is settled by the scheduler. */
static void
process_exit(int code, Datum arg)
{
	JdgDb	   *db = jdg_db_lookup(jdg_http_slot->dboid, false);

	jdg_suspect_end();
	jdg_slot_clear_all(jdg_http_slot);
	jdg_http_offer_slot();
	if (db != NULL)
		jdg_requests_left(db);
}

static void
attach(int slotno)
{
	jdg_http_slot = &jdg_slots[slotno];
	SpinLockAcquire(&jdg_http_slot->mutex);
	jdg_http_slot->pid = MyProcPid;
	jdg_http_slot->latch = MyLatch;
	jdg_http_slot->evicted = false;
	jdg_http_slot->started_at = jdg_http_slot->idle_since = jdg_now();
	SpinLockRelease(&jdg_http_slot->mutex);
	before_shmem_exit(process_exit, (Datum) 0);
}

/* --- ends ---------------------------------------------------------------- */

/* One that has ended is sent again. */
static void
send_again(JdgTransfer *t)
{
	t->ended = false;
	jdg_http->forget(&t->http);
	jdg_connections_add(t);
}

/* The library returns what has ended. */
static bool
turn(void)
{
	int			drained;
	JdgHttpTransfer *list = jdg_http->turn(&drained);

	while (list != NULL)
	{
		JdgTransfer *t = (JdgTransfer *) list;

		list = list->next;
		t->ended = true;
		t->ended_at = jdg_now();
		t->took = jdg_steady_ms() - t->begun;
		/* others need not wait until it is settled */
		jdg_connections_remove(t);
		/* for want of memory or descriptors: not the service's fault */
		if (t->http.end == JDG_HTTP_LOCAL)
		{
			jdg_connections_close_idle();
			claim_at = jdg_steady_ms() + FAILED_MS;
		}
		if (t->http.end == JDG_HTTP_STALE && !t->again)
		{
			/* nothing was sent: again, on a connection of its own */
			t->again = true;
			t->http.fresh = 1;
			send_again(t);
		}
		else if (t->own != NULL)
		{
			if (jdg_probe_passed(t))
				send_again(t);
			else if (jdg_probe_failed(t))
				jdg_transfer_stop(t, JDG_STOP_PROBE);
		}
		else if (jdg_redirect_follow(t))
			send_again(t);
	}
	return drained;
}

void
jdg_transfer_stop(JdgTransfer *t, JdgStop why)
{
	jdg_connections_remove(t);
	t->stop = why;
	t->ended = true;
	t->ended_at = jdg_now();
}

/* Was the task asked to stop?  A pause does not stop what was sent. */
static bool
is_cancelled(int i)
{
	JdgCancelKind kind = jdg_http_slot->task[i].cancel;

	return kind != JDG_CANCEL_NONE &&
		(kind != JDG_CANCEL_PAUSE ||
		 jdg_transfers[i]->own != NULL ||
		 jdg_transfers[i]->http.phase == JDG_HTTP_UNSENT);
}

/* Ends what has passed its deadline or was cancelled; returns ms to the next. */
static long
enforce(bool drained)
{
	int64		now = jdg_steady_ms();
	int64		next = leave_at;

	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];

		if (t->ended)
			continue;
		if (is_cancelled(i))
			jdg_transfer_stop(t, JDG_STOP_CANCEL);
		else if (t->deadline <= now && drained)
			jdg_transfer_stop(t, t->own ? JDG_STOP_PROBE : JDG_STOP_DEADLINE);
		else if (leave_at >= 0 &&
				 (t->own != NULL || t->http.phase == JDG_HTTP_UNSENT ||
				  leave_at <= now))
			jdg_transfer_stop(t, JDG_STOP_SHUTDOWN);
		else
			next = next < 0 ? t->deadline : Min(next, t->deadline);
	}
	return next < 0 ? -1 : Max(next - now, 0);
}

/* ms until ends are to be settled, or -1 */
static long
unsettled(void)
{
	int64		at = jdg_requests_finish_at();

	return at < 0 ? -1 : Max(Max(at, retry_at) - jdg_steady_ms(), 0);
}

static void
settle(void)
{
	if (unsettled() != 0)
		return;
	jdg_requests_finish();
	retry_at = -1;
}

/*
 * Has the process ended all that it has to, since it was asked to leave?  It
 * does not wait for ever for rows that others have locked: the scheduler
 * settles what is left.
 */
static bool
is_done(long *ms)
{
	long		left = leave_at + SETTLE_MS - jdg_steady_ms();

	if (leave_at < 0)
		return false;
	*ms = *ms < 0 ? left : Min(*ms, left);
	return jdg_ntransfers == 0 || left <= 0;
}

/* Tasks may be ready. */
static void
wake_myself(void)
{
	SpinLockAcquire(&jdg_http_slot->mutex);
	jdg_http_slot->wake = true;
	SpinLockRelease(&jdg_http_slot->mutex);
}

/* --- rounds -------------------------------------------------------------- */

static void
process_config(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	/* an endpoint may send again, or not any more */
	wake_myself();
}

static bool
should_leave(void)
{
	bool		leave;

	SpinLockAcquire(&jdg_http_slot->mutex);
	leave = jdg_http_slot->leave || jdg_http_slot->evicted;
	SpinLockRelease(&jdg_http_slot->mutex);
	return leave || asked_to_leave || !jdg_enabled || !jdg_http_enabled;
}

/*
 * Is there something to claim, and room?  From here on the process is not idle,
 * so nobody asks it to leave.
 */
static bool
begin_claim(void)
{
	bool		claims;

	SpinLockAcquire(&jdg_http_slot->mutex);
	claims = jdg_http_slot->wake &&
		jdg_ntransfers < jdg_http_slot->max_tasks;
	if (claims)
	{
		jdg_http_slot->wake = false;
		jdg_http_slot->state = JDG_SLOT_BUSY;
	}
	SpinLockRelease(&jdg_http_slot->mutex);
	return claims;
}

/*
 * The process has no requests: another database may lack one.  It is idle first,
 * and looks then, as its scheduler wants a slot first and looks then: one of the
 * two sees the other.
 */
static void
become_idle(void)
{
	SpinLockAcquire(&jdg_http_slot->mutex);
	if (!jdg_http_slot->wake)
		jdg_http_slot->state = JDG_SLOT_IDLE;
	SpinLockRelease(&jdg_http_slot->mutex);
	if (!jdg_http_slot_is_wanted(jdg_http_slot->dboid))
		return;
	SpinLockAcquire(&jdg_http_slot->mutex);
	jdg_http_slot->leave |= jdg_http_slot->state == JDG_SLOT_IDLE &&
		!jdg_http_slot->wake;
	SpinLockRelease(&jdg_http_slot->mutex);
}

static void
claim(void)
{
	if (jdg_steady_ms() < claim_at)
		return;
	claim_at = -1;
	if (!begin_claim())
		return;
	if (jdg_requests_begin())
		wake_myself();
	if (jdg_ntransfers == 0)
		become_idle();
}

/* Is there something to do without waiting? */
static bool
is_due(void)
{
	bool		wake;

	SpinLockAcquire(&jdg_http_slot->mutex);
	wake = jdg_http_slot->wake;
	SpinLockRelease(&jdg_http_slot->mutex);
	return wake && claim_at < 0 && jdg_ntransfers < jdg_http_slot->max_tasks;
}

static void
wait_for_news(long ms)
{
	WaitEvent	event[3];

	if (jdg_ntransfers == 0)
		pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitEventSetWait(wait_set, ms, event, lengthof(event),
							jdg_wait_http());
	ResetLatch(MyLatch);
}

static long
sooner(long a, long b)
{
	return a < 0 ? b : b < 0 ? a : Min(a, b);
}

/* The process has had nothing to do since then. */
static bool
is_idle(int64 *since)
{
	if (jdg_ntransfers > 0)
		*since = jdg_steady_ms();
	return jdg_steady_ms() - *since >= jdg_http_idle_timeout;
}

static void
work_until_done(void)
{
	static int64 idle_since = -1;

	if (idle_since < 0)
		idle_since = jdg_steady_ms();
	for (;;)
	{
		long		ms;

		MemoryContextReset(round_context);
		MemoryContextSwitchTo(round_context);
		CHECK_FOR_INTERRUPTS();
		process_config();
		if (should_leave() && leave_at < 0)
			leave_at = jdg_steady_ms() + SHUTDOWN_MS;
		ms = enforce(turn());
		ms = sooner(ms, jdg_requests_tell());
		settle();
		if (leave_at < 0)
			claim();
		ms = sooner(ms, jdg_connections_tend());
		ms = sooner(ms, jdg_http->timeout());
		ms = sooner(ms, unsettled());
		if (claim_at >= 0)
			ms = sooner(ms, Max(claim_at - jdg_steady_ms(), 0));
		if (is_done(&ms) || is_idle(&idle_since))
			return;
		if (jdg_ntransfers == 0)
			ms = sooner(ms, jdg_http_idle_timeout -
						(jdg_steady_ms() - idle_since));
		if (!(is_due() && leave_at < 0))
			wait_for_news(ms);
	}
}

/* After an error: the ends that are not settled are tried again, later. */
static void
recover_from_error(void)
{
	static int	in_a_row = 0;
	static int64 last = -1;
	int64		now = jdg_steady_ms();
	ErrorData  *error;
	bool		gone;
	bool		one;

	HOLD_INTERRUPTS();
	error_context_stack = NULL;
	gone = geterrcode() == JDG_ERRCODE_NOT_INSTALLED;
	if (!gone)
		EmitErrorReport();
	error = jdg_abort_xact(round_context);
	jdg_requests_begin_failed();
	one = jdg_requests_finish_failed(error);
	pgstat_report_stat(true);
	RESUME_INTERRUPTS();
	if (gone)
		proc_exit(0);			/* the extension was dropped */
	wake_myself();
	if (one)
		return;
	in_a_row = last >= 0 && now - last < 10000 ? in_a_row + 1 : 0;
	last = now;
	claim_at = retry_at = now + Min(FAILED_MS << Min(in_a_row, 6), FAILED_MS_MAX);
}

static void
make_wait_set(void)
{
	wait_set = jdg_create_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, jdg_http->descriptor(),
					  NULL, NULL);
}

/* JdgHttpHost.main; "arg" is the number of the slot */
static void
process_main(unsigned long arg, const JdgHttpLibrary *library)
{
	sigjmp_buf	local_sigjmp_buf;
	const char *missing;
	JdgDb	   *db;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_term);
	pqsignal(SIGQUIT, handle_quit);
	attach((int) arg);
	if (library->size != sizeof(JdgHttpLibrary) ||
		library->abi != JADUGAR_HTTP_ABI)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library \"jadugar_http\" is of another version than \"jadugar\""),
				 errhint("Restart the server.")));
	db = jdg_db_lookup(jdg_http_slot->dboid, false);
	if (db == NULL || jdg_db_is_evicted(db))
		proc_exit(0);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(jdg_http_slot->dboid, InvalidOid, 0);
	jdg_suspect_attach((int) arg);
	jdg_suspect_requests();
	pgstat_report_appname("jadugar http");
	jdg_set_transaction_defaults();
	SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
	jdg_http = library;
	missing = library->start(jdg_http_slot->max_tasks);
	if (missing != NULL)
	{
		pg_atomic_write_u32(&db->http_lacks, JDG_HTTP_LACKS_START);
		ereport(FATAL,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("HTTP tasks need %s", missing),
				 errdetail("The library is libcurl %s.", library->version)));
	}
	jdg_transfers = MemoryContextAlloc(TopMemoryContext, sizeof(JdgTransfer *) *
									   jdg_http_slot->max_tasks);
	round_context = AllocSetContextCreate(TopMemoryContext, "jadugar http",
										  ALLOCSET_DEFAULT_SIZES);
	make_wait_set();
	JDG_FAULT("http-started");
	if (sigsetjmp(local_sigjmp_buf, 1) != 0)
		recover_from_error();
	PG_exception_stack = &local_sigjmp_buf;
	pg_atomic_write_u32(&db->http_lacks, JDG_HTTP_LACKS_NOTHING);
	work_until_done();
	pg_atomic_write_u32(&db->http_left, 1);
	proc_exit(0);
}

static const JdgHttpHost host = {
	.size = sizeof(JdgHttpHost),
	.abi = JADUGAR_HTTP_ABI,
	.main = process_main
};

void
jdg_http_process_init(void)
{
	*(const JdgHttpHost **) find_rendezvous_variable(JADUGAR_HTTP_VARIABLE) = &host;
}
