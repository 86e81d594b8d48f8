/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  Upkeep of the partitions of the history.
 *
 * Runs in the scheduler, at its start and hourly.  Makes the partitions of
 * today and tomorrow.  Drops those older than jadugar.history_retention by
 * DETACH CONCURRENTLY and DROP, each with the short lock_timeout of upkeep,
 * so that neither a reader of the history nor the scheduler waits long.  A
 * partition that cannot be dropped is retried next time.
 *
 * Both duties also run in a subscriber of logical replication that waits to be
 * adopted.  There, "new" partitions are those of all days that the publisher
 * may still have, because the initial copy brings their rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/identity.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/partition.h"
#include "base/settings.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "shared/work.h"
#include "task/history.h"
#include "task/outcome.h"
#include "task/upkeep.h"

/* limit of the days whose history an initial copy can bring */
#define MAX_COPIED_DAYS 92

/* Detaches and drops one partition, in transactions of its own. */
static void
drop_partition(const char *name)
{
	jdg_work_begin();
	jdg_outcomes_forget_partition(name);
	jdg_work_end();
	jdg_partition_detach("attempt", name);
	JDG_FAULT("partition-detached");
	jdg_work_begin();
	jdg_partition_drop(name);
	jdg_work_end();
}

TimestampTz
jdg_upkeep_new_partitions(JdgDb *db, uint32 why)
{
	TimestampTz now = jdg_now();
	TimestampTz first = now;

	if (jdg_is_subscriber() && !jdg_is_adopted(db))
		first -= Min((int64) jdg_history_retention * USECS_PER_MINUTE,
					 MAX_COPIED_DAYS * USECS_PER_DAY);
	for (TimestampTz day = first; day <= now + USECS_PER_DAY; day += USECS_PER_DAY)
	{
		CHECK_FOR_INTERRUPTS();
		jdg_work_begin();
		jdg_history_ensure_partition(day);
		jdg_work_end();
	}
	return now + USECS_PER_HOUR;
}

/*
 * Drops the partitions past jadugar.history_retention.  A partition that
 * cannot be dropped is logged and left for the next upkeep.
 */
TimestampTz
jdg_upkeep_old_partitions(JdgDb *db, uint32 why)
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
	return jdg_now() + USECS_PER_HOUR;
}
