/*-------------------------------------------------------------------------
 *
 * backlog.c
 *	  Events that shards have not passed yet, see backlog.h.
 *
 * Runs in the scheduler and in sessions.  Only leaves are read whose limits
 * say that they may have such events, from the first transaction on that a
 * position may not have seen, by the index (xid, event_id).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/compat.h"
#include "event/backlog.h"
#include "event/era.h"
#include "event/grant.h"

/* the scan of one leaf, in order of (xid, event_id) */
typedef struct LeafScan
{
	Relation	heap;
	Relation	index;
	IndexScanDesc desc;
	uint64		xid;
	bool		within;			/* the other events of "xid" come first */
} LeafScan;

static void
begin_part(LeafScan *scan, StrategyNumber xids, RegProcedure xid_compares,
		   int64 after_id)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, xids, xid_compares,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(scan->xid)));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(after_id));
	index_rescan(scan->desc, keys, 2, NULL, 0);
}

/*
 * Begins the scan of a leaf behind a place of it, or at a transaction.  False:
 * the leaf has just been dropped.
 */
static bool
open_scan(LeafScan *scan, const JdgLeaf *leaf, const JdgBacklogPlace *place,
		  uint64 from)
{
	scan->heap = OidIsValid(leaf->relid) ?
		try_table_open(leaf->relid, AccessShareLock) : NULL;
	if (scan->heap == NULL)
		return false;
	scan->index = index_open(jdg_leaf_xid_index(leaf->leaf), AccessShareLock);
	scan->desc = jdg_index_beginscan(scan->heap, scan->index,
									 GetActiveSnapshot(), 2);
	scan->desc->xs_want_itup = true;
	scan->within = place->leaf == leaf->leaf && place->xid >= from;
	scan->xid = scan->within ? place->xid : from;
	if (scan->within)
		begin_part(scan, BTEqualStrategyNumber, F_XID8EQ, place->event_id);
	else
		begin_part(scan, BTGreaterEqualStrategyNumber, F_XID8GE, 0);
	return true;
}

/* Goes to the next entry of the index. */
static bool
next_entry(LeafScan *scan)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (index_getnext_tid(scan->desc, ForwardScanDirection) != NULL)
			return true;
		if (!scan->within)
			return false;
		scan->within = false;
		begin_part(scan, BTGreaterStrategyNumber, F_XID8GT, 0);
	}
}

static void
close_scan(LeafScan *scan)
{
	index_endscan(scan->desc);
	index_close(scan->index, AccessShareLock);
	table_close(scan->heap, AccessShareLock);
}

/* Sets the place to the entry of the index at which a scan is. */
static void
set_place(JdgBacklogPlace *place, int32 leaf, const LeafScan *scan)
{
	TupleDesc	desc = scan->desc->xs_itupdesc;
	bool		isnull;
	Datum		xid = index_getattr(scan->desc->xs_itup, 1, desc, &isnull);
	Datum		id = index_getattr(scan->desc->xs_itup, 2, desc, &isnull);

	place->leaf = leaf;
	place->xid = U64FromFullTransactionId(DatumGetFullTransactionId(xid));
	place->event_id = DatumGetInt64(id);
}

/* The shard to which an event falls; -1: it is not asked for, or has passed it. */
static int
shard_of(const JdgBacklogParty *p, const JdgEvent *e)
{
	int			shard = e->slot % p->s->shards;

	for (int i = 0; i < p->ncursors; i++)
	{
		const JdgCursor *c = &p->cursors[i];

		if (c->shard == shard)
			return jdg_cursor_has_passed(c, e->event_id,
										 U64FromFullTransactionId(e->xid)) ?
				-1 : i;
	}
	return -1;
}

/* Flows have no owner here: that depends on the run. */
static bool
may_read(const JdgSubscription *s, const JdgTopic *topic, const JdgEvent *e)
{
	return !OidIsValid(s->owner) ||
		jdg_event_access(s->owner, topic, e) == JDG_EVENT_WHOLE;
}

/*
 * Counts the row in the slot for a subscription if it is still to come; true:
 * a shard has "most".  The row is read when it is first needed.
 */
static bool
count_for(JdgBacklogSearch *b, const JdgBacklogParty *p, const JdgTopic *topic,
		  TupleTableSlot *slot, JdgEvent *e, bool *is_read)
{
	int			i = p->s != NULL ? shard_of(p, e) : -1;

	if (i < 0)
		return false;
	if (*is_read)
		b->looks--;
	else
		jdg_event_read(slot, e);
	*is_read = true;
	if (!jdg_subscription_wants(p->s, e) || !may_read(p->s, topic, e))
		return false;
	if (b->oldest == 0 || e->published_at < b->oldest)
		b->oldest = e->published_at;
	return ++p->events[i] >= b->most;
}

/* Counts the row in the slot for all; true: a shard has "most". */
static bool
count_row(JdgBacklogSearch *b, const JdgTopic *topic, TupleTableSlot *slot)
{
	bool		is_read = false;
	JdgEvent	e;

	jdg_event_read_head(slot, &e);
	for (int i = 0; i < b->nparties; i++)
	{
		b->found = i;
		if (count_for(b, &b->parties[i], topic, slot, &e, &is_read))
			return true;
	}
	return false;
}

static JdgBacklogStep
search_leaf(JdgBacklogSearch *b, const JdgLeaf *leaf)
{
	JdgBacklogStep step = JDG_BACKLOG_LESS;
	MemoryContext row;
	MemoryContext old;
	JdgTopic	topic;
	TupleTableSlot *slot;
	LeafScan	scan;

	if (!jdg_leaf_topic(leaf->leaf, &topic) ||
		!open_scan(&scan, leaf, &b->place, b->from))
		return JDG_BACKLOG_LESS;
	slot = table_slot_create(scan.heap, NULL);
	row = AllocSetContextCreate(CurrentMemoryContext, "jadugar backlog",
								ALLOCSET_DEFAULT_SIZES);
	while (step == JDG_BACKLOG_LESS && next_entry(&scan))
	{
		b->looks--;
		set_place(&b->place, leaf->leaf, &scan);
		old = MemoryContextSwitchTo(row);
		if (b->place.event_id <= b->until_id &&
			index_fetch_heap(scan.desc, slot) &&
			count_row(b, &topic, slot))
			step = JDG_BACKLOG_MOST;
		else if (b->looks <= 0)
			step = JDG_BACKLOG_UNKNOWN;
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
	}
	MemoryContextDelete(row);
	ExecDropSingleTupleTableSlot(slot);
	close_scan(&scan);
	return step;
}

static int
compare_leaves(const void *a, const void *b)
{
	int32		x = ((const JdgLeaf *) a)->leaf;
	int32		y = ((const JdgLeaf *) b)->leaf;

	return x < y ? -1 : x > y ? 1 : 0;
}

bool
jdg_backlog_has_passed_leaf(const JdgCursor *c, const JdgLeaf *leaf)
{
	JdgEra		era;

	if (c->done)
		return true;
	era = jdg_era_get(c->era);
	if (leaf->max_id >= era.end)
		return false;
	if (leaf->max_id < era.first)
		return c->base != NULL || leaf->max_id <= c->after_id;
	return jdg_xidset_has_range(c->base, leaf->min_xid, leaf->max_xid) ||
		(leaf->max_id <= c->after_id &&
		 (c->upto == NULL ||
		  jdg_xidset_has_range(c->upto, leaf->min_xid, leaf->max_xid)));
}

/* Can no event of the leaf count? */
static bool
is_left_out(const JdgBacklogSearch *b, const JdgLeaf *leaf)
{
	for (int i = 0; i < b->nparties; i++)
	{
		const JdgBacklogParty *p = &b->parties[i];

		if (p->s == NULL || (p->s->topics == NULL &&
							 leaf->topic_id == JDG_TOPIC_JADUGAR))
			continue;
		for (int j = 0; j < p->ncursors; j++)
		{
			if (!jdg_backlog_has_passed_leaf(&p->cursors[j], leaf))
				return false;
		}
	}
	return true;
}

JdgBacklogStep
jdg_backlog_search(JdgBacklogSearch *b, JdgLeaf *leaves, int n)
{
	qsort(leaves, n, sizeof(JdgLeaf), compare_leaves);
	for (int i = 0; i < n; i++)
	{
		JdgBacklogStep step;

		if (leaves[i].leaf < b->place.leaf || is_left_out(b, &leaves[i]))
			continue;
		step = search_leaf(b, &leaves[i]);
		if (step != JDG_BACKLOG_LESS)
			return step;
	}
	return JDG_BACKLOG_LESS;
}

/* Counts the rows of one leaf.  The index has their place. */
static JdgBacklogStep
count_leaf(JdgBacklogPlace *place, uint64 from, int64 *events, int64 most,
		   int64 *looks, const JdgLeaf *leaf)
{
	JdgBacklogStep step = JDG_BACKLOG_LESS;
	LeafScan	scan;

	if (!open_scan(&scan, leaf, place, from))
		return JDG_BACKLOG_LESS;
	while (step == JDG_BACKLOG_LESS && next_entry(&scan))
	{
		set_place(place, leaf->leaf, &scan);
		if (++*events >= most)
			step = JDG_BACKLOG_MOST;
		else if (--*looks <= 0)
			step = JDG_BACKLOG_UNKNOWN;
	}
	close_scan(&scan);
	return step;
}

JdgBacklogStep
jdg_backlog_rows(JdgBacklogPlace *place, uint64 from, int64 *events,
				 int64 most, int64 looks, JdgLeaf *leaves, int n)
{
	qsort(leaves, n, sizeof(JdgLeaf), compare_leaves);
	for (int i = 0; i < n; i++)
	{
		JdgBacklogStep step;

		if (leaves[i].leaf < place->leaf)
			continue;
		step = count_leaf(place, from, events, most, &looks, &leaves[i]);
		if (step != JDG_BACKLOG_LESS)
			return step;
	}
	return JDG_BACKLOG_LESS;
}

uint64
jdg_backlog_from(const JdgCursor *c)
{
	if (c->base == NULL || c->era != jdg_era_now())
		return 0;
	return c->base->nxip > 0 ? c->base->xip[0] : c->base->xmax;
}

int
jdg_backlog_leaves(const JdgCursor *c, const int32 *topics, int n,
				   JdgLeaf **leaves)
{
	return jdg_leaves(topics, n, c->base == NULL ? c->after_id + 1 : 0,
					  PG_INT64_MAX, jdg_backlog_from(c), leaves);
}
