/*-------------------------------------------------------------------------
 *
 * context_funcs.c
 *	  Functions that a task calls while it runs: current_task(), progress(),
 *	  log(), snooze(), discard().
 *
 * Runs in workers, and in a backend that is in run_task(), run_event(),
 * execute() or query().  All of them go
 * through jdg_current_task and jdg_exec_hooks.  They only read shared memory,
 * for the deadline, and read tables only for the name of the schedule.
 *
 * snooze() and discard() leave the task by an error of their own, which the
 * worker recognizes by its SQLSTATE.  A task that catches this error
 * (EXCEPTION WHEN OTHERS) goes on and the request has no effect: the worker
 * acts only on an error that reaches it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "exec/tenant.h"
#include "flow/run/run_row.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "task/failure_log.h"
#include "task/log.h"

PG_FUNCTION_INFO_V1(jdg_current_task_info);
PG_FUNCTION_INFO_V1(jdg_progress);
PG_FUNCTION_INFO_V1(jdg_snooze);
PG_FUNCTION_INFO_V1(jdg_discard);

static const char *const level_words[] = {
	"debug", "info", "notice", "warning", "error", NULL
};

typedef struct ProgressArgs
{
	double		fraction;
	char	   *message;
} ProgressArgs;

static const JdgArg progress_args[] = {
	{"fraction", FLOAT8OID, offsetof(ProgressArgs, fraction), JDG_NEEDED},
	{"message", TEXTOID, offsetof(ProgressArgs, message)},
};

typedef struct LogArgs
{
	int			level;			/* in level_words */
	char	   *message;
	Jsonb	   *fields;
} LogArgs;

static const JdgArg log_args[] = {
	{"level", TEXTOID, offsetof(LogArgs, level), JDG_NEEDED, level_words},
	{"message", TEXTOID, offsetof(LogArgs, message), JDG_NEEDED},
	{"fields", JSONBOID, offsetof(LogArgs, fields)},
};

static const JdgArg snooze_args[] = {
	{"delay", INTERVALOID, 0, JDG_NEEDED},
};

static const JdgArg discard_args[] = {
	{"reason", TEXTOID, 0, JDG_NEEDED},
};

/* what may call a function, apart from tasks */
typedef enum Others
{
	OTHERS_OF_EVENTS,			/* handlers of events */
	OTHERS_CALLED				/* handlers that execute() or query() calls */
} Others;

/* Raises an error outside a task. */
static void
require_task(const char *function, Others others)
{
	if (jdg_current_task != NULL &&
		(others == OTHERS_OF_EVENTS ? jdg_current_task->event != NULL :
		 jdg_current_task->is_call))
		return;
	if (jdg_current_task == NULL || jdg_current_task->task_id == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.%s() can only be called in a task", function),
				 errhint("Call it in the command or the handler of a task.")));
}

/* Deadline of the task that this worker runs; DT_NOEND: none. */
static TimestampTz
own_deadline(void)
{
	TimestampTz deadline = DT_NOEND;

	if (JdgSharedLock == NULL)
		return deadline;
	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		if (slot->pid != MyProcPid)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->state == JDG_SLOT_BUSY && slot->pid == MyProcPid &&
			slot->current >= 0 && slot->deadline != 0)
			deadline = slot->deadline;
		SpinLockRelease(&slot->mutex);
	}
	return deadline;
}

static void
put_text(Datum *value, bool *isnull, const char *s)
{
	*isnull = s == NULL;
	if (s != NULL)
		*value = CStringGetTextDatum(s);
}

/* Where a task comes from: of a step, what its run comes from. */
typedef struct Origin
{
	int64		schedule_id;	/* 0: none */
	const char *schedule;		/* its name then */
	TimestampTz scheduled_for;	/* DT_NOBEGIN or 0: none */
} Origin;

static Origin
origin_of(const JdgCurrentTask *t)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Origin		origin = {t->schedule_id, t->schedule, t->scheduled_for};
	JdgFlowRun	run;
	JdgInternal in;

	if (t->flow_run == 0)
		return origin;
	jdg_internal_begin(&in);
	if (jdg_flow_run_load(t->flow_run, &run))
	{
		origin.schedule_id = run.schedule_id;
		origin.schedule = run.schedule ?
			MemoryContextStrdup(mcxt, run.schedule) : NULL;
		origin.scheduled_for = run.scheduled_for;
	}
	jdg_internal_end(&in);
	return origin;
}

/* current_task() */
Datum
jdg_current_task_info(PG_FUNCTION_ARGS)
{
	const JdgCurrentTask *t = jdg_current_task;
	TupleDesc	tupdesc;
	Datum		values[11] = {0};
	bool		nulls[11];

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	if (t != NULL && (t->task_id != 0 || t->is_call))
	{
		TimestampTz deadline = own_deadline();
		char	   *owner = GetUserNameFromId(t->owner, true);
		Origin		origin = origin_of(t);

		nulls[0] = nulls[1] = t->task_id == 0;
		values[0] = Int64GetDatum(t->task_id);
		values[1] = Int32GetDatum(t->attempt);
		nulls[2] = t->payload == NULL;
		values[2] = JsonbPGetDatum(t->payload);
		put_text(&values[3], &nulls[3], origin.schedule_id == 0 ? NULL :
				 jdg_schedule_name(origin.schedule_id, origin.schedule));
		nulls[4] = origin.scheduled_for == DT_NOBEGIN ||
			origin.scheduled_for == 0;
		values[4] = TimestampTzGetDatum(origin.scheduled_for);
		nulls[5] = t->flow_run == 0;
		values[5] = Int64GetDatum(t->flow_run);
		put_text(&values[6], &nulls[6], t->trace);
		put_text(&values[7], &nulls[7], t->tenant);
		nulls[8] = owner == NULL;
		if (owner != NULL)
			values[8] = DirectFunctionCall1(namein, CStringGetDatum(owner));
		nulls[9] = TIMESTAMP_IS_NOEND(deadline);
		values[9] = TimestampTzGetDatum(deadline);
		put_text(&values[10], &nulls[10], t->step);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

/* progress(fraction, message) */
Datum
jdg_progress(PG_FUNCTION_ARGS)
{
	ProgressArgs a;

	require_task("progress", OTHERS_CALLED);
	JDG_READ_ARGS("progress", progress_args, &a);
	if (isnan(a.fraction) || a.fraction < 0 || a.fraction > 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("fraction must be between 0 and 1"),
				 errdetail("The value is %g.", a.fraction),
				 errhint("Pass the completed fraction of the work, for example 0.5 for half of it.")));
	if (a.message)
		a.message[pg_mbcliplen(a.message, strlen(a.message),
							   JDG_MESSAGE_LEN - 1)] = '\0';
	if (jdg_exec_hooks.progress != NULL)
		jdg_exec_hooks.progress(a.fraction, a.message);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_log);

/*
 * log(level, message, fields).  In a task the worker keeps the row and writes
 * it when it settles, so that it outlives a rollback; elsewhere it is written
 * here, in the caller's transaction.  A task goes on logging when its owner
 * has lost access.
 */
Datum
jdg_log(PG_FUNCTION_ARGS)
{
	LogArgs		a;
	const char *level;
	const char *message;

	if (jdg_current_task == NULL)
		jdg_require_level(fcinfo, JDG_LEVEL_USER);
	JDG_READ_ARGS("log", log_args, &a);
	level = level_words[a.level];
	message = jdg_clip(a.message, JDG_LOG_MESSAGE_MAX);
	if (a.fields && !JB_ROOT_IS_OBJECT(a.fields))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("fields must be a JSON object"),
				 errhint("Use jsonb_build_object().")));
	if (jdg_current_task != NULL && jdg_exec_hooks.log != NULL)
		jdg_exec_hooks.log(level, message, a.fields);
	else
	{
		int64		task_id = jdg_current_task ? jdg_current_task->task_id : 0;
		int			attempt = jdg_current_task ? jdg_current_task->attempt : 0;
		const char *tenant;
		Oid			owner = GetUserId();
		JdgInternal in;

		PreventCommandIfReadOnly("jadugar.log()");
		tenant = jdg_tenant_of_call(NULL);
		jdg_internal_begin(&in);
		jdg_log_insert(task_id, attempt, owner, jdg_now(), level, message,
					   a.fields, tenant);
		jdg_internal_end(&in);
	}
	PG_RETURN_VOID();
}

/* snooze(delay): the task runs again later, as if it had not begun */
Datum
jdg_snooze(PG_FUNCTION_ARGS)
{
	Interval   *delay;
	TimestampTz now = jdg_now();
	TimestampTz until;

	require_task("snooze", OTHERS_OF_EVENTS);
	JDG_READ_ARGS("snooze", snooze_args, &delay);
	until = jdg_time_after(now, delay);
	if (TIMESTAMP_NOT_FINITE(until) || until < now)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("delay must not be negative or infinite"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(delay)))),
				 errhint("Pass the time after which the task runs again.")));
	jdg_current_task->snoozed = true;
	jdg_current_task->snooze_us = until - now;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_SNOOZE),
			 errmsg("the task asked to run again later"),
			 errdetail("It runs again after %s.", timestamptz_to_str(until))));
}

/* discard(reason): the task has failed and is not tried again */
Datum
jdg_discard(PG_FUNCTION_ARGS)
{
	/* outlives the error; freed when the next task discards itself */
	static char *reason = NULL;
	char	   *given;

	require_task("discard", OTHERS_OF_EVENTS);
	JDG_READ_ARGS("discard", discard_args, &given);
	given = MemoryContextStrdup(TopMemoryContext, jdg_clip(given, JDG_LOG_MESSAGE_MAX));
	if (reason != NULL)
		pfree(reason);
	reason = given;
	jdg_current_task->discard_reason = reason;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_DISCARD),
			 errmsg("the task discarded itself: %s", reason)));
}
