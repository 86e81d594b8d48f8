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
#include "utils/builtins.h"

#include "access/owner.h"
#include "base/spi.h"
#include "task/adopted.h"
#include "task/outcome.h"
#include "task/settle.h"

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

/*
 * Cancels every task that does not run standalone, with reason "not_adopted",
 * in batches of 500 by id.  Their rows are locked until the transaction ends.
 */
static void
cancel_tasks(Oid user)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE task_id > $1 "
		"AND state <> "
		JDG_SQL_STANDALONE " ORDER BY task_id LIMIT 500 FOR UPDATE", 1, {INT8OID}
	};
	int64		last = 0;
	int64		n;

	do
	{
		Datum		v[1] = {Int64GetDatum(last)};
		JdgTask    *tasks;

		n = jdg_run(&q, v, NULL, 0);
		tasks = jdg_task_from_rows(n, CurrentMemoryContext);
		for (int64 i = 0; i < n; i++)
		{
			JdgTask		again;

			last = tasks[i].task_id;

			/*
			 * cancelling the previous one may have removed it as a dependant
			 */
			if (jdg_task_load(tasks[i].task_id, true, &again,
							  CurrentMemoryContext))
				jdg_settle_cancel(&again, "not_adopted", user);
		}
	} while (n == 500);
}

void
jdg_tasks_adopted(const JdgAdoption *adoption)
{
	Assert(jdg_is_bookkeeping());
	jdg_outcomes_forget_all();
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
