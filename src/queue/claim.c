/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Claiming ready tasks.
 *
 * Runs in workers.  Reads the index task_ready straight: one scan for each
 * queue in which the owner has ready tasks and which is not paused or full,
 * merged by (priority, run_at, id).  A queue that is paused or at its limit
 * is not looked at, so what waits there costs nothing.
 *
 * Slot first, then the row: the task is published in the worker's slot (under
 * JdgShared->lock where its queue has a limit, which makes the limit exact),
 * then its row is locked without waiting, then its state is checked in the
 * locked version.  So whoever finds the row locked finds the task in a slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/queue.h"
#include "core/compat.h"
#include "core/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "queue/claim.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* columns of jadugar.task, in the order of sql/20_tables.sql */
enum
{
	A_TASK_ID = 1, A_OWNER, A_QUEUE_ID, A_PRIORITY, A_STATE, A_TRANSACTION,
	A_ISOLATE, A_BOUNDED, A_ATTEMPT, A_MAX_ATTEMPTS, A_CRASHES, A_COMMAND_ID,
	A_RUN_AT, A_CREATED_AT, A_PAYLOAD, A_SCHEDULE_ID, A_SCHEDULED_FOR,
	A_STARTED_AT, A_TIMEOUT, A_RETRY, A_SETTINGS, A_METADATA, A_UNIQUE_KEY,
	A_CONCURRENCY_KEY, A_TENANT, A_TRACE, A_ON_DEPENDENCY_FAILURE
};

/* a queue to claim from */
typedef struct Source
{
	int32		queue_id;
	int32		limit;			/* 0: none */
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		has_head;
	int32		priority;
	TimestampTz run_at;
	int64		task_id;
} Source;

bool
jdg_slot_hold(JdgSlot *slot, const JdgTask *task, int32 queue_limit)
{
	bool		ok = true;

	if (queue_limit > 0)
	{
		LWLockAcquire(JdgShared->lock, LW_EXCLUSIVE);
		ok = jdg_slots_queue_load(MyDatabaseId, task->queue_id) < queue_limit;
	}
	if (ok)
	{
		JdgSlotTask *st;

		SpinLockAcquire(&slot->mutex);
		st = &slot->task[slot->ntasks];
		st->task_id = task->task_id;
		st->queue_id = task->queue_id;
		st->attempt = task->attempt;
		st->phase = JDG_TASK_CLAIMED;
		st->cancel = JDG_CANCEL_NONE;
		st->locked = false;
		st->limited = queue_limit > 0;
		st->standalone = false;
		slot->ntasks++;
		SpinLockRelease(&slot->mutex);
	}
	if (queue_limit > 0)
		LWLockRelease(JdgShared->lock);
	return ok;
}

/* The row of the task held last is locked: requests to cancel may come. */
static void
hold_is_locked(JdgSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->task[slot->ntasks - 1].locked = true;
	SpinLockRelease(&slot->mutex);
}

void
jdg_slot_unhold_last(JdgSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->ntasks--;
	SpinLockRelease(&slot->mutex);
}

void
jdg_slot_clear(JdgSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->ntasks = 0;
	slot->current = -1;
	slot->generation++;
	slot->deadline = DT_NOEND;
	slot->progress = -1;
	slot->message[0] = '\0';
	SpinLockRelease(&slot->mutex);
}

static Datum
attr(TupleTableSlot *s, int no, bool *isnull)
{
	*isnull = s->tts_isnull[no - 1];
	return s->tts_values[no - 1];
}

static char *
text_attr(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}

static Jsonb *
jsonb_attr(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(d);
}

static TimestampTz
time_attr(TupleTableSlot *s, int no)
{
	bool		isnull;
	Datum		d = attr(s, no, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(d);
}

/* what the join check looks at: fixed-width columns, nothing detoasted */
static void
task_from_slot_short(TupleTableSlot *s, JdgTask *t)
{
	bool		isnull;

	slot_getallattrs(s);
	memset(t, 0, sizeof(*t));
	t->task_id = DatumGetInt64(attr(s, A_TASK_ID, &isnull));
	t->owner = DatumGetObjectId(attr(s, A_OWNER, &isnull));
	t->queue_id = DatumGetInt32(attr(s, A_QUEUE_ID, &isnull));
	t->priority = DatumGetInt32(attr(s, A_PRIORITY, &isnull));
	t->state = DatumGetChar(attr(s, A_STATE, &isnull));
	t->transaction = DatumGetChar(attr(s, A_TRANSACTION, &isnull));
	t->isolate = DatumGetBool(attr(s, A_ISOLATE, &isnull));
	t->bounded = DatumGetBool(attr(s, A_BOUNDED, &isnull));
	t->attempt = DatumGetInt32(attr(s, A_ATTEMPT, &isnull));
	t->max_attempts = DatumGetInt32(attr(s, A_MAX_ATTEMPTS, &isnull));
	t->crashes = DatumGetInt32(attr(s, A_CRASHES, &isnull));
	t->command_id = DatumGetInt64(attr(s, A_COMMAND_ID, &isnull));
	t->run_at = DatumGetTimestampTz(attr(s, A_RUN_AT, &isnull));
	t->created_at = DatumGetTimestampTz(attr(s, A_CREATED_AT, &isnull));
	t->schedule_id = DatumGetInt64(attr(s, A_SCHEDULE_ID, &isnull));
	if (isnull)
		t->schedule_id = 0;
	t->scheduled_for = time_attr(s, A_SCHEDULED_FOR);
	t->started_at = time_attr(s, A_STARTED_AT);
}

static void
task_from_slot(TupleTableSlot *s, JdgTask *t, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		isnull;
	Datum		d;

	task_from_slot_short(s, t);
	t->payload = jsonb_attr(s, A_PAYLOAD);
	d = attr(s, A_TIMEOUT, &isnull);
	if (!isnull)
	{
		t->timeout = palloc(sizeof(Interval));
		memcpy(t->timeout, DatumGetIntervalP(d), sizeof(Interval));
	}
	t->retry = jsonb_attr(s, A_RETRY);
	t->settings = jsonb_attr(s, A_SETTINGS);
	t->metadata = jsonb_attr(s, A_METADATA);
	t->unique_key = text_attr(s, A_UNIQUE_KEY);
	t->concurrency_key = text_attr(s, A_CONCURRENCY_KEY);
	t->tenant = text_attr(s, A_TENANT);
	t->trace = text_attr(s, A_TRACE);
	d = attr(s, A_ON_DEPENDENCY_FAILURE, &isnull);
	t->on_dependency_failure = isnull ? '\0' : DatumGetChar(d);
	MemoryContextSwitchTo(old);
}

/*
 * The queues in which the owner has ready tasks and that are not paused; none
 * while pause_all() is in force.
 */
static int
find_sources(Oid owner, Source **sources)
{
	static JdgQuery q = {
		"WITH RECURSIVE q(id) AS ("
		"(SELECT t.queue_id FROM jadugar.task t WHERE t.owner = $1 "
		"AND t.state = 'r' ORDER BY t.owner, t.queue_id LIMIT 1) "
		"UNION ALL "
		"SELECT (SELECT t.queue_id FROM jadugar.task t WHERE t.owner = $1 "
		"AND t.state = 'r' AND t.queue_id > q.id "
		"ORDER BY t.owner, t.queue_id LIMIT 1) "
		"FROM q WHERE q.id IS NOT NULL) "
		"SELECT u.queue_id, u.max_concurrency FROM q "
		"JOIN jadugar.queue u ON u.queue_id = q.id "
		"WHERE u.paused_at IS NULL "
		"AND (SELECT c.paused_at IS NULL FROM jadugar.control c)", 1, {OIDOID}
	};
	JdgInternal in;
	Datum		v[1] = {ObjectIdGetDatum(owner)};
	MemoryContext mcxt = CurrentMemoryContext;
	int			n;

	jdg_internal_begin(&in);
	n = (int) jdg_run(&q, v, NULL, 0);
	*sources = MemoryContextAllocZero(mcxt, sizeof(Source) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*sources)[i].queue_id = jdg_col_int32(i, 1, 0);
		(*sources)[i].limit = jdg_col_int32(i, 2, 0);
	}
	jdg_internal_end(&in);
	return n;
}

/* Move a source on to its next ready task. */
static void
advance(Source *src)
{
	bool		isnull;

	src->has_head = index_getnext_slot(src->scan, ForwardScanDirection,
									   src->slot);
	if (!src->has_head)
		return;
	src->priority = DatumGetInt32(slot_getattr(src->slot, A_PRIORITY, &isnull));
	src->run_at = DatumGetTimestampTz(slot_getattr(src->slot, A_RUN_AT, &isnull));
	src->task_id = DatumGetInt64(slot_getattr(src->slot, A_TASK_ID, &isnull));
}

static void
open_source(Source *src, Relation heap, Relation index, Oid owner)
{
	ScanKeyData key[2];

	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(owner));
	ScanKeyInit(&key[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(src->queue_id));
	src->scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(), 2);
	index_rescan(src->scan, key, 2, NULL, 0);
	src->slot = table_slot_create(heap, NULL);
	advance(src);
}

static bool
comes_before(const Source *a, const Source *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->run_at != b->run_at)
		return a->run_at < b->run_at;
	return a->task_id < b->task_id;
}

static Source *
first_source(Source *sources, int n)
{
	Source	   *best = NULL;

	for (int i = 0; i < n; i++)
	{
		if (sources[i].has_head &&
			(best == NULL || comes_before(&sources[i], best)))
			best = &sources[i];
	}
	return best;
}

/* Lock the row that the slot holds, without waiting, and read it again. */
static bool
lock_row(Relation heap, TupleTableSlot *tts, Snapshot snapshot)
{
	TM_FailureData tmfd;
	ItemPointerData tid = tts->tts_tid;
	TM_Result	res;
	bool		isnull;

	res = table_tuple_lock(heap, &tid, snapshot, tts,
						   GetCurrentCommandId(true), LockTupleExclusive,
						   LockWaitSkip, 0, &tmfd);
	if (res != TM_Ok)
		return false;
	return DatumGetChar(slot_getattr(tts, A_STATE, &isnull)) == JDG_STATE_READY;
}

int
jdg_claim(JdgSlot *slot, Oid owner, JdgTask *tasks, int max,
		  JdgJoinCheck join, MemoryContext mcxt, bool *more)
{
	Source	   *sources;
	int			nsources;
	int			n = 0;
	Relation	heap,
				index;
	Source	   *src;

	*more = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	nsources = find_sources(owner, &sources);
	if (nsources == 0)
	{
		PopActiveSnapshot();
		return 0;
	}
	/* this transaction's own view may have moved on */
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	heap = table_open(jdg_relation_oid("task"), RowExclusiveLock);
	index = index_open(jdg_relation_oid("task_ready"), AccessShareLock);
	for (int i = 0; i < nsources; i++)
		open_source(&sources[i], heap, index, owner);

	while (n < max && (src = first_source(sources, nsources)) != NULL)
	{
		JdgTask		look;
		JdgJoin		j;

		CHECK_FOR_INTERRUPTS();
		task_from_slot_short(src->slot, &look);
		j = join(&look, n);
		if (j == JDG_JOIN_NO)
		{
			*more = true;
			break;
		}
		if (!jdg_slot_hold(slot, &look, src->limit))
		{
			src->has_head = false;	/* the queue is at its limit */
			continue;
		}
		if (lock_row(heap, src->slot, GetActiveSnapshot()))
		{
			hold_is_locked(slot);
			task_from_slot(src->slot, &tasks[n++], mcxt);
			if (j == JDG_JOIN_LAST)
			{
				advance(src);
				*more = first_source(sources, nsources) != NULL;
				break;
			}
		}
		else
			jdg_slot_unhold_last(slot);
		advance(src);
	}
	if (n == max)
		*more = true;

	for (int i = 0; i < nsources; i++)
	{
		index_endscan(sources[i].scan);
		ExecDropSingleTupleTableSlot(sources[i].slot);
	}
	index_close(index, AccessShareLock);
	table_close(heap, NoLock);
	PopActiveSnapshot();
	return n;
}

bool
jdg_claim_one(JdgSlot *slot, int64 task_id, JdgTask *task, MemoryContext mcxt)
{
	JdgInternal in;
	JdgQueue	queue;
	bool		ok;

	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	ok = jdg_task_load(task_id, false, task, mcxt) &&
		task->state == JDG_STATE_READY &&
		jdg_queue_by_id(task->queue_id, &queue) && !queue.paused &&
		(slot->ntasks > 0 ||
		 jdg_slot_hold(slot, task, queue.max_concurrency));
	if (ok)
	{
		ok = jdg_task_load(task_id, true, task, mcxt) &&
			task->state == JDG_STATE_READY;
		if (ok)
			hold_is_locked(slot);
		else
			jdg_slot_unhold_last(slot);
	}
	else if (slot->ntasks > 0)
		jdg_slot_unhold_last(slot);
	jdg_internal_end(&in);
	PopActiveSnapshot();
	return ok;
}
