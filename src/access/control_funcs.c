/*-------------------------------------------------------------------------
 *
 * control_funcs.c
 *	  Installation check, pausing everything, draining.
 *
 * Runs in the caller's backend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "base/settings.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/pool.h"
#include "shared/queue_load.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

PG_FUNCTION_INFO_V1(jdg_install_check);

/* The first question of the install script: is the library preloaded? */
Datum
jdg_install_check(PG_FUNCTION_ARGS)
{
	jdg_require_shmem();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_installed);

/* The last statement of the install script: start at commit. */
Datum
jdg_installed(PG_FUNCTION_ARGS)
{
	jdg_start_at_commit();
	PG_RETURN_VOID();
}

/*
 * Pause, from now until an instant (DT_NOEND: for good); or resume.  "keep":
 * leaves a pause that is in force as it is.
 */
static void
set_pause(const char *function, bool on, const char *reason,
		  TimestampTz until, bool keep)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.control "
		"SET paused_at = $at, paused_until = $until, "
		"paused_by = $by, pause_reason = $reason "
		"WHERE NOT ($keep AND paused_at IS NOT NULL "
		"AND (paused_until IS NULL OR paused_until > $now)) "
		"AND ($on OR paused_at IS NOT NULL)",.config = true
	};
	JdgParams	p = {0};
	JdgInternal in;
	NameData	who;

	namestrcpy(&who, GetUserNameFromId(GetUserId(), false));
	jdg_bind_time(&p, "at", on ? jdg_now() : DT_NOBEGIN);
	jdg_bind(&p, "until", TIMESTAMPTZOID, TimestampTzGetDatum(until),
			 until == DT_NOEND);
	jdg_bind(&p, "by", NAMEOID, NameGetDatum(&who), !on);
	jdg_bind_text(&p, "reason", reason);
	jdg_bind_bool(&p, "keep", keep);
	jdg_bind_bool(&p, "on", on);
	jdg_bind_instant(&p, "now", jdg_now());
	jdg_internal_begin(&in);
	if (jdg_run_params(&q, &p, 0) > 0)
		jdg_audit_detail(function, "database", NULL, InvalidOid,
						 until == DT_NOEND ? NULL :
						 psprintf("until %s", timestamptz_to_str(until)),
						 reason);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_CONTROL | JDG_WAKE_WORK |
								 JDG_WAKE_SCHEDULES);
}

typedef struct PauseArgs
{
	char	   *reason;
	TimestampTz *until;
} PauseArgs;

static const JdgArg pause_args[] = {
	{"reason", TEXTOID, offsetof(PauseArgs, reason)},
	{"until", TIMESTAMPTZOID, offsetof(PauseArgs, until)},
};

JDG_FUNCTION(jdg_pause_all, JDG_LEVEL_OPERATOR)
{
	PauseArgs	a;

	JDG_READ_ARGS("pause_all", pause_args, &a);
	jdg_require_shmem();
	if (a.until && (TIMESTAMP_NOT_FINITE(*a.until) || *a.until <= jdg_now()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("until must lie in the future"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(*a.until)))),
				 errhint("Leave it out to pause until jadugar.resume_all() is called.")));
	set_pause("pause_all", true, a.reason, a.until ? *a.until : DT_NOEND, false);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_resume_all, JDG_LEVEL_OPERATOR)
{
	jdg_require_shmem();
	set_pause("resume_all", false, NULL, DT_NOEND, false);
	PG_RETURN_VOID();
}

/* Returns the number of tasks that workers hold, of one queue or of all. */
static int
still_held(const JdgQueue *queue)
{
	int64	   *ids;
	int			max;
	int			n;

	if (queue->queue_id != 0)
		return jdg_queue_load(MyDatabaseId, queue->queue_id);
	max = jdg_slots_max_tasks();
	ids = palloc(sizeof(int64) * max);
	n = jdg_slots_running(MyDatabaseId, ids, max);
	pfree(ids);
	return n;
}

static void
pause_one_queue(const JdgQueue *queue)
{
	JdgInternal in;

	jdg_internal_begin(&in);
	if (jdg_queue_pause(queue->queue_id, in.save_user))
		jdg_audit("drain", "queue", queue->name, queue->owner);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_CONTROL);
}

/* Wait for the workers to let go; true: they have. */
static bool
wait_until_drained(const JdgQueue *queue, TimestampTz until)
{
	while (still_held(queue) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (jdg_now() >= until)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 jdg_ms_until(until, 20), jdg_wait_task());
		ResetLatch(MyLatch);
	}
	return true;
}

typedef struct DrainArgs
{
	char	   *queue;
	Interval   *timeout;
	int32	   *remaining;		/* only returned */
} DrainArgs;

static const JdgArg drain_args[] = {
	{"queue", TEXTOID, offsetof(DrainArgs, queue)},
	{"timeout", INTERVALOID, offsetof(DrainArgs, timeout)},
	{"remaining", INT4OID, offsetof(DrainArgs, remaining)},
};

/* CALL drain(queue text, timeout interval, INOUT remaining integer) */
JDG_FUNCTION(jdg_drain, JDG_LEVEL_OPERATOR)
{
	DrainArgs	a;
	TimestampTz until = DT_NOEND;
	JdgQueue	queue = {0};

	JDG_READ_ARGS("drain", drain_args, &a);
	jdg_require_shmem();
	if (jdg_current_task != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drain() cannot run inside a task"),
				 errdetail("It waits for tasks to end, and would wait for its own."),
				 errhint("Call jadugar.pause_queue() or jadugar.pause_all() there.")));
	if (!jdg_call_may_commit(fcinfo))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drain() cannot run inside a transaction block"),
				 errhint("It commits the pause before it waits. Run CALL outside a transaction block.")));
	if (a.timeout)
		until = jdg_time_elapsed(jdg_now(),
								 jdg_check_interval("timeout", a.timeout, true));
	if (a.queue != NULL)
	{
		if (!jdg_queue_by_name(a.queue, &queue))
			jdg_queue_missing(a.queue);
		pause_one_queue(&queue);
	}
	else
		set_pause("drain", true, "drain", DT_NOEND, true);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	(void) wait_until_drained(&queue, until);
	SPI_finish();
	{
		TupleDesc	desc = CreateTemplateTupleDesc(1);
		Datum		value = Int32GetDatum(still_held(&queue));
		bool		isnull = false;

		TupleDescInitEntry(desc, 1, "remaining", INT4OID, -1, 0);
		desc = BlessTupleDesc(desc);
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
	}
}
