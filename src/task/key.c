/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Concurrency keys: who holds their places, and who is next.
 *
 * Runs in workers, in sessions and in the scheduler.  README.md has the rules,
 * what each lock protects, and the states after a crash.
 *
 * The indexes are read directly: no plan can read another one, and each look
 * costs as much as there are places, or waiting tasks wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/spi.h"
#include "shared/slot.h"
#include "shared/wakeup.h"
#include "task/key.h"
#include "task/wakeup.h"

/* places that one look gives at most; the next look gives further ones */
#define GIVE_MAX		1000

/* locked tasks that are passed over: a group of another worker, and some */
#define PASS_OVER_MAX	(2 * JDG_GROUP_MAX)

struct JdgKeyScan
{
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

/*
 * Begin a scan of one of the indexes on (owner, concurrency_key, ...).  If
 * "after" is not 0, the index goes on with the task's ID, and the scan begins
 * after this one.
 */
static JdgKeyScan *
begin_scan(Relation heap, const char *index, Oid owner, const char *key,
		   int64 after)
{
	JdgKeyScan *s = palloc(sizeof(JdgKeyScan));
	int			nkeys = after == 0 ? 2 : 3;
	ScanKeyData keys[3];

	s->index = index_open(jdg_relation_oid(index), AccessShareLock);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(owner));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(key));
	/* the order of the index is that of its collation */
	keys[1].sk_collation = s->index->rd_indcollation[1];
	ScanKeyInit(&keys[2], 3, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(after));
	s->scan = jdg_index_beginscan(heap, s->index, GetActiveSnapshot(), nkeys);
	s->slot = table_slot_create(heap, NULL);
	index_rescan(s->scan, keys, nkeys, NULL, 0);
	return s;
}

JdgKeyScan *
jdg_key_scan_begin(Relation heap, Oid owner, const char *key, int64 after)
{
	return begin_scan(heap, "task_key_waiting", owner, key, after);
}

/* The next row, NULL at the end. */
TupleTableSlot *
jdg_key_scan_next(JdgKeyScan *s)
{
	CHECK_FOR_INTERRUPTS();
	if (!index_getnext_slot(s->scan, ForwardScanDirection, s->slot))
		return NULL;
	return s->slot;
}

void
jdg_key_scan_end(JdgKeyScan *s)
{
	ExecDropSingleTupleTableSlot(s->slot);
	index_endscan(s->scan);
	index_close(s->index, NoLock);
	pfree(s);
}

/* The ids of at most "max" tasks of a key, by a fresh snapshot. */
static int
read_ids(const char *index, Oid owner, const char *key, int64 *ids, int max)
{
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	JdgKeyScan *s;
	TupleTableSlot *row;
	int			n = 0;
	bool		isnull;

	/* rows that this transaction has written must be visible */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	s = begin_scan(heap, index, owner, key, 0);
	while (n < max && (row = jdg_key_scan_next(s)) != NULL)
		ids[n++] = DatumGetInt64(slot_getattr(row, JDG_A_TASK_ID, &isnull));
	jdg_key_scan_end(s);
	PopActiveSnapshot();
	table_close(heap, NoLock);
	return n;
}

/* Maximum number of active tasks of the owner's key: 1 if it is not set. */
static int
key_limit(Oid owner, const char *key)
{
	static JdgQuery q = {
		"SELECT max_concurrency FROM jadugar_internal.limit_of "
		"WHERE scope = 'key' AND owner = $1 AND name = $2", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(key)};

	if (jdg_run(&q, v, NULL, 0) == 0)
		return 1;
	return jdg_col_int32(0, 1, 1);
}

/*
 * The tasks that hold places of a key, and the number of further ones that may
 * be given out.
 */
static int
read_places(Oid owner, const char *key, int64 **ids, int *room)
{
	int			limit = key_limit(owner, key);
	int			max = 64;
	int			n;

	for (;; max *= 2)
	{
		*ids = palloc(sizeof(int64) * max);
		n = read_ids("task_key_place", owner, key, *ids, max);
		if (n < max)
			break;
		pfree(*ids);
	}
	*room = Max(limit - n, 0);
	return n;
}

bool
jdg_key_within_limit(Oid owner, const char *key)
{
	int64	   *ids;
	int			room;
	int			n;

	Assert(jdg_is_bookkeeping());
	n = read_places(owner, key, &ids, &room);
	pfree(ids);
	return room > 0 || n <= key_limit(owner, key);
}

/* A waiting task gets a place, if its row can be locked. */
static bool
give_place(int64 task_id)
{
	JdgTask		t;

	if (!jdg_task_load(task_id, true, &t, CurrentMemoryContext))
		return false;
	if (t.state != JDG_STATE_KEY)
	{
		jdg_task_unchanged(&t);
		return false;
	}
	t.key_place = true;
	jdg_task_set_state(&t, jdg_ready_state(&t));
	JDG_FAULT("resolve-key");
	return true;
}

/*
 * Gives places to at most n waiting tasks of a key, lowest id first, and
 * passes over locked ones.  Returns how many it gave.  *left receives a task
 * that still waits, 0 if there is none.
 */
static int
give_places(Oid owner, const char *key, int n, int64 *left)
{
	int			given = 0;

	*left = 0;
	n = Min(n, GIVE_MAX);
	for (int more = 1; more <= PASS_OVER_MAX; more += PASS_OVER_MAX - 1)
	{
		int			max = n - given + more;
		int64	   *ids = palloc(sizeof(int64) * max);
		int			found = read_ids("task_key_waiting", owner, key, ids, max);

		*left = 0;
		for (int i = 0; i < found; i++)
		{
			if (given < n && give_place(ids[i]))
				given++;
			else
				*left = ids[i];
		}
		pfree(ids);
		if (given == n || found < max)
			break;
	}
	return given;
}

/*
 * This transaction has freed places of a key: hands them on, as far as the
 * limit allows.  A place that was free before is filled by the scheduler only,
 * or two transactions could fill the same one.
 */
static void
hand_on(Oid owner, const char *key, int freed)
{
	int64	   *ids;
	int64		left;
	int			room;

	if (read_ids("task_key_waiting", owner, key, &left, 1) == 0)
		return;
	(void) read_places(owner, key, &ids, &room);
	pfree(ids);
	freed = Min(freed, room);
	if (freed > 0 && give_places(owner, key, freed, &left) < freed &&
		left != 0)
		jdg_recheck_at_commit(left, false); /* another transaction has locked
											 * it */
}

bool
jdg_key_task_moved(JdgTask *t)
{
	bool		given_up = t->key_place && t->run_at > jdg_now() &&
	t->attempt == 0;

	if (given_up)
		t->key_place = false;
	t->state = jdg_state_without_dependencies(t);
	return given_up;
}

void
jdg_key_place_given_up(const JdgTask *t)
{
	Assert(jdg_is_bookkeeping());
	Assert(t->concurrency_key != NULL);
	hand_on(t->owner, t->concurrency_key, 1);
	/* this session is in no slot: see README.md */
	jdg_wake_scheduler_at_commit(JDG_WAKE_KEYS);
}

bool
jdg_key_may_be_kept(const JdgTask *t, const JdgOutcome *o)
{
	return t->concurrency_key != NULL &&
		(o->end == JDG_END_SNOOZED || o->end == JDG_END_AWAITS ||
		 o->end == JDG_END_HANDED);
}

void
jdg_key_pause(JdgTask *t, Oid by)
{
	bool		had_place = t->key_place;

	jdg_task_pause(t, by);
	if (had_place)
		jdg_key_place_given_up(t);
}

/* Index of the first task with the key of task i. */
static int
first_of_key(const JdgTask *tasks, int i)
{
	for (int j = 0; j < i; j++)
	{
		if (tasks[j].concurrency_key != NULL &&
			tasks[j].owner == tasks[i].owner &&
			strcmp(tasks[j].concurrency_key, tasks[i].concurrency_key) == 0)
			return j;
	}
	return i;
}

int *
jdg_key_places_at_end(JdgTask *tasks, const JdgOutcome *o,
					  const JdgDecision *d, int n)
{
	int		   *freed = palloc0(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		JdgTask    *t = &tasks[i];
		bool		keeps = d[i].stays && d[i].state != JDG_STATE_PAUSED &&
		(t->attempt > 0 || o[i].end != JDG_END_SNOOZED);
		int			first;

		if (t->concurrency_key == NULL)
			continue;
		first = first_of_key(tasks, i);
		if (t->key_place && !keeps)
		{
			t->key_place = false;
			freed[first]++;
		}
		else if (!t->key_place && keeps && freed[first] > 0)
		{
			/* it ran in the place of the task before it */
			t->key_place = true;
			freed[first]--;
		}
	}
	return freed;
}

void
jdg_key_hand_on(const JdgTask *tasks, const int *freed, int n)
{
	Assert(jdg_is_bookkeeping());
	for (int i = 0; i < n; i++)
	{
		if (freed[i] > 0)
			hand_on(tasks[i].owner, tasks[i].concurrency_key, freed[i]);
	}
}

JdgWaiting
jdg_key_examine(Oid owner, const char *key, const int64 *running,
				int nrunning, int64 *blocker)
{
	int64	   *places;
	int64		left;
	int			room;
	int			n;
	int			held = 0;

	Assert(jdg_is_bookkeeping());
	if (read_ids("task_key_waiting", owner, key, &left, 1) == 0)
		return JDG_WAITING_DONE;
	n = read_places(owner, key, &places, &room);
	if (room > 0)
	{
		(void) give_places(owner, key, room, &left);
		if (left == 0)
			return JDG_WAITING_DONE;
	}
	for (int i = 0; i < n; i++)
	{
		if (!jdg_is_running(places[i], running, nrunning))
			continue;
		*blocker = places[i];
		held++;
	}
	pfree(places);
	if (held > 1)
		*blocker = 0;
	return held > 0 ? JDG_WAITING_WATCH : JDG_WAITING_DONE;
}
