/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  How tasks ended that are gone, for those that depend on them.
 *
 * Runs in workers that settle, in sessions that enqueue or cancel, and in the
 * scheduler.
 *
 * A task that waits reads the end of its predecessor in its own row of
 * jadugar_internal.dependency, which the transaction of that end has written.
 * This file is for those that such a transaction did not see: they are
 * enqueued while, or after, the predecessor ends.
 *
 * That a row is missing proves nothing by itself, since history is deleted
 * and some queues keep none.  So every end other than "completed" leaves a
 * row: in the history, or in jadugar_internal.unkept.  When such rows are
 * deleted, here.forgotten is raised to the highest task_id among them, in the
 * same transaction or an earlier one.  A task above it that has neither row
 * has completed.  One below it is not known, which never counts as success.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/rows.h"
#include "base/spi.h"
#include "task/history.h"
#include "task/outcome.h"

JdgKnown
jdg_outcome_of(int64 task_id, Oid *owner, char **tenant)
{
	static JdgQuery kept = {
		"SELECT status, owner, tenant FROM jadugar_internal.attempt "
		"WHERE task_id = $1 AND final ORDER BY attempt_id DESC LIMIT 1", 1, {INT8OID}
	};
	static JdgQuery unkept = {
		"SELECT owner FROM jadugar_internal.unkept WHERE task_id = $1", 1,
		{INT8OID}
	};

	/* a copy that is not adopted may have come without its history */
	static JdgQuery remembered = {
		"SELECT 1 FROM jadugar_internal.here h JOIN jadugar_internal.origin o "
		"ON o.id = h.id WHERE h.forgotten < $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	Assert(jdg_is_bookkeeping());
	*owner = InvalidOid;
	*tenant = NULL;

	/*
	 * A transaction that keeps its snapshot would combine the old
	 * here.forgotten with a history whose partitions have been dropped since,
	 * and take a failure for success.
	 */
	if (jdg_run_latest(&kept, v, NULL) == 0)
	{
		/* the row may be in a partition that this process does not know */
		jdg_history_catch_up();
		jdg_run_latest(&kept, v, NULL);
	}
	if (SPI_processed > 0)
	{
		*owner = jdg_col_oid(0, 2);
		*tenant = jdg_col_text(0, 3, CurrentMemoryContext);
		return jdg_col_char(0, 1) == JDG_STATUS_COMPLETED ?
			JDG_KNOWN_COMPLETED : JDG_KNOWN_FAILED;
	}
	if (jdg_run_latest(&unkept, v, NULL) > 0)
	{
		*owner = jdg_col_oid(0, 1);
		return JDG_KNOWN_FAILED;
	}
	return jdg_run_latest(&remembered, v, NULL) > 0 ?
		JDG_KNOWN_COMPLETED : JDG_KNOWN_NOT;
}

/* columns of jadugar_internal.unkept, in the order of sql/task.sql */
enum
{
	U_TASK_ID, U_OWNER, U_FINISHED_AT, U_COLUMNS
};

void
jdg_outcomes_keep(const JdgTask *const *tasks, int n, TimestampTz now)
{
	JdgRows    *rows;

	if (n == 0)
		return;
	rows = jdg_rows_open(jdg_relation_oid("unkept"), U_COLUMNS);
	for (int i = 0; i < n; i++)
	{
		Datum		v[U_COLUMNS];
		bool		nulls[U_COLUMNS] = {0};

		v[U_TASK_ID] = Int64GetDatum(tasks[i]->task_id);
		v[U_OWNER] = ObjectIdGetDatum(tasks[i]->owner);
		v[U_FINISHED_AT] = TimestampTzGetDatum(now);
		jdg_rows_put(rows, v, nulls);
	}
	jdg_rows_close(rows);
}

/*
 * The highest id of a partition, which its index has at hand, whatever the
 * status.
 */
void
jdg_outcomes_forget_partition(const char *name)
{
	char	   *sql = psprintf("UPDATE jadugar_internal.here SET forgotten = x.id "
							   "FROM (SELECT max(task_id) AS id "
							   "FROM jadugar_internal.%s) x "
							   "WHERE x.id > forgotten",
							   quote_identifier(name));
	int			rc;

	Assert(jdg_is_bookkeeping());
	rc = SPI_execute(sql, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s: %s",
			 SPI_result_code_string(rc), sql);
}

void
jdg_outcomes_forget_all(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.here SET forgotten = coalesce((SELECT "
		"last_value FROM jadugar_internal.task_id_seq WHERE is_called), 0)", 0
	};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, NULL, NULL, 0);
}
