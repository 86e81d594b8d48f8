/*-------------------------------------------------------------------------
 *
 * backlog.c
 *	  Events that a shard has not passed yet, see backlog.h.
 *
 * Runs in the scheduler and in sessions.  Only leaves are read whose limits
 * say that they may have such events, from the first transaction on that the
 * position may not have seen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
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

/* events that are looked at in vain */
#define LOOKS_MAX 100000

/* one count */
typedef struct Count
{
	const JdgSubscription *s;
	const JdgCursor *c;
	uint64		from;			/* first transaction to look at */
	int64		most;
	int64		looks;			/* left */
	JdgTopic	topic;			/* of the leaf */
	JdgBacklog *result;
	MemoryContext row;			/* reset after each row */
} Count;

static bool
is_over(const Count *n)
{
	return n->result->events >= n->most || n->looks <= 0;
}

/* Flows have no owner here: that depends on the run. */
static bool
may_read(const Count *n, const JdgEvent *e)
{
	return !OidIsValid(n->s->owner) ||
		jdg_event_access(n->s->owner, &n->topic, e) == JDG_EVENT_WHOLE;
}

/* Counts the row in the slot if it is still to come. */
static void
count_row(Count *n, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(n->row);
	JdgEvent	e;

	n->looks--;
	jdg_event_read_head(slot, &e);
	if (e.slot % n->s->shards == n->c->shard &&
		!jdg_cursor_has_passed(n->c, e.event_id,
							   U64FromFullTransactionId(e.xid)))
	{
		jdg_event_read(slot, &e);
		if (jdg_subscription_wants(n->s, &e) && may_read(n, &e))
		{
			n->result->events++;
			n->result->oldest = Min(n->result->oldest, e.published_at);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(n->row);
}

static void
count_leaf(Count *n, const JdgLeaf *leaf)
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData key;

	heap = OidIsValid(leaf->relid) && jdg_leaf_topic(leaf->leaf, &n->topic) ?
		try_table_open(leaf->relid, AccessShareLock) : NULL;
	if (heap == NULL)
		return;
	index = index_open(jdg_leaf_xid_index(leaf->leaf), AccessShareLock);
	slot = table_slot_create(heap, NULL);
	scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(), 1);
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_XID8GE,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(n->from)));
	index_rescan(scan, &key, 1, NULL, 0);
	while (!is_over(n) && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		count_row(n, slot);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(heap, AccessShareLock);
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

/* The first transaction with events that the position may not have passed. */
static uint64
first_of(const JdgCursor *c)
{
	if (c->base == NULL || c->era != jdg_era_now())
		return 0;
	return c->base->nxip > 0 ? c->base->xip[0] : c->base->xmax;
}

static void
begin_count(Count *n, const JdgSubscription *s, const JdgCursor *c,
			int64 most, JdgBacklog *result)
{
	result->events = 0;
	result->oldest = DT_NOEND;
	n->s = s;
	n->c = c;
	n->from = first_of(c);
	n->most = most;
	n->looks = Min(most, PG_INT64_MAX - LOOKS_MAX) + LOOKS_MAX;
	n->result = result;
	n->row = AllocSetContextCreate(CurrentMemoryContext, "jadugar backlog",
								   ALLOCSET_DEFAULT_SIZES);
}

static void
end_count(Count *n)
{
	n->result->cut = is_over(n);
	MemoryContextDelete(n->row);
}

void
jdg_backlog_count(const JdgSubscription *s, const JdgCursor *c,
				  const int32 *topics, int n, int64 most, JdgBacklog *backlog)
{
	bool		all = topics == NULL && s->topics == NULL;
	Count		count;
	JdgLeaf    *leaves;
	int			nleaves;

	begin_count(&count, s, c, most, backlog);
	nleaves = jdg_leaves(topics ? topics : s->topics, topics ? n : s->ntopics,
						 c->base == NULL ? c->after_id + 1 : 0,
						 PG_INT64_MAX, count.from, &leaves);
	for (int i = 0; i < nleaves && !is_over(&count); i++)
	{
		if ((all && leaves[i].topic_id == JDG_TOPIC_JADUGAR) ||
			jdg_backlog_has_passed_leaf(c, &leaves[i]))
			continue;
		count_leaf(&count, &leaves[i]);
	}
	end_count(&count);
}

bool
jdg_backlog_has_leaf(const JdgSubscription *s, const JdgCursor *c,
					 const JdgLeaf *leaf)
{
	JdgBacklog	backlog;
	Count		count;

	if ((s->topics == NULL && leaf->topic_id == JDG_TOPIC_JADUGAR) ||
		jdg_backlog_has_passed_leaf(c, leaf))
		return false;
	begin_count(&count, s, c, 1, &backlog);
	count_leaf(&count, leaf);
	end_count(&count);
	return backlog.cut;
}
