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
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/pool.h"
#include "shared/queue_load.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

PG_FUNCTION_INFO_V1(jdg_install_check);

/*
 * The first statement of the install script: is the library preloaded, and is
 * the schema our own?  Somebody who had made a schema of that name before
 * would own what we put into it.
 */
Datum
jdg_install_check(PG_FUNCTION_ARGS)
{
	HeapTuple	tuple;
	Oid			owner;

	jdg_require_shmem();
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(jdg_schema_oid()));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "schema jadugar does not exist");
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	if (owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"jadugar\" belongs to role \"%s\"",
						GetUserNameFromId(owner, true)),
				 errhint("Drop or rename that schema; CREATE EXTENSION makes its own.")));
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

static void
need_operator(const char *function)
{
	JdgInternal in;
	bool		ok;

	jdg_require_shmem();
	jdg_internal_begin(&in);
	ok = jdg_is_operator(in.save_user);
	jdg_internal_end(&in);
	if (!ok)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_UNAUTHORIZED),
				 errmsg("jadugar.%s() is for operators", function),
				 errhint("A superuser can make this role one: SELECT jadugar.grant_access('%s', 'operator').",
						 GetUserNameFromId(GetUserId(), true))));
}

static void
set_pause(const char *reason, bool has_until, TimestampTz until, bool on)
{
	static JdgQuery q = {
		"UPDATE jadugar.control SET paused_at = $1, paused_until = $2, "
		"paused_by = $3, pause_reason = $4", 4,
		{TIMESTAMPTZOID, TIMESTAMPTZOID, NAMEOID, TEXTOID},
		.config = true
	};
	JdgInternal in;
	Datum		v[4];
	char		n[5] = "nnnn";
	NameData	who;

	namestrcpy(&who, GetUserNameFromId(GetUserId(), false));
	memset(v, 0, sizeof(v));
	if (on)
	{
		v[0] = TimestampTzGetDatum(jdg_now());
		v[1] = TimestampTzGetDatum(until);
		v[2] = NameGetDatum(&who);
		n[0] = n[2] = ' ';
		n[1] = has_until ? ' ' : 'n';
		jdg_put_text(&v[3], &n[3], reason);
	}
	jdg_internal_begin(&in);
	jdg_run(&q, v, n, 0);
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_CONTROL | JDG_WAKE_WORK |
								 JDG_WAKE_SCHEDULES);
}

PG_FUNCTION_INFO_V1(jdg_pause_all);

/* (reason text, until timestamptz) */
Datum
jdg_pause_all(PG_FUNCTION_ARGS)
{
	TimestampTz until = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);

	need_operator("pause_all");
	if (!PG_ARGISNULL(1) && (TIMESTAMP_NOT_FINITE(until) || until <= jdg_now()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("until must lie in the future"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(until)))),
				 errhint("Leave it out to pause until jadugar.resume_all().")));
	set_pause(jdg_arg_text(fcinfo, 0), !PG_ARGISNULL(1), until, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_resume_all);

Datum
jdg_resume_all(PG_FUNCTION_ARGS)
{
	need_operator("resume_all");
	set_pause(NULL, false, DT_NOEND, false);
	PG_RETURN_VOID();
}

static int
still_held(const JdgQueue *queue)
{
	int64	   *ids;
	int			max;
	int			n;

	if (queue->queue_id != 0)
		return jdg_queue_load(MyDatabaseId, queue->queue_id);
	max = jdg_max_workers * JDG_GROUP_MAX;
	ids = palloc(sizeof(int64) * max);
	n = jdg_slots_running(MyDatabaseId, ids, max);
	pfree(ids);
	return n;
}

static void
pause_one_queue(const JdgQueue *queue)
{
	static JdgQuery q = {
		"UPDATE jadugar.queue SET paused_at = coalesce(paused_at, $2), "
		"paused_by = coalesce(paused_by, $3) WHERE queue_id = $1", 3,
		{INT4OID, TIMESTAMPTZOID, NAMEOID},
		.config = true
	};
	Datum		v[3];
	NameData	who;
	JdgInternal in;

	namestrcpy(&who, GetUserNameFromId(GetUserId(), false));
	v[0] = Int32GetDatum(queue->queue_id);
	v[1] = TimestampTzGetDatum(jdg_now());
	v[2] = NameGetDatum(&who);
	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
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

PG_FUNCTION_INFO_V1(jdg_drain);

/* CALL drain(queue text, timeout interval, INOUT remaining integer) */
Datum
jdg_drain(PG_FUNCTION_ARGS)
{
	bool		atomic = !(fcinfo->context && IsA(fcinfo->context, CallContext)) ||
	castNode(CallContext, fcinfo->context)->atomic;
	char	   *name = jdg_arg_text(fcinfo, 0);
	TimestampTz until = DT_NOEND;
	JdgQueue	queue;
	JdgInternal in;

	need_operator("drain");
	if (atomic)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.drain() can not run inside a transaction block"),
				 errhint("It has to commit the pause before it waits: CALL it by itself.")));
	if (!PG_ARGISNULL(1))
		until = jdg_now() +
			jdg_interval_us(jdg_check_interval("timeout", PG_GETARG_INTERVAL_P(1), true));
	memset(&queue, 0, sizeof(queue));
	if (name != NULL)
	{
		bool		found;

		jdg_internal_begin(&in);
		found = jdg_queue_by_name(name, &queue);
		jdg_internal_end(&in);
		if (!found)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_NOT_FOUND),
					 errmsg("queue \"%s\" does not exist", name)));
		pause_one_queue(&queue);
	}
	else
		set_pause("drain", false, DT_NOEND, true);
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
