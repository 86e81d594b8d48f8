/*-------------------------------------------------------------------------
 *
 * await.c
 *	  Sleeping until a task, or a run of a flow, has finished: see await.h.
 *
 * Runs in any backend.
 *
 * No wake-up is lost.  The waiting backend counts itself in JdgDb.waiters and
 * enters the queue of JdgDb.finished before it reads the task.  A process
 * that finishes tasks reads the count after its commit has become visible,
 * and then broadcasts.  A prepared transaction is the exception, because the
 * session that commits it does not know its contents.  For this case the
 * waiting backend looks again every LOOK_AGAIN_MS.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "task/await.h"

#define LOOK_AGAIN_MS 5000

JdgDb *
jdg_await_db(void)
{
	JdgDb	   *db = jdg_db_lookup(MyDatabaseId, true);

	if (db == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar is not active in this database"),
				 errdetail("Other databases of this server use all places of jadugar.max_databases."),
				 errhint("Raise jadugar.max_databases and restart the server.")));
	return db;
}

static void
stop_waiting(int code, Datum db)
{
	ConditionVariableCancelSleep();
	pg_atomic_fetch_sub_u32(&((JdgDb *) DatumGetPointer(db))->waiters, 1);
}

bool
jdg_await(JdgDb *db, bool (*unfinished) (void *arg), void *arg,
		  TimestampTz until)
{
	bool		finished;

	pg_atomic_fetch_add_u32(&db->waiters, 1);
	PG_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	{
		ConditionVariablePrepareToSleep(&db->finished);
		for (;;)
		{
			long		ms;

			finished = !unfinished(arg);
			if (finished)
				break;
			ms = jdg_ms_until(until, LOOK_AGAIN_MS);
			if (ms == 0)
				break;
			(void) ConditionVariableTimedSleep(&db->finished, ms,
											   jdg_wait_task());
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_waiting, PointerGetDatum(db));
	stop_waiting(0, PointerGetDatum(db));
	return finished;
}
