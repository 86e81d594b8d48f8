/*-------------------------------------------------------------------------
 *
 * unused.c
 *	  Removal of command texts that nothing refers to any more.
 *
 * Runs in the scheduler, daily, in turns of 50 ms.  Every batch is a
 * transaction of its own.  Whatever a crash undoes is found again.
 *
 * Tasks, schedules, plans of flows and the history refer to commands without
 * an index on their ids.  So it is never asked whether a command is in use.
 * Instead, commands grow old together, and lose their references for good:
 *
 * 1. Lookups find only commands from here.command_floor on.  A sweep raises
 *	  the floor above all ids if GENERATION newer commands exist.  From then on
 *	  an old text that is used again gets a twin, and an old id can only be
 *	  copied: from a schedule or a plan to a task, from a task to the history.
 *	  (retry_task() looks the text up, see task/retry_task_funcs.c.)
 * 2. The sweep waits until all transactions have ended that had begun before
 *	  that, since they may have found an old id.  Later ones have discarded
 *	  their caches, see command.c.
 * 3. It collects the ids below the floor, reads all schedules, subscriptions and plans, and
 *	  waits again: another transaction may have read a schedule that was dropped
 *	  meanwhile, and be about to insert its task.
 * 4. It reads all tasks.  A command that was met nowhere has no reference but
 *	  in the history, and gains none: its unused_since is set.
 * 5. A later sweep deletes it, when all history is younger than that.
 *
 * Waiting means to look again later: see others_gone().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/params.h"
#include "handler/unused.h"
#include "shared/work.h"

/* so many commands above the floor are worth a sweep; tests need fewer */
#ifdef JDG_FAULTS
#define GENERATION	"100"
#define WINDOW		150
#define BATCH		100
#else
#define GENERATION	"10000"
#define WINDOW		200000		/* commands for which tasks are read once */
#define BATCH		2000
#endif

/* a duty returns after this time in microseconds, to go on in its next turn */
#define TURN_US		(50 * 1000L)

/* pause before it looks again for old transactions; doubled each time */
#define FIRST_WAIT	USECS_PER_SEC
#define LAST_WAIT	USECS_PER_HOUR

typedef enum SweepStep
{
	SWEEP_IDLE,
	SWEEP_FLOOR,				/* waits for lookups below the floor */
	SWEEP_COLLECT,
	SWEEP_SCHEDULES,
	SWEEP_SUBSCRIPTIONS,
	SWEEP_PLANS,
	SWEEP_HOLDERS,				/* waits for readers of these */
	SWEEP_TASKS,
	SWEEP_MARK
} SweepStep;

typedef struct Sweep
{
	SweepStep	step;
	MemoryContext mcxt;
	int64		floor;
	TimestampTz delete_before;	/* commands not used since then */
	TimestampTz unused_since;	/* when all tasks had been read */
	int64		position;		/* of the step in its table */
	int64		collected;		/* largest id collected so far */
	int64	   *ids;			/* the window: ids in order */
	bool	   *used;
	int			n;
	VirtualTransactionId *others;
	int			nothers;
	int64		wait_us;
} Sweep;

static Sweep sweep;

/*
 * Raises the floor above all commands if there are enough of them.  Processes
 * discard their caches of commands when that has committed.
 */
static void
raise_floor(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.here SET command_floor = "
		"(SELECT last_value + 1 FROM jadugar_internal.command_id_seq) "
		"WHERE (SELECT count(*) FROM (SELECT FROM jadugar_internal.command c "
		"WHERE c.command_id >= command_floor LIMIT " GENERATION ") n) "
		">= " GENERATION, 0
	};

	if (jdg_run(&q, NULL, NULL, 0) > 0)
		CacheInvalidateRelcacheByRelid(jdg_relation_oid("command"));
}

/*
 * Begins a sweep, or returns false if no command is below the floor.  A day is
 * added to the age of the oldest history for readers that have just seen it.
 */
static bool
begin_sweep(void)
{
	static JdgQuery q = {
		"SELECT command_floor, (SELECT min(a.finished_at) "
		"FROM jadugar_internal.attempt a) FROM jadugar_internal.here", 0
	};
	TimestampTz oldest;

	jdg_work_begin();
	raise_floor();
	jdg_run(&q, NULL, NULL, 0);
	sweep.floor = jdg_col_int64(0, 1, 0);
	oldest = jdg_col_time(0, 2, DT_NOEND);
	jdg_work_end();
	if (sweep.floor == 0)
		return false;
	sweep.delete_before = Min(oldest, jdg_now()) - USECS_PER_DAY;
	sweep.collected = 0;
	sweep.mcxt = AllocSetContextCreate(TopMemoryContext,
									   "jadugar unused commands",
									   ALLOCSET_DEFAULT_SIZES);
	sweep.ids = MemoryContextAlloc(sweep.mcxt, WINDOW * sizeof(int64));
	sweep.used = MemoryContextAlloc(sweep.mcxt, WINDOW * sizeof(bool));
	return true;
}

static void
end_sweep(void)
{
	MemoryContextDelete(sweep.mcxt);
	memset(&sweep, 0, sizeof(sweep));
}

/* Notes the transactions of this database that are under way. */
static void
note_others(void)
{
	MemoryContext old;

	jdg_work_begin();
	old = MemoryContextSwitchTo(sweep.mcxt);
	sweep.others = GetCurrentVirtualXIDs(InvalidTransactionId, false, false, 0,
										 &sweep.nothers);
	MemoryContextSwitchTo(old);
	jdg_work_end();
	sweep.wait_us = FIRST_WAIT;
}

/* Have they ended?  Prepared ones have when they are committed. */
static bool
others_gone(void)
{
	jdg_work_begin();
	while (sweep.nothers > 0 &&
		   VirtualXactLock(sweep.others[sweep.nothers - 1], false))
		sweep.nothers--;
	jdg_work_end();
	if (sweep.nothers > 0)
		return false;
	pfree(sweep.others);
	sweep.others = NULL;
	return true;
}

/*
 * Collects a batch of ids, and deletes those of the batch that have been
 * unused for long enough.  Returns false if the window is full or there are no
 * more.
 */
static bool
collect_some(void)
{
	static JdgQuery find = {
		"SELECT command_id, unused_since IS NULL "
		"FROM jadugar_internal.command "
		"WHERE command_id > $1 AND command_id < $2 "
		"ORDER BY command_id LIMIT $3", 3, {INT8OID, INT8OID, INT4OID}
	};
	static JdgQuery delete = {
		"DELETE FROM jadugar_internal.command "
		"WHERE command_id > $1 AND command_id <= $2 AND unused_since < $3", 3,
		{INT8OID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[3] = {Int64GetDatum(sweep.collected),
	Int64GetDatum(sweep.floor), Int32GetDatum(BATCH)};
	int64		collected = sweep.collected;
	int			n = sweep.n;
	int64		rows;

	if (n + BATCH > WINDOW)
		return false;
	jdg_work_begin();
	rows = jdg_run(&find, v, NULL, 0);
	for (int64 i = 0; i < rows; i++)
	{
		collected = jdg_col_int64(i, 1, 0);
		if (jdg_col_bool(i, 2))
			sweep.ids[n++] = collected;
	}
	v[1] = Int64GetDatum(collected);
	v[2] = TimestampTzGetDatum(sweep.delete_before);
	jdg_run(&delete, v, NULL, 0);
	jdg_work_end();
	sweep.n = n;
	sweep.collected = collected;
	return rows == BATCH;
}

static void
note_used(int64 command_id)
{
	int			low = 0;
	int			high = sweep.n;

	while (low < high)
	{
		int			mid = (low + high) / 2;

		if (sweep.ids[mid] < command_id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < sweep.n && sweep.ids[low] == command_id)
		sweep.used[low] = true;
}

/*
 * Reads a batch of rows that refer to commands.  The query returns a position
 * and an id or null, behind the position $1.  Returns false if it has no rows.
 */
static bool
read_some(JdgQuery *q)
{
	Datum		v[1] = {Int64GetDatum(sweep.position)};
	int64		last = sweep.position;
	int64		n;

	jdg_work_begin();
	n = jdg_run(q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		last = jdg_col_int64(i, 1, 0);
		note_used(jdg_col_int64(i, 2, 0));
	}
	jdg_work_end();
	sweep.position = last;
	return n > 0;
}

/* Marks a batch of the window.  Returns false at its end. */
static bool
mark_some(void)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.command SET unused_since = $1 "
		"WHERE command_id = ANY ($2)", 2, {TIMESTAMPTZOID, INT8ARRAYOID}
	};
	Datum		ids[BATCH];
	Datum		v[2];
	int			n = 0;
	int			i = (int) sweep.position;

	for (; i < sweep.n && n < BATCH; i++)
	{
		if (!sweep.used[i])
			ids[n++] = Int64GetDatum(sweep.ids[i]);
	}
	if (n > 0)
	{
		jdg_work_begin();
		v[0] = TimestampTzGetDatum(sweep.unused_since);
		v[1] = jdg_array(INT8OID, ids, NULL, n);
		jdg_run(&q, v, NULL, 0);
		JDG_FAULT("commands-unused");
		jdg_work_end();
	}
	sweep.position = i;
	return i < sweep.n;
}

static void
go_to(SweepStep step)
{
	sweep.step = step;
	sweep.position = 0;
}

/* Begins the next window: the following step collects it. */
static void
next_window(void)
{
	sweep.n = 0;
	memset(sweep.used, 0, WINDOW * sizeof(bool));
	go_to(SWEEP_COLLECT);
}

/* Works at the current step.  Returns false if it has to wait. */
static bool
work_some(void)
{
	static JdgQuery schedules = {
		"SELECT schedule_id, command_id FROM jadugar_internal.schedule "
		"WHERE schedule_id > $1 "
		"ORDER BY schedule_id LIMIT " CppAsString2(BATCH), 1, {INT8OID}
	};
	static JdgQuery subscriptions = {
		"SELECT subscription_id, command_id "
		"FROM jadugar_internal.subscription WHERE subscription_id > $1 "
		"ORDER BY subscription_id LIMIT " CppAsString2(BATCH), 1, {INT8OID}
	};
	static JdgQuery plans = {
		"SELECT v.version_id, (e.node ->> 'command_id')::int8 FROM "
		"(SELECT version_id, plan FROM jadugar_internal.flow_version "
		"WHERE version_id > $1 ORDER BY version_id LIMIT 20) v "
		"LEFT JOIN LATERAL jsonb_array_elements(v.plan) e (node) ON true "
		"ORDER BY v.version_id", 1, {INT8OID}
	};
	static JdgQuery tasks = {
		"SELECT task_id, command_id FROM jadugar_internal.task "
		"WHERE task_id > $1 ORDER BY task_id LIMIT " CppAsString2(BATCH), 1,
		{INT8OID}
	};

	switch (sweep.step)
	{
		case SWEEP_IDLE:
			if (!begin_sweep())
				return false;
			note_others();
			go_to(SWEEP_FLOOR);
			break;
		case SWEEP_FLOOR:
			if (!others_gone())
				return false;
			next_window();
			break;
		case SWEEP_COLLECT:
			if (collect_some())
				break;
			if (sweep.n > 0)
				go_to(SWEEP_SCHEDULES);
			else
			{
				end_sweep();
				return false;
			}
			break;
		case SWEEP_SCHEDULES:
			if (!read_some(&schedules))
				go_to(SWEEP_SUBSCRIPTIONS);
			break;
		case SWEEP_SUBSCRIPTIONS:
			if (!read_some(&subscriptions))
				go_to(SWEEP_PLANS);
			break;
		case SWEEP_PLANS:
			if (read_some(&plans))
				break;
			note_others();
			go_to(SWEEP_HOLDERS);
			break;
		case SWEEP_HOLDERS:
			if (!others_gone())
				return false;
			go_to(SWEEP_TASKS);
			break;
		case SWEEP_TASKS:
			if (read_some(&tasks))
				break;
			sweep.unused_since = jdg_now();
			go_to(SWEEP_MARK);
			break;
		case SWEEP_MARK:
			if (!mark_some())
				next_window();
			break;
	}
	return true;
}

TimestampTz
jdg_remove_unused_commands(JdgDb *db, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();

	while (GetCurrentTimestamp() - began < TURN_US)
	{
		CHECK_FOR_INTERRUPTS();
		if (work_some())
			continue;
		if (sweep.step == SWEEP_IDLE)
			return jdg_now() + USECS_PER_DAY;
		sweep.wait_us = Min(sweep.wait_us * 2, LAST_WAIT);
		return jdg_now() + sweep.wait_us / 2;
	}
	return DT_NOBEGIN;
}
