/*-------------------------------------------------------------------------
 *
 * adopted.c
 *	  Tasks that came with a copy of a database, see adopted.h.
 *
 * Runs in the backend that calls adopt().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/owner.h"
#include "base/spi.h"
#include "shared/depth.h"
#include "shared/quota.h"
#include "task/adopted.h"
#include "task/outcome.h"
#include "task/settle.h"

/* number of tasks that are cancelled before their memory is freed */
#define CANCEL_BATCH 500

/* Pauses every task that is not already paused and does not run standalone. */
static void
pause_tasks(Oid user)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = " JDG_SQL_PAUSED ", paused_by = $1, "
		"key_place = false "
		"WHERE state IN (" JDG_SQL_READY ", " JDG_SQL_SCHEDULED ", "
		JDG_SQL_DEPENDENCY ", " JDG_SQL_KEY ")", 1, {TEXTOID}
	};
	Datum		by = CStringGetTextDatum(jdg_role_name(user));

	jdg_run(&q, &by, NULL, 0);
}

/* Cancels a batch of tasks after *last; returns their number. */
static int64
cancel_batch(int64 *last, Oid user)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE task_id > $1 "
		"AND state <> "
		JDG_SQL_STANDALONE " ORDER BY task_id LIMIT $2 FOR UPDATE", 2,
		{INT8OID, INT4OID}
	};
	Datum		v[2] = {Int64GetDatum(*last), Int32GetDatum(CANCEL_BATCH)};
	int64		n = jdg_run(&q, v, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(n, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
	{
		JdgTask		again;

		*last = tasks[i].task_id;

		/* cancelling the previous one may have removed it as a dependant */
		if (jdg_task_load(tasks[i].task_id, true, &again,
						  CurrentMemoryContext))
			jdg_settle_drop(&again, "not_adopted", user);
	}
	return n;
}

/*
 * Cancels every task that does not run standalone, with reason "not_adopted",
 * by id.  Their rows are locked until the transaction ends.  A section of its
 * own for each batch frees what the batch has read.
 */
static void
cancel_tasks(Oid user)
{
	int64		last = 0;
	int64		n;

	do
	{
		JdgInternal in;

		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		n = cancel_batch(&last, user);
		jdg_internal_end(&in);
	} while (n == CANCEL_BATCH);
}

void
jdg_tasks_adopted(const JdgAdoption *adoption)
{
	Assert(jdg_is_bookkeeping());
	jdg_outcomes_forget_all();
	/* no function of ours has seen the tasks arrive */
	jdg_depths_forget(MyDatabaseId);
	jdg_quotas_doubt(MyDatabaseId);
	switch (adoption->pending)
	{
		case JDG_PENDING_RUN:
			break;
		case JDG_PENDING_PAUSE:
			pause_tasks(adoption->user);
			break;
		case JDG_PENDING_CANCEL:
			cancel_tasks(adoption->user);
			break;
	}
}
