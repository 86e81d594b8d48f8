/*-------------------------------------------------------------------------
 *
 * window.c
 *	  Windows of the event log, see window.h.
 *
 * Runs in workers, in sessions of consumers, and in the scheduler for flows that
 * wait for events.
 *
 * The transactions of a window are those from base.xmax up to upto.xmax that
 * "upto" has seen, and those of base.xip that it has seen: they were under way
 * when "base" was taken.  The index (xid, event_id) of each leaf finds their
 * events, so a transaction that stays open for hours costs a comparison.
 *
 * The ids of up to MAX_ENTRIES events are collected and sorted.  They are kept
 * longer than the transaction, so they are no addresses of rows: VACUUM FULL
 * moves these.  A larger window, and one without a base, is walked instead: in
 * order of ids from the least to the greatest, with a look at the transaction
 * of each row.  So memory stays flat.  A window whose events lie close together
 * is walked too: the next row of a scan costs less than a search for its id.
 *
 * Ids of transactions are compared within the window's era.  A snapshot has
 * seen all events of earlier eras, and none of later ones.
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

#include "base/columns.h"
#include "base/compat.h"
#include "base/happening.h"
#include "event/leaf.h"
#include "event/read.h"
#include "event/type.h"
#include "event/window.h"

/*
 * Events that are collected, the least number that is walked if it is dense,
 * and events that are passed over before jdg_window_next() returns.  Tests need
 * windows that are walked.
 */
#ifdef JDG_FAULTS
#define MAX_ENTRIES 8
#define DENSE_MIN 4
#define PASSED_AT_A_TIME 2
#else
#define MAX_ENTRIES 65536
#define DENSE_MIN 1024
#define PASSED_AT_A_TIME 256
#endif

/* A window is dense if at least every fourth id between its ends is its own. */
#define DENSE_SPREAD 4

/* an event that was collected */
typedef struct Entry
{
	int64		id;
	int32		leaf;
	Oid			relid;			/* of the leaf */
} Entry;

struct JdgWindow
{
	JdgWindowSpec spec;
	MemoryContext mcxt;
	int32	   *topics;			/* those to read */
	int			ntopics;
	char	  **types;			/* those that are wanted; NULL: all */
	int64		passed;
	/* collected */
	Entry	   *entry;
	int			n;
	int			next;
	/* walked */
	bool		walk;
	int64		least;			/* the least id of the window, or less */
	int64		greatest;		/* the greatest id, or more */
	int64		from;			/* the least id not returned yet */
	/* open between two calls, in a transaction */
	JdgEventScan *scan;
	int32		open_leaf;		/* 0: none */
	Relation	heap;
	Relation	index;			/* of ids */
	IndexScanDesc desc;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	JdgTopic	open_topic;
};

/* is the event one of this window? */
static bool
is_inside(const JdgWindow *w, const JdgEvent *e)
{
	uint64		xid = U64FromFullTransactionId(e->xid);

	if (e->event_id <= w->spec.after_id || e->event_id > w->spec.until_id ||
		e->event_id >= w->spec.era.end)
		return false;
	return e->event_id < w->spec.era.first ? w->spec.base == NULL :
		(jdg_xidset_has(w->spec.upto, xid) &&
		 !jdg_xidset_has(w->spec.base, xid));
}

static bool
is_of_shard(const JdgWindow *w, const JdgEvent *e)
{
	return e->slot % w->spec.shards == w->spec.shard;
}

static bool
is_of_type(const JdgWindow *w, const char *type)
{
	for (int i = 0; i < w->spec.ntypes; i++)
	{
		if (jdg_pattern_matches(w->types[i], type))
			return true;
	}
	return false;
}

/* Adds a row to the entries; if there are too many, only the ends count. */
static void
collect(JdgWindow *w, const JdgLeaf *leaf, TupleTableSlot *slot)
{
	char		type[JDG_EVENT_TYPE_MAX + 1];
	JdgEvent	e;

	jdg_event_read_head(slot, &e);
	if (!is_inside(w, &e))
		return;
	if (w->types != NULL)
		jdg_event_read_type(slot, type);
	if (!is_of_shard(w, &e) || (w->types != NULL && !is_of_type(w, type)))
	{
		w->passed++;
		return;
	}
	if (w->n == MAX_ENTRIES)
		w->walk = true;
	w->least = Min(w->least, e.event_id);
	w->greatest = Max(w->greatest, e.event_id);
	if (w->walk)
		return;
	if (w->n == 0)
		w->entry = MemoryContextAlloc(w->mcxt, sizeof(Entry) * 64);
	else if (w->n >= 64 && (w->n & (w->n - 1)) == 0)
		w->entry = repalloc(w->entry, sizeof(Entry) * w->n * 2);
	w->entry[w->n].id = e.event_id;
	w->entry[w->n].leaf = leaf->leaf;
	w->entry[w->n++].relid = leaf->relid;
}

/* Collects the rows of a leaf whose transactions are within a range. */
static void
collect_range(JdgWindow *w, const JdgLeaf *leaf, IndexScanDesc scan,
			  TupleTableSlot *slot, uint64 from, uint64 to)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(from)));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_XID8LE,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(to)));
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		collect(w, leaf, slot);
	}
}

/* Collects the rows of a leaf. */
static void
collect_leaf(JdgWindow *w, const JdgLeaf *leaf)
{
	const JdgXidSet *base = w->spec.base;
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;

	if (leaf->max_id <= w->spec.after_id || leaf->max_id < w->spec.era.first ||
		leaf->min_id >= w->spec.era.end ||
		jdg_xidset_has_range(base, leaf->min_xid, leaf->max_xid))
		return;
	heap = OidIsValid(leaf->relid) ?
		try_table_open(leaf->relid, AccessShareLock) : NULL;
	if (heap == NULL)
		return;
	index = index_open(jdg_leaf_xid_index(leaf->leaf), AccessShareLock);
	slot = table_slot_create(heap, NULL);
	scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(), 2);
	if (w->spec.upto->xmax > base->xmax)
		collect_range(w, leaf, scan, slot, base->xmax,
					  w->spec.upto->xmax - 1);
	for (int i = 0; i < base->nxip; i++)
	{
		if (jdg_xidset_has(w->spec.upto, base->xip[i]) &&
			base->xip[i] >= leaf->min_xid && base->xip[i] <= leaf->max_xid)
			collect_range(w, leaf, scan, slot, base->xip[i],
						  base->xip[i]);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(heap, AccessShareLock);
}

static int
compare_entries(const void *a, const void *b)
{
	int64		x = ((const Entry *) a)->id;
	int64		y = ((const Entry *) b)->id;

	return x < y ? -1 : x > y;
}

/* Sets the topics to read: those of the caller, or all but "jadugar". */
static void
set_topics(JdgWindow *w, const JdgLeaf *leaves, int n)
{
	if (w->spec.topics != NULL)
	{
		w->ntopics = w->spec.ntopics;
		w->topics = MemoryContextAlloc(w->mcxt, sizeof(int32) * Max(w->ntopics, 1));
		memcpy(w->topics, w->spec.topics, sizeof(int32) * w->ntopics);
	}
	else
	{
		w->topics = MemoryContextAlloc(w->mcxt, sizeof(int32) * Max(n, 1));
		for (int i = 0; i < n; i++)
		{
			if (leaves[i].topic_id != JDG_TOPIC_JADUGAR)
				w->topics[w->ntopics++] = leaves[i].topic_id;
		}
	}
	w->spec.topics = w->topics;
}

/* Copies the patterns of types. */
static void
set_types(JdgWindow *w)
{
	if (w->spec.types == NULL)
		return;
	w->types = MemoryContextAlloc(w->mcxt, sizeof(char *) * w->spec.ntypes);
	for (int i = 0; i < w->spec.ntypes; i++)
		w->types[i] = MemoryContextStrdup(w->mcxt, w->spec.types[i]);
	w->spec.types = w->types;
}

/* the first transaction that a snapshot may not have seen */
static uint64
first_unseen(const JdgXidSet *base)
{
	return base == NULL ? 0 : base->nxip > 0 ? base->xip[0] : base->xmax;
}

static bool
is_dense(const JdgWindow *w)
{
	return w->n >= DENSE_MIN &&
		w->greatest - w->least < (int64) w->n * DENSE_SPREAD;
}

static void
drop_entries(JdgWindow *w)
{
	if (w->entry != NULL)
		pfree(w->entry);
	w->entry = NULL;
	w->n = 0;
}

JdgWindow *
jdg_window_find(const JdgWindowSpec *spec)
{
	JdgWindow  *w = palloc0(sizeof(JdgWindow));
	JdgLeaf    *leaves;
	int			n;

	Assert(spec->shards > 0 && spec->upto != NULL);
	w->spec = *spec;
	w->spec.base = jdg_xidset_copy(spec->base);
	w->spec.upto = jdg_xidset_copy(spec->upto);
	w->mcxt = CurrentMemoryContext;
	w->least = PG_INT64_MAX;
	n = jdg_leaves(spec->topics, spec->ntopics, spec->after_id + 1,
				   spec->until_id, first_unseen(spec->base), &leaves);
	set_topics(w, leaves, n);
	set_types(w);
	if (spec->base == NULL)
	{
		w->walk = true;
		w->least = w->from = spec->after_id + 1;
		w->greatest = spec->until_id;
		return w;
	}
	for (int i = 0; i < n; i++)
	{
		if (spec->topics != NULL || leaves[i].topic_id != JDG_TOPIC_JADUGAR)
			collect_leaf(w, &leaves[i]);
	}
	if (is_dense(w))
		w->walk = true;
	if (w->walk)
		drop_entries(w);
	w->from = w->least;
	qsort(w->entry, w->n, sizeof(Entry), compare_entries);
	return w;
}

/* Closes the leaf that is open. */
static void
close_leaf(JdgWindow *w)
{
	if (w->open_leaf == 0)
		return;
	index_endscan(w->desc);
	UnregisterSnapshot(w->snapshot);
	ExecDropSingleTupleTableSlot(w->slot);
	index_close(w->index, AccessShareLock);
	table_close(w->heap, AccessShareLock);
	w->open_leaf = 0;
}

/* Opens the leaf of an entry; false: it or its topic has been dropped. */
static bool
open_leaf(JdgWindow *w, const Entry *entry)
{
	MemoryContext old;

	if (w->open_leaf == entry->leaf)
		return true;
	close_leaf(w);
	w->heap = jdg_leaf_topic(entry->leaf, &w->open_topic) ?
		try_table_open(entry->relid, AccessShareLock) : NULL;
	if (w->heap == NULL)
		return false;
	old = MemoryContextSwitchTo(w->mcxt);
	w->index = index_open(jdg_leaf_id_index(entry->leaf), AccessShareLock);
	w->slot = table_slot_create(w->heap, NULL);
	/* the caller may pop it between two events */
	w->snapshot = RegisterSnapshot(GetActiveSnapshot());
	w->desc = jdg_index_beginscan(w->heap, w->index, w->snapshot, 1);
	MemoryContextSwitchTo(old);
	w->open_leaf = entry->leaf;
	return true;
}

/* Finds the row of an entry in the leaf that is open. */
static bool
find_row(JdgWindow *w, const Entry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(w->mcxt);
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(entry->id));
	index_rescan(w->desc, &key, 1, NULL, 0);
	found = index_getnext_slot(w->desc, ForwardScanDirection, w->slot);
	MemoryContextSwitchTo(old);
	return found;
}

static JdgWindowStep
next_collected(JdgWindow *w, JdgEvent *e, JdgTopic *topic)
{
	while (w->next < w->n)
	{
		Entry	   *entry = &w->entry[w->next++];

		if (!open_leaf(w, entry) || !find_row(w, entry))
			continue;
		jdg_event_read(w->slot, e);
		*topic = w->open_topic;
		return JDG_WINDOW_EVENT;
	}
	return JDG_WINDOW_END;
}

/* Is the event to which the scan has advanced of another shard or type? */
static bool
is_foreign(JdgWindow *w, const JdgEvent *head)
{
	char		type[JDG_EVENT_TYPE_MAX + 1];

	if (!is_of_shard(w, head))
		return true;
	if (w->types == NULL)
		return false;
	jdg_events_type(w->scan, type);
	return !is_of_type(w, type);
}

static JdgWindowStep
next_walked(JdgWindow *w, JdgEvent *e, JdgTopic *topic)
{
	JdgEvent	head;

	if (w->from == PG_INT64_MAX)
		return JDG_WINDOW_END;
	if (w->scan == NULL)
	{
		JdgEventRange range = {0};
		MemoryContext old = MemoryContextSwitchTo(w->mcxt);

		range.topics = w->topics;
		range.ntopics = w->ntopics;
		range.from = w->from;
		range.to = Min(w->greatest, w->spec.era.end - 1);
		w->scan = jdg_events_open(&range);
		MemoryContextSwitchTo(old);
	}
	while (jdg_events_advance(w->scan, &head))
	{
		w->from = head.event_id + 1;
		if (!is_inside(w, &head))
			continue;
		if (is_foreign(w, &head))
		{
			if (++w->passed % PASSED_AT_A_TIME != 0)
				continue;
			e->event_id = head.event_id;
			return JDG_WINDOW_PASSED;
		}
		jdg_events_read(w->scan, e, topic);
		return JDG_WINDOW_EVENT;
	}
	w->from = PG_INT64_MAX;
	return JDG_WINDOW_END;
}

JdgWindowStep
jdg_window_next(JdgWindow *w, JdgEvent *e, JdgTopic *topic)
{
	return w->walk ? next_walked(w, e, topic) : next_collected(w, e, topic);
}

bool
jdg_window_is_between(const JdgWindow *w, JdgEra era, const JdgXidSet *base,
					  const JdgXidSet *upto)
{
	return upto != NULL && w->spec.era.first == era.first &&
		jdg_xidset_equal(w->spec.base, base) &&
		jdg_xidset_equal(w->spec.upto, upto);
}

void
jdg_window_seek(JdgWindow *w, int64 after_id)
{
	int			lo = 0;
	int			hi = w->n;

	jdg_window_pause(w);
	if (w->walk)
	{
		w->from = Max(w->least, after_id + 1);
		return;
	}
	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (w->entry[mid].id <= after_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	w->next = lo;
}

void
jdg_window_pause(JdgWindow *w)
{
	close_leaf(w);
	if (w->scan != NULL)
		jdg_events_close(w->scan);
	w->scan = NULL;
}

int64
jdg_window_passed(const JdgWindow *w)
{
	return w->passed;
}
