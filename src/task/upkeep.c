/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  Upkeep of tasks: partitions of the history, retention.
 *
 * Runs in the scheduler, at its start and hourly.  Makes the partitions of
 * today and tomorrow.  Drops those older than jadugar.history_retention by
 * DETACH CONCURRENTLY and DROP, each with the short lock_timeout of upkeep,
 * so that neither a reader of the history nor the scheduler waits long.  A
 * partition that cannot be dropped is retried next time.  Deletes history
 * past the shorter retention of its queue, old log rows and expired unique
 * keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "base/toplevel.h"
#include "shared/work.h"
#include "task/history.h"
#include "task/outcome.h"
#include "task/upkeep.h"

/*
 * Deletes log rows past jadugar.log_retention, expired unique keys without a
 * task, and history past the retention of its queue, in one transaction.
 */
static void
delete_expired(void)
{
	static JdgQuery logs = {
		"DELETE FROM jadugar_internal.log WHERE at < $1", 1, {TIMESTAMPTZOID}
	};
	static JdgQuery keys = {
		"DELETE FROM jadugar_internal.unique_key k WHERE k.until <= $1 "
		"AND NOT EXISTS "
		"(SELECT 1 FROM jadugar_internal.task t "
		"WHERE t.task_id = k.task_id OFFSET 0)", 1,
		{TIMESTAMPTZOID}
	};
	static JdgQuery short_lived = {
		"DELETE FROM jadugar_internal.attempt h USING jadugar_internal.queue q "
		"WHERE q.retention IS NOT NULL AND h.queue_id = q.queue_id "
		"AND h.finished_at < $1 - q.retention", 1, {TIMESTAMPTZOID}
	};
	TimestampTz now = jdg_now();
	Datum		v[1];

	jdg_work_begin();
	v[0] = TimestampTzGetDatum(now - (int64) jdg_log_retention * USECS_PER_MINUTE);
	jdg_run(&logs, v, NULL, 0);
	v[0] = TimestampTzGetDatum(now);
	jdg_run(&keys, v, NULL, 0);
	jdg_outcomes_forget_expired(now);
	jdg_run(&short_lived, v, NULL, 0);
	jdg_outcomes_expire(now - (int64) jdg_history_retention * USECS_PER_MINUTE);
	jdg_work_end();
}

/*
 * Detaches and drops one partition, in transactions of its own.  Finishes a
 * detach that was interrupted.  Raises the error of a detach or a drop that
 * fails otherwise.
 */
static void
drop_partition(const char *name)
{
	MemoryContext mcxt = CurrentMemoryContext;

	jdg_work_begin();
	jdg_outcomes_forget_partition(name);
	jdg_work_end();
	PG_TRY();
	{
		/* finishes an interrupted detach, else begins one */
		jdg_toplevel_run(psprintf("ALTER TABLE jadugar_internal.attempt "
								  "DETACH PARTITION jadugar_internal.%s "
								  "CONCURRENTLY", name),
						 NULL, None_Receiver);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_abort_xact(mcxt);

		if (edata->sqlerrcode != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE &&
			edata->sqlerrcode != ERRCODE_UNDEFINED_TABLE)
			ReThrowError(edata);
		/* "is not a partition": the last attempt got that far */
		if (edata->sqlerrcode != ERRCODE_UNDEFINED_TABLE)
			jdg_toplevel_run(psprintf("ALTER TABLE jadugar_internal.attempt "
									  "DETACH PARTITION jadugar_internal.%s "
									  "FINALIZE", name),
							 NULL, None_Receiver);
	}
	PG_END_TRY();
	JDG_FAULT("partition-detached");
	jdg_work_begin();
	jdg_history_drop_partition(name);
	jdg_work_end();
}

/*
 * Drops the partitions past jadugar.history_retention.  A partition that
 * cannot be dropped is logged and left for the next upkeep.
 */
static void
drop_expired_partitions(void)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *names;
	ListCell   *lc;
	int64		keep = (int64) jdg_history_retention * USECS_PER_MINUTE;

	jdg_work_begin();
	names = jdg_history_expired(jdg_now() - keep, mcxt);
	jdg_work_end();
	foreach(lc, names)
	{
		PG_TRY();
		{
			drop_partition(lfirst(lc));
		}
		PG_CATCH();
		{
			ErrorData  *edata = jdg_abort_xact(mcxt);

			ereport(LOG,
					(errmsg("jadugar could not drop the history partition \"%s\" yet: %s",
							(char *) lfirst(lc), edata->message)));
		}
		PG_END_TRY();
	}
}

TimestampTz
jdg_task_upkeep(JdgDb *db, uint32 why)
{
	TimestampTz now = jdg_now();

	jdg_work_begin();
	jdg_history_ensure_partition(now);
	jdg_history_ensure_partition(now + USECS_PER_DAY);
	jdg_work_end();
	delete_expired();
	drop_expired_partitions();
	return jdg_now() + USECS_PER_HOUR;
}
