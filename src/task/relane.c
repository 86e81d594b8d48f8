/*-------------------------------------------------------------------------
 *
 * relane.c
 *	  Moves tasks to lanes of their own when a limit was set, see lanes.h.
 *
 * Runs in the scheduler, in transactions of BATCH tasks.  The rows of limit_of
 * know how far it is: after a crash it goes on there.  A row that is locked is
 * passed over; its task stays in its lane, where the limit counts as well.
 *
 * A session that changes limits locks the table until its invalidations are
 * sent.  So with a lock on the table, the limits that this process knows are
 * those of the rows that it notes as done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/array.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/objects.h"
#include "base/spi.h"
#include "shared/work.h"
#include "task/lanes.h"
#include "task/relane.h"
#include "task/task.h"
#include "task/wakeup.h"

/* tasks that one transaction looks at */
#define BATCH 1000

/* other duties get a turn at least so often */
#define TURN_US 50000

/* delay of the next try while a session changes limits */
#define RETRY_US USECS_PER_SEC

/* The id up to which tasks have been moved for all limits, or -1: no more. */
static int64
first_to_move(void)
{
	static JdgQuery q = {
		"SELECT moved_to FROM jadugar_internal.limit_of "
		"WHERE moved_to IS NOT NULL ORDER BY moved_to LIMIT 1", 0, {0}
	};

	return jdg_run(&q, NULL, NULL, 0) == 0 ? -1 : jdg_col_int64(0, 1, 0);
}

/* Notes that tasks up to an id have been moved; 0: all. */
static void
note_moved(int64 from, int64 to)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.limit_of SET moved_to = nullif($2, 0) "
		"WHERE moved_to = $1 OR $2 = 0 AND moved_to IS NOT NULL",
		2, {INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(from), Int64GetDatum(to)};

	jdg_run(&q, v, NULL, 0);
}

/* Writes the lanes of some tasks, and returns those that it has written. */
static int64
write_lanes(Datum *ids, Datum *lanes, int n)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task AS t "
		"SET lane = ($2)[array_position($1, t.task_id)] "
		"WHERE t.task_id = ANY (ARRAY("
		"SELECT u.task_id FROM jadugar_internal.task AS u "
		"WHERE u.task_id = ANY ($1) FOR UPDATE SKIP LOCKED)) "
		"RETURNING " JDG_TASK_COLUMNS,
		2, {INT8ARRAYOID, INT4ARRAYOID}
	};
	Datum		v[2];

	v[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true, 'd'));
	v[1] = PointerGetDatum(construct_array(lanes, n, INT4OID, 4, true, 'i'));
	return jdg_run(&q, v, NULL, 0);
}

/*
 * Moves the tasks of one batch.  Returns the id up to which tasks have been
 * looked at, 0 if there are no more.
 */
static int64
move_batch(int64 from)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE task_id > $1 ORDER BY task_id LIMIT $2", 2, {INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(from), Int64GetDatum(BATCH)};
	Datum		ids[BATCH];
	Datum		lanes[BATCH];
	int64		n = jdg_run(&q, v, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(n, CurrentMemoryContext);
	int			moved = 0;

	for (int64 i = 0; i < n; i++)
	{
		int32		lane = jdg_lane_of(tasks[i].owner, tasks[i].tenant,
									   tasks[i].command_id,
									   tasks[i].concurrency_key);

		if (lane == tasks[i].lane)
			continue;
		ids[moved] = Int64GetDatum(tasks[i].task_id);
		lanes[moved++] = Int32GetDatum(lane);
	}
	from = n == BATCH ? tasks[n - 1].task_id : 0;
	if (moved == 0)
		return from;
	n = write_lanes(ids, lanes, moved);
	tasks = jdg_task_from_rows(n, CurrentMemoryContext);
	for (int64 i = 0; i < n; i++)
		jdg_wake_at_commit(tasks[i].owner, &tasks[i]);
	return from;
}

TimestampTz
jdg_relane(JdgDb *db, uint32 why)
{
	TimestampTz begin = jdg_now();
	int64		from;

	do
	{
		jdg_work_begin();
		from = first_to_move();
		if (from >= 0 &&
			!ConditionalLockRelationOid(jdg_relation_oid("limit_of"), ShareLock))
		{
			jdg_work_end();
			return begin + RETRY_US;
		}
		if (from >= 0)
			note_moved(from, move_batch(from));
		JDG_FAULT("lanes-moved");
		jdg_work_end();
	} while (from >= 0 && jdg_now() - begin < TURN_US);
	return from >= 0 ? begin : DT_NOEND;
}
