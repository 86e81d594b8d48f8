/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Claiming ready tasks.
 *
 * Runs in workers.  Reads the index task_ready directly, from the marks of the
 * lanes on (shared/lane.h): highest priority first, within one priority the
 * parties whose turn it is, and within a party the lanes merged by (run_at,
 * id).  A lane that a pause or a limit holds back is not read, so its backlog
 * costs nothing.
 *
 * The slot comes first, then the row.  The task takes its places at gates
 * (shared/gate.h), which makes limits exact, and is published in the worker's
 * slot.  Then its row is locked without waiting, and its state is checked in
 * the locked version.  So every process that finds the row locked finds the
 * task in a slot.
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

#include "base/clock.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/shmem.h"
#include "shared/suspect.h"
#include "task/claim.h"
#include "task/hold.h"
#include "task/key.h"
#include "task/limits.h"
#include "task/ready.h"
#include "task/taskslot.h"
#include "tenant/tenant.h"

/*
 * A claim stops when the payloads together are larger.  A worker holds them,
 * and copies for the history, until the commit.
 */
#define MAX_BYTES	((Size) 16 * 1024 * 1024)

/*
 * Tasks of a key that join its holder while other tasks are ready.  Each saves
 * handing the place on; more would keep the others waiting.
 */
#define KEY_TOGETHER 7

/* the state of one claim */
typedef struct Claim
{
	JdgDb	   *db;
	JdgSlot    *slot;
	Relation	heap;
	Relation	index;
	TransactionId busy;			/* seen in progress on some row */
	TimestampTz now;
	JdgJoinCheck join;
	MemoryContext mcxt;			/* of the tasks */
	JdgTask    *tasks;			/* that have been taken */
	int			ntasks;
	int			max;			/* the group is to hold no more */
	Size		bytes;			/* of their payloads */
	JdgReader	reader;
	int			each;			/* tasks of a shared rate that a party of
								 * weight 1 may take; 0: not known */
} Claim;

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

/* The limits of the task that is a source's head; "room" for those it adds. */
static const JdgLimits *
limits_of_head(const JdgSource *src, const JdgTask *look, JdgLimits *room)
{
	JdgTask		task;

	if (look->endpoint_id == 0 && !jdg_limits_vary(src->look.tenant))
		return &src->limits;
	task = *look;
	task.concurrency_key = jdg_task_slot_text(src->slot, JDG_A_CONCURRENCY_KEY);
	task.tenant = jdg_task_slot_text(src->slot, JDG_A_TENANT);
	task.host = jdg_task_slot_text(src->slot, JDG_A_HOST);
	*room = src->limits;
	jdg_limits_add(&task, src->look.tenant, room);
	return room;
}

/* Is it the lane of such tasks alone, so that it may be parked for one? */
static bool
is_own_lane(const JdgSource *src, const JdgTask *look)
{
	TupleTableSlot *row = src->slot;
	JdgTask		t = *look;

	if (src->look.lane == NULL)
		return false;
	t.tenant = jdg_task_slot_text(row, JDG_A_TENANT);
	t.concurrency_key = jdg_task_slot_text(row, JDG_A_CONCURRENCY_KEY);
	t.host = jdg_task_slot_text(row, JDG_A_HOST);
	return src->look.key.lane == jdg_task_lane(&t);
}

/*
 * Claims the task of a row, which must be in the state of "look": the last one
 * of c->tasks from here on.  False if that is not possible now.  *refusing: the
 * limit that refuses it, or -1.
 */
static bool
take_row(Claim *c, TupleTableSlot *row, const JdgTask *look,
		 const JdgLimits *limits, int *refusing)
{
	JdgTask    *task = &c->tasks[c->ntasks];

	*refusing = -1;
	if (is_taken(c, row) || is_to_be_charged(look->task_id))
		return false;
	*refusing = jdg_slot_hold(c->slot, look, limits);
	if (*refusing >= 0)
		return false;
	JDG_FAULT("claim-held");
	if (!lock_row(c->heap, row, look->state) ||
		is_to_be_charged(look->task_id))
	{
		jdg_slot_unhold_last(c->slot);
		return false;
	}
	JDG_FAULT("claim-locked");
	jdg_slot_hold_locked(c->slot);
	jdg_task_from_slot(row, task, c->mcxt);
	if (jdg_limits_have_rate(limits) || jdg_limits_have_breaker(limits))
	{
		task->limits = MemoryContextAlloc(c->mcxt, sizeof(JdgLimits));
		*task->limits = *limits;
		if (task->timeout != NULL)
			task->limits->longest = jdg_interval_us(task->timeout) +
				jdg_cancel_grace * INT64CONST(1000);
	}
	c->bytes += task->payload ? VARSIZE(task->payload) : 0;
	c->ntasks++;
	return true;
}

/*
 * A limit has refused the task at a source's head.  If all tasks of the lane
 * wait for it, the lane is parked.  A task that should be in another lane is
 * passed over.
 */
static void
refuse_head(Claim *c, JdgSource *src, const JdgTask *look,
			const JdgLimits *limits, int refusing)
{
	JdgLaneLook none = src->look;

	if (refusing < src->limits.n || is_own_lane(src, look))
	{
		/* at no other limit than one that all its tasks have */
		jdg_gates_park(&src->look,
					   refusing < src->limits.n ? &src->limits : limits,
					   c->now, c->reader.epoch);
		src->has_head = false;
		return;
	}
	none.lane = NULL;
	jdg_gates_park(&none, limits, c->now, c->reader.epoch);
}

/*
 * Is it an HTTP task that fails rather than wait for a breaker, which has
 * refused it?
 */
static bool
fails_when_open(const Claim *c, const JdgTask *look, const JdgLimits *limits)
{
	JdgRefusal	why;

	return jdg_lane_fails_when_open(look->lane) &&
		jdg_gates_refusing(limits, c->now, &why) >= 0 &&
		why == JDG_REFUSED_BREAKER;
}

/* Claims the task at a source's head; false if that is not possible now. */
static bool
take_head(Claim *c, JdgSource *src, const JdgTask *look)
{
	JdgLimits	room;
	const JdgLimits *limits = limits_of_head(src, look, &room);
	int			refusing;

	if (take_row(c, src->slot, look, limits, &refusing))
	{
		src->taken++;
		return true;
	}
	if (refusing >= 0 && fails_when_open(c, look, limits))
	{
		static const JdgLimits none = {0};

		if (!take_row(c, src->slot, look, &none, &refusing))
			return false;
		c->tasks[c->ntasks - 1].circuit_open = true;
		src->taken++;
		return true;
	}
	if (refusing >= 0)
		refuse_head(c, src, look, limits, refusing);
	return false;
}

/* Would the group hold too much with this row? */
static bool
is_too_large(const Claim *c, TupleTableSlot *row)
{
	return c->ntasks > 0 &&
		c->bytes + jdg_task_payload_size(row) > MAX_BYTES;
}

/*
 * The group has room after a task that holds a place of its key: claims the
 * tasks that wait for this place, in their order, until c->ntasks is "max".
 * They run one after another in it, in this transaction, and stay in state k.
 * Ends at the first one that cannot be claimed now.  "among_ready": it shares
 * the group with ready tasks, so only tasks of its priority and tenant join it.
 */
static void
claim_waiting(Claim *c, int holder, int max, bool among_ready)
{
	const JdgTask *h = &c->tasks[holder];
	int64		after = 0;
	int			before = c->ntasks;
	JdgKeyScan *scan;
	TupleTableSlot *row;
	JdgInternal in;

	/* tasks that have joined a holder of this key */
	for (int i = 0; i < before; i++)
	{
		if (c->tasks[i].state == JDG_STATE_KEY &&
			c->tasks[i].owner == h->owner &&
			strcmp(c->tasks[i].concurrency_key, h->concurrency_key) == 0)
			after = Max(after, c->tasks[i].task_id);
	}
	jdg_internal_begin(&in);
	scan = jdg_key_scan_begin(c->heap, h->owner, h->concurrency_key, after);
	while (c->ntasks < max && (row = jdg_key_scan_next(scan)) != NULL)
	{
		JdgTask		look;
		JdgTask    *task = &c->tasks[c->ntasks];
		JdgLimits	limits;
		int			refusing;

		jdg_task_head_from_slot(row, &look);
		look.concurrency_key = h->concurrency_key;
		look.tenant = jdg_task_slot_text(row, JDG_A_TENANT);
		if (among_ready &&
			(look.priority != h->priority ||
			 jdg_tenant_lane(look.tenant) != jdg_tenant_lane(h->tenant)))
			break;
		jdg_limits_of(&look, &limits);
		if (is_too_large(c, row) ||
			c->join(&look, c->ntasks) != JDG_JOIN_YES)
			break;
		if (c->ntasks == before &&
			!jdg_key_within_limit(h->owner, h->concurrency_key))
			break;
		if (!take_row(c, row, &look, &limits, &refusing))
			break;
		task->turn_of = h->turn_of;
		task->weight = h->weight;
	}
	jdg_key_scan_end(scan);
	jdg_internal_end(&in);
}

/*
 * Do the parties take turns?  Also if a gate has let in this one alone: others
 * may wait there.
 */
static bool
takes_turns(const Claim *c, const JdgSource *src)
{
	return c->reader.nparties > 1 || src->look.gate != JDG_PLACE_NONE;
}

/*
 * Is the turn of a party over, which has taken n tasks by a rate that others
 * share?  The parties that may be read share what the rate allows now.
 */
static bool
is_turn_over(Claim *c, const JdgTask *task, int n)
{
	if (c->each == 0)
		c->each = 1 + jdg_gates_room(task->limits, c->now, JDG_GROUP_MAX) /
			Max(c->reader.nparties, 1);
	return task->weight > 0 && n >= c->each * task->weight;
}

/*
 * Claims from the sources of a party until its turn is over or the group is
 * full; returns whether the group is to hold no more.
 */
static bool
claim_from(Claim *c, JdgSource *sources, int nsources, bool *more)
{
	JdgSource  *src;
	int			shared = 0;		/* tasks of a rate that others share */
	bool		over = false;
	bool		ended = false;

	for (int i = 0; i < nsources; i++)
		jdg_ready_open(c->db, &sources[i], c->heap, c->index);
	while (c->ntasks < c->max && !over &&
		   (src = jdg_ready_first(sources, nsources)) != NULL)
	{
		JdgTask    *task = &c->tasks[c->ntasks];
		JdgTask		look;
		JdgJoin		j;

		CHECK_FOR_INTERRUPTS();
		jdg_task_head_from_slot(src->slot, &look);
		j = c->join(&look, c->ntasks);
		ended = j == JDG_JOIN_NO || is_too_large(c, src->slot);
		if (ended)
			break;
		if (take_head(c, src, &look))
		{
			task->turn_of = src->look.tenant;
			task->weight = takes_turns(c, src) ?
				jdg_tenant_weight(src->look.tenant) : 0;
			if (j == JDG_JOIN_LAST)
				c->max = c->ntasks;
			else if (task->key_place)
				claim_waiting(c, c->ntasks - 1,
							  Min(c->ntasks + KEY_TOGETHER, c->max), true);
			over = task->limits != NULL &&
				jdg_limits_share_rate(task->limits) &&
				is_turn_over(c, task, ++shared);
		}
		if (src->has_head)
			jdg_ready_advance(src);
	}
	*more |= jdg_ready_first(sources, nsources) != NULL;
	for (int i = 0; i < nsources; i++)
		jdg_ready_close(&sources[i]);
	return c->ntasks >= c->max || ended;
}

/* The same for the sources that the reader has, one party after the other. */
static bool
claim_next(Claim *c, bool *more)
{
	JdgReader  *r = &c->reader;
	bool		full = false;
	int			first = 0;

	while (first < r->nsources && !full)
	{
		int			end = first + 1;

		while (end < r->nsources &&
			   r->source[end].look.tenant == r->source[first].look.tenant)
			end++;
		full = claim_from(c, &r->source[first], end - first, more);
		first = end;
	}
	*more |= first < r->nsources;
	return full;
}

int
jdg_claim(JdgSlot *slot, Oid owner, JdgCarrier carrier, JdgTask *tasks,
		  int max, JdgJoinCheck join, MemoryContext mcxt, bool *more)
{
	Claim	   *c = palloc(sizeof(Claim));
	bool		full = false;
	bool		found;
	int			claimed;

	*more = false;
	c->db = jdg_my_db();
	c->slot = slot;
	c->busy = InvalidTransactionId;
	c->now = jdg_now();
	c->each = 0;
	c->join = join;
	c->mcxt = mcxt;
	c->tasks = tasks;
	c->ntasks = 0;
	c->max = max;
	c->bytes = 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	found = !jdg_claims_paused();
	if (found)
	{
		jdg_reader_init(&c->reader, c->db, owner, carrier);
		found = jdg_reader_next(&c->reader);
	}
	PopActiveSnapshot();
	if (!found)
		return 0;
	c->heap = table_open(jdg_relation_oid("task"), RowExclusiveLock);
	c->index = index_open(jdg_relation_oid("task_ready"), AccessShareLock);
	for (;;)
	{
		/* later than the look at the marks */
		PushActiveSnapshot(GetTransactionSnapshot());
		full = claim_next(c, more);
		if (full || !jdg_reader_next(&c->reader))
			break;
		PopActiveSnapshot();
	}
	/* other parties and lower priorities have not been looked at */
	*more |= full && c->reader.more;
	/* no ready task is left: tasks that wait for those in the group */
	claimed = c->ntasks;
	for (int i = 0; i < claimed && !full && !*more; i++)
	{
		if (tasks[i].key_place)
			claim_waiting(c, i, c->max, false);
	}
	index_close(c->index, NoLock);
	table_close(c->heap, NoLock);
	PopActiveSnapshot();
	return c->ntasks;
}

bool
jdg_claim_one(JdgSlot *slot, int64 task_id, JdgTask *task, MemoryContext mcxt)
{
	bool		again = slot->ntasks > 0;
	bool		held = again;
	JdgTask		before = *task;
	JdgInternal in;
	JdgLimits	none = {0};
	bool		ok;

	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	ok = jdg_task_load(task_id, false, task, mcxt) &&
		task->state == JDG_STATE_READY;
	if (ok && !held)
		held = jdg_slot_hold(slot, task, &none) < 0;
	ok = ok && held && jdg_task_load(task_id, true, task, mcxt) &&
		task->state == JDG_STATE_READY;
	if (ok && again)
	{
		task->began = before.began;
		task->turn_of = before.turn_of;
		task->weight = before.weight;
	}
	if (ok)
		jdg_slot_hold_locked(slot);
	else if (held)
		jdg_slot_unhold_last(slot);
	jdg_internal_end(&in);
	PopActiveSnapshot();
	return ok;
}
