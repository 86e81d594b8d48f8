/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Claiming ready tasks.
 *
 * Runs in workers.  Reads the index task_ready directly, from the marks on
 * (shared/marks.c): priority by priority, highest first, and within one
 * priority the queues merged by (run_at, id).  A queue that is paused or at
 * its limit is not read, so its backlog costs nothing.
 *
 * The slot comes first, then the row.  The task is published in the worker's
 * slot, under JdgSharedLock where its queue has a limit, which makes the
 * limit exact.  Then its row is locked without waiting, and its state is
 * checked in the locked version.  So every process that finds the row locked
 * finds the task in a slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/queue_load.h"
#include "shared/shmem.h"
#include "shared/suspect.h"
#include "task/claim.h"
#include "task/key.h"
#include "task/ready.h"

/*
 * A claim stops when the payloads together are larger.  A worker holds them,
 * and copies for the history, until the commit.
 */
#define MAX_BYTES	((Size) 16 * 1024 * 1024)

/* the state of one claim */
typedef struct Claim
{
	JdgDb	   *db;
	JdgSlot    *slot;
	Relation	heap;
	Relation	index;
	TransactionId busy;			/* seen in progress on some row */
	int			nsources;
	JdgSource  *source;			/* highest priority first */
} Claim;

bool
jdg_slot_hold(JdgSlot *slot, const JdgTask *task, int32 queue_limit)
{
	JdgDb	   *db = jdg_my_db();
	bool		ok = true;

	if (queue_limit > 0)
	{
		LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
		ok = jdg_queue_has_room(db, task->queue_id, queue_limit);
	}
	if (ok)
	{
		JdgSlotTask *st;

		SpinLockAcquire(&slot->mutex);
		st = &slot->task[slot->ntasks];
		st->task_id = task->task_id;
		st->call.subscription_id = 0;
		st->queue_id = task->queue_id;
		st->attempt = task->attempt;
		st->phase = JDG_TASK_CLAIMED;
		st->cancel = JDG_CANCEL_NONE;
		st->cancelled_by = InvalidOid;
		st->locked = false;
		st->limited = queue_limit > 0;
		st->standalone = false;
		slot->ntasks++;
		SpinLockRelease(&slot->mutex);
	}
	if (queue_limit > 0)
		LWLockRelease(JdgSharedLock);
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

/*
 * The queue's limit may have stopped other workers while this worker only
 * tried the row, so they are notified.
 */
void
jdg_slot_unhold_last(JdgSlot *slot)
{
	bool		limited;

	SpinLockAcquire(&slot->mutex);
	slot->ntasks--;
	limited = slot->task[slot->ntasks].limited;
	SpinLockRelease(&slot->mutex);
	if (limited)
		jdg_queue_load_reduced(slot->dboid);
}

void
jdg_slot_clear(JdgSlot *slot)
{
	bool		limited = false;

	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < slot->ntasks; i++)
		limited |= slot->task[i].limited;
	slot->ntasks = 0;
	slot->current = -1;
	slot->generation++;
	slot->deadline = DT_NOEND;
	slot->progress = -1;
	slot->message[0] = '\0';
	SpinLockRelease(&slot->mutex);
	if (limited)
		jdg_queue_load_reduced(slot->dboid);
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

/* The size of the payload in memory; nothing is detoasted. */
static Size
payload_size(TupleTableSlot *s)
{
	bool		isnull;
	Datum		d = attr(s, JDG_A_PAYLOAD, &isnull);

	return isnull ? 0 : toast_raw_datum_size(d);
}

/* the fixed-width columns for the join check; nothing is detoasted */
static void
task_from_slot_short(TupleTableSlot *s, JdgTask *t)
{
	bool		isnull;
	Datum		d;

	slot_getallattrs(s);
	memset(t, 0, sizeof(*t));
	t->task_id = DatumGetInt64(attr(s, JDG_A_TASK_ID, &isnull));
	t->owner = DatumGetObjectId(attr(s, JDG_A_OWNER, &isnull));
	t->queue_id = DatumGetInt32(attr(s, JDG_A_QUEUE_ID, &isnull));
	t->priority = DatumGetInt32(attr(s, JDG_A_PRIORITY, &isnull));
	t->state = DatumGetChar(attr(s, JDG_A_STATE, &isnull));
	t->transaction = DatumGetChar(attr(s, JDG_A_TRANSACTION, &isnull));
	t->isolate = DatumGetBool(attr(s, JDG_A_ISOLATE, &isnull));
	t->bounded = DatumGetBool(attr(s, JDG_A_BOUNDED, &isnull));
	t->attempt = DatumGetInt32(attr(s, JDG_A_ATTEMPT, &isnull));
	t->max_attempts = DatumGetInt32(attr(s, JDG_A_MAX_ATTEMPTS, &isnull));
	t->crashes = DatumGetInt32(attr(s, JDG_A_CRASHES, &isnull));
	t->command_id = DatumGetInt64(attr(s, JDG_A_COMMAND_ID, &isnull));
	t->run_at = DatumGetTimestampTz(attr(s, JDG_A_RUN_AT, &isnull));
	t->created_at = DatumGetTimestampTz(attr(s, JDG_A_CREATED_AT, &isnull));
	t->schedule_id = DatumGetInt64(attr(s, JDG_A_SCHEDULE_ID, &isnull));
	if (isnull)
		t->schedule_id = 0;
	t->scheduled_for = time_attr(s, JDG_A_SCHEDULED_FOR);
	t->started_at = time_attr(s, JDG_A_STARTED_AT);
	d = attr(s, JDG_A_FLOW_RUN, &isnull);
	t->flow_run = isnull ? 0 : DatumGetInt64(d);
}

/*
 * Reads all columns of the row in the slot into the task; values are copied
 * into mcxt.
 */
static void
task_from_slot(TupleTableSlot *s, JdgTask *t, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		isnull;
	Datum		d;

	task_from_slot_short(s, t);
	t->payload = jsonb_attr(s, JDG_A_PAYLOAD);
	d = attr(s, JDG_A_TIMEOUT, &isnull);
	if (!isnull)
	{
		t->timeout = palloc(sizeof(Interval));
		memcpy(t->timeout, DatumGetIntervalP(d), sizeof(Interval));
	}
	t->retry = jsonb_attr(s, JDG_A_RETRY);
	t->settings = jsonb_attr(s, JDG_A_SETTINGS);
	t->metadata = jsonb_attr(s, JDG_A_METADATA);
	t->unique_key = text_attr(s, JDG_A_UNIQUE_KEY);
	t->concurrency_key = text_attr(s, JDG_A_CONCURRENCY_KEY);
	t->tenant = text_attr(s, JDG_A_TENANT);
	t->trace = text_attr(s, JDG_A_TRACE);
	d = attr(s, JDG_A_ON_DEPENDENCY_FAILURE, &isnull);
	t->on_dependency_failure = isnull ? JDG_FAILURE_NONE : DatumGetChar(d);
	d = attr(s, JDG_A_STEP_ID, &isnull);
	t->step_id = isnull ? 0 : DatumGetInt64(d);
	t->step = text_attr(s, JDG_A_STEP);
	d = attr(s, JDG_A_FLOW_DATA, &isnull);
	t->flow_data = jdg_flow_data_in(isnull ? '\0' : DatumGetChar(d));
	t->key_place = DatumGetBool(attr(s, JDG_A_KEY_PLACE, &isnull));
	d = attr(s, JDG_A_EXPECT_ROWS, &isnull);
	t->expect_rows = jdg_expect_rows_in(isnull ? '\0' : DatumGetChar(d));
	t->schedule = text_attr(s, JDG_A_SCHEDULE);
	t->event = jsonb_attr(s, JDG_A_EVENT);
	t->tid = s->tts_tid;
	MemoryContextSwitchTo(old);
}

/*
 * Has another transaction this row?  A look at the row only, to save the
 * attempt to lock it: most rows that one claim passes over belong to the same
 * few groups.
 */
static bool
is_taken(Claim *c, TupleTableSlot *tts)
{
	HeapTupleHeader row =
	((BufferHeapTupleTableSlot *) tts)->base.tuple->t_data;
	TransactionId holder = HeapTupleHeaderGetRawXmax(row);

	if ((row->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI)) != 0 ||
		TransactionIdIsCurrentTransactionId(holder))
		return false;
	if (holder == c->busy)
		return true;
	if (!TransactionIdIsInProgress(holder))
		return false;
	c->busy = holder;
	return true;
}

/*
 * Lock the row that the slot holds, without waiting, and read it again.  False
 * if it is locked, or not in that state any more.
 */
static bool
lock_row(Relation heap, TupleTableSlot *tts, JdgTaskState state)
{
	TM_FailureData tmfd;
	ItemPointerData tid = tts->tts_tid;
	TM_Result	res;
	bool		isnull;

	res = table_tuple_lock(heap, &tid, GetActiveSnapshot(), tts,
						   GetCurrentCommandId(true), LockTupleExclusive,
						   LockWaitSkip, 0, &tmfd);
	if (res != TM_Ok)
		return false;
	return DatumGetChar(slot_getattr(tts, JDG_A_STATE, &isnull)) == state;
}

/* Has a worker died with the task, which has not been charged yet? */
static bool
is_to_be_charged(int64 task_id)
{
	return jdg_slot_died_with(MyDatabaseId, task_id) ||
		jdg_suspect_holds(MyDatabaseId, task_id);
}

/*
 * Claims the task of a row, which must be in the state of "look"; false if
 * that is not possible now.  *full: the queue is at its limit.
 */
static bool
take_row(Claim *c, TupleTableSlot *row, const JdgTask *look, int limit,
		 bool *full, JdgTask *task, MemoryContext mcxt)
{
	if (is_taken(c, row) || is_to_be_charged(look->task_id))
		return false;
	if (!jdg_slot_hold(c->slot, look, limit))
	{
		*full = true;
		return false;
	}
	JDG_FAULT("claim-held");
	if (!lock_row(c->heap, row, look->state) ||
		is_to_be_charged(look->task_id))
	{
		jdg_slot_unhold_last(c->slot);
		return false;
	}
	JDG_FAULT("claim-locked");
	hold_is_locked(c->slot);
	task_from_slot(row, task, mcxt);
	return true;
}

/* Claims the task at a source's head; false if that is not possible now. */
static bool
take_head(Claim *c, JdgSource *src, const JdgTask *look, JdgTask *task,
		  MemoryContext mcxt)
{
	bool		full = false;
	bool		ok = take_row(c, src->slot, look, src->limit, &full, task, mcxt);

	/* nothing more of a queue at its limit */
	if (full)
		src->has_head = false;
	return ok;
}

/*
 * The group has room after a task that holds a place of its key: claims the
 * tasks that wait for this place, in their order.  They run one after another
 * in it, in this transaction, and stay in state k.  Ends at the first one that
 * cannot be claimed now.  Returns the number of tasks in the group.
 */
static int
claim_waiting(Claim *c, const JdgTask *holder, JdgTask *tasks, int n, int max,
			  JdgJoinCheck join, MemoryContext mcxt)
{
	JdgKeyScan *scan;
	TupleTableSlot *row;
	JdgInternal in;
	bool		full = false;
	int			before = n;

	jdg_internal_begin(&in);
	scan = jdg_key_scan_begin(c->heap, holder->owner, holder->concurrency_key);
	while (n < max && (row = jdg_key_scan_next(scan)) != NULL)
	{
		JdgTask		look;
		JdgQueue	queue;

		task_from_slot_short(row, &look);
		if (!jdg_queue_by_id(look.queue_id, &queue) || queue.paused ||
			join(&look, n) != JDG_JOIN_YES)
			break;
		if (n == before && !jdg_key_within_limit(holder->owner,
												 holder->concurrency_key))
			break;
		if (!take_row(c, row, &look, queue.max_concurrency, &full, &tasks[n],
					  mcxt))
			break;
		n++;
	}
	jdg_key_scan_end(scan);
	jdg_internal_end(&in);
	return n;
}

/*
 * Claim from sources of one priority until "max" tasks are there; true: the
 * group is to hold no more.
 */
static bool
claim_from(Claim *c, JdgSource *sources, int nsources, JdgTask *tasks, int *n,
		   int max, JdgJoinCheck join, MemoryContext mcxt, bool *more)
{
	JdgSource  *src;
	Size		bytes = 0;

	for (int i = 0; i < *n; i++)
		bytes += tasks[i].payload ? VARSIZE(tasks[i].payload) : 0;
	for (int i = 0; i < nsources; i++)
		jdg_ready_open(c->db, &sources[i], c->heap, c->index);
	while (*n < max && (src = jdg_ready_first(sources, nsources)) != NULL)
	{
		JdgTask		look;
		JdgJoin		j;

		CHECK_FOR_INTERRUPTS();
		task_from_slot_short(src->slot, &look);
		j = join(&look, *n);
		bytes += payload_size(src->slot);
		if (j == JDG_JOIN_NO || (*n > 0 && bytes > MAX_BYTES))
			break;
		if (take_head(c, src, &look, &tasks[*n], mcxt))
		{
			(*n)++;
			if (j == JDG_JOIN_LAST)
				max = *n;
		}
		if (src->has_head)
			jdg_ready_advance(src);
	}
	*more = jdg_ready_first(sources, nsources) != NULL;
	for (int i = 0; i < nsources; i++)
		jdg_ready_close(&sources[i]);
	return *more || *n >= max;
}

int
jdg_claim(JdgSlot *slot, Oid owner, JdgTask *tasks, int max,
		  JdgJoinCheck join, MemoryContext mcxt, bool *more)
{
	Claim	   *c = palloc(sizeof(Claim));
	bool		full = false;
	int			n = 0;
	int			level = 0;

	*more = false;
	c->db = jdg_my_db();
	c->slot = slot;
	c->busy = InvalidTransactionId;
	c->nsources = 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!jdg_claims_paused())
		c->source = jdg_ready_sources(c->db, owner, &c->nsources);
	PopActiveSnapshot();
	if (c->nsources == 0)
		return 0;
	/* later than the look at the marks */
	PushActiveSnapshot(GetTransactionSnapshot());
	c->heap = table_open(jdg_relation_oid("task"), RowExclusiveLock);
	c->index = index_open(jdg_relation_oid("task_ready"), AccessShareLock);
	while (level < c->nsources && !full)
	{
		int			end = level + 1;

		while (end < c->nsources &&
			   c->source[end].look.priority == c->source[level].look.priority)
			end++;
		full = claim_from(c, &c->source[level], end - level, tasks, &n, max,
						  join, mcxt, more);
		level = end;
	}
	/* no ready task is left: tasks that wait for those in the group */
	for (int i = 0, claimed = n; i < claimed && !full; i++)
	{
		if (tasks[i].key_place)
			n = claim_waiting(c, &tasks[i], tasks, n, max, join, mcxt);
	}
	/* lower priorities have not been looked at */
	*more |= level < c->nsources;
	index_close(c->index, NoLock);
	table_close(c->heap, NoLock);
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
