/*-------------------------------------------------------------------------
 *
 * relane.c
 *	  Moves tasks to other lanes when limits, tenants or the endpoints of
 *	  handlers have changed, see lanes.h.
 *
 * A session that changes lanes adds a row to lane_change.  The scheduler then
 * passes through all tasks, in transactions of BATCH tasks, and removes the
 * rows that were there when it began.  After a crash it begins again: it writes
 * only the tasks that are not in their lane yet.
 *
 * A session locks the table until its invalidations are sent.  The scheduler
 * begins a pass with a lock on the table, so it knows the configuration of
 * every row that it sees.
 *
 * Transactions that run at that time may have read the old configuration, and
 * commit tasks that the pass does not see.  They may also have locked tasks,
 * which the pass leaves out.  So the rows stay, and another pass is made when
 * those transactions are over.  No one reports that they are: the scheduler
 * looks at them after a time that doubles, up to LOOK_MAX_US.  Meanwhile the
 * limits count for tasks in an old lane as well.  A transaction that is
 * prepared counts as over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/objects.h"
#include "base/spi.h"
#include "shared/work.h"
#include "task/relane.h"
#include "task/target.h"
#include "task/task.h"
#include "task/wakeup.h"

/* tasks that one transaction looks at */
#define BATCH 1000

/* other duties get a turn at least so often */
#define TURN_US 50000

/* delay of the next try while a session changes lanes */
#define RETRY_US USECS_PER_SEC

/* first and greatest delay of a look at transactions of before a pass */
#define LOOK_US (100 * INT64CONST(1000))
#define LOOK_MAX_US USECS_PER_MINUTE

/* The pass that this process makes. */
static struct
{
	bool		begun;
	int64		position;		/* tasks up to this id are done */
	int64		changes;		/* rows up to this id are dealt with */

	/* transactions that may have the configuration of before */
	VirtualTransactionId *old;
	int			nold;
	TimestampTz look_at;		/* the next look at them */
	int64		delay;
}			pass;

void
jdg_relane_request(void)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.lane_change DEFAULT VALUES", 0, {0}
	};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, NULL, NULL, 0);
}

/* The last change that has not been dealt with, or 0. */
static int64
last_change(void)
{
	static JdgQuery q = {
		"SELECT coalesce(max(change_id), 0) "
		"FROM jadugar_internal.lane_change", 0, {0}
	};

	jdg_run_latest(&q, NULL, NULL);
	return jdg_col_int64(0, 1, 0);
}

static void
forget_changes(int64 up_to)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.lane_change WHERE change_id <= $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(up_to)};

	jdg_run(&q, v, NULL, 0);
}

/* Other transactions that run in this database, but vacuum. */
static VirtualTransactionId *
running(int *n)
{
	return GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
								 PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, n);
}

/* Notes the transactions that run, for another pass after them. */
static void
note_old(void)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	if (pass.old != NULL)
		pfree(pass.old);
	pass.old = NULL;
	pass.nold = 0;
	pass.old = running(&pass.nold);
	pass.delay = LOOK_US;
	pass.look_at = jdg_now() + pass.delay;
	MemoryContextSwitchTo(before);
}

/* Forgets those of the noted transactions that are over. */
static void
look_at_old(void)
{
	int			n;
	VirtualTransactionId *now = running(&n);
	int			left = 0;

	for (int i = 0; i < pass.nold; i++)
	{
		for (int j = 0; j < n; j++)
		{
			if (VirtualTransactionIdEquals(pass.old[i], now[j]))
			{
				pass.old[left++] = pass.old[i];
				break;
			}
		}
	}
	pass.nold = left;
	pfree(now);
	pass.delay = Min(pass.delay * 2, LOOK_MAX_US);
	pass.look_at = jdg_now() + pass.delay;
}

/*
 * Writes the lanes of some tasks, and the endpoints of requests that have
 * another one, else 0.  Returns the tasks that it has written.
 */
static int64
write_lanes(Datum *ids, Datum *lanes, Datum *endpoints, int n)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task AS t "
		"SET lane = ($2)[array_position($1, t.task_id)], "
		"endpoint_id = CASE WHEN transaction = " JDG_SQL_XACT_HTTP " "
		"AND ($3)[array_position($1, t.task_id)] <> 0 "
		"THEN ($3)[array_position($1, t.task_id)] ELSE endpoint_id END "
		"WHERE t.task_id = ANY (ARRAY("
		"SELECT u.task_id FROM jadugar_internal.task AS u "
		"WHERE u.task_id = ANY ($1) FOR UPDATE SKIP LOCKED)) "
		"RETURNING " JDG_TASK_COLUMNS,
		3, {INT8ARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
	};
	Datum		v[3];

	v[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8, true, 'd'));
	v[1] = PointerGetDatum(construct_array(lanes, n, INT4OID, 4, true, 'i'));
	v[2] = PointerGetDatum(construct_array(endpoints, n, INT4OID, 4, true, 'i'));
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
	Datum		endpoints[BATCH];
	int64		n = jdg_run(&q, v, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(n, CurrentMemoryContext);
	int			moved = 0;

	for (int64 i = 0; i < n; i++)
	{
		JdgTask    *t = &tasks[i];
		int32		endpoint = t->endpoint_id;
		int32		lane;

		/* a request that is under way ends where it began */
		if (t->state != JDG_STATE_STANDALONE)
			t->endpoint_id = jdg_target_endpoint(t);
		lane = jdg_task_lane(t);
		if (lane == t->lane && t->endpoint_id == endpoint)
			continue;
		ids[moved] = Int64GetDatum(t->task_id);
		endpoints[moved] = Int32GetDatum(t->endpoint_id == endpoint ? 0 : t->endpoint_id);
		lanes[moved++] = Int32GetDatum(lane);
	}
	from = n == BATCH ? tasks[n - 1].task_id : 0;
	if (moved == 0)
		return from;
	n = write_lanes(ids, lanes, endpoints, moved);
	tasks = jdg_task_from_rows(n, CurrentMemoryContext);
	for (int64 i = 0; i < n; i++)
		jdg_wake_at_commit(tasks[i].owner, &tasks[i]);
	return from;
}

/*
 * Begins a pass if there are changes.  Returns the instant of the next try,
 * DT_NOEND if there is no change; 0 if the pass has begun.
 */
static TimestampTz
begin_pass(void)
{
	int64		changes = last_change();

	if (changes == 0)
		return DT_NOEND;
	if (changes == pass.changes && pass.nold > 0)
	{
		if (jdg_now() < pass.look_at)
			return pass.look_at;
		look_at_old();
		if (pass.nold > 0)
			return pass.look_at;
	}
	if (!ConditionalLockRelationOid(jdg_relation_oid("lane_change"), ShareLock))
		return jdg_now() + RETRY_US;
	changes = last_change();
	if (changes != pass.changes)
		note_old();
	pass.changes = changes;
	return 0;
}

/* Ends a pass.  If transactions of before it run, another one follows. */
static void
end_pass(void)
{
	if (pass.nold > 0)
		return;
	forget_changes(pass.changes);
	pass.changes = 0;
}

TimestampTz
jdg_relane(JdgDb *db, uint32 why)
{
	TimestampTz begin = jdg_now();
	TimestampTz next = 0;
	int64		position;

	do
	{
		/* after an error, the pass begins again */
		bool		goes_on = pass.begun;

		pass.begun = false;
		position = 0;
		jdg_work_begin();
		if (!goes_on)
			next = begin_pass();
		else if ((position = move_batch(pass.position)) == 0)
			end_pass();
		JDG_FAULT("lanes-moved");
		jdg_work_end();
		pass.position = position;
		pass.begun = goes_on ? position > 0 : next == 0;
	} while (next == 0 && jdg_now() - begin < TURN_US);
	return next == 0 ? begin : next;
}
