/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Reading the event log by id, see read.h.
 *
 * Runs in any process.  Each leaf of the range is scanned by one of its
 * indexes, and a heap of the scans gives the next id.  Ids come from one
 * sequence, so leaves of a topic hardly overlap, and most of the scans return
 * their first row only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "lib/binaryheap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/columns.h"
#include "base/compat.h"
#include "event/leaf.h"
#include "event/read.h"

/* the scan of one leaf */
typedef struct LeafScan
{
	JdgTopic	topic;
	Relation	heap;
	Relation	index;
	IndexScanDesc desc;
	TupleTableSlot *slot;		/* the next row, or empty */
	int64		id;				/* of that row */
} LeafScan;

static ScanDirection
direction_of(const JdgEventRange *range)
{
	return range->newest_first ? BackwardScanDirection : ForwardScanDirection;
}

static bool
has_key(TupleTableSlot *slot, const char *key)
{
	bool		isnull;
	Datum		d = slot_getattr(slot, JDG_EVENT_KEY_COLUMN, &isnull);
	text	   *t;
	bool		equal;

	if (isnull)
		return false;
	t = DatumGetTextPP(d);
	equal = VARSIZE_ANY_EXHDR(t) == strlen(key) &&
		memcmp(VARDATA_ANY(t), key, strlen(key)) == 0;
	if ((Pointer) t != DatumGetPointer(d))
		pfree(t);
	return equal;
}

/*
 * Fetches the next row; false: there is none.  The current context must be
 * that of the scan: the index keeps notes in it.
 */
static bool
next_row(LeafScan *s, const JdgEventRange *range)
{
	bool		isnull;

	while (index_getnext_slot(s->desc, direction_of(range), s->slot))
	{
		CHECK_FOR_INTERRUPTS();
		s->id = DatumGetInt64(slot_getattr(s->slot, JDG_EVENT_ID_COLUMN,
										   &isnull));
		if (range->key == NULL || has_key(s->slot, range->key))
			return true;
	}
	return false;
}

static void
close_scan(LeafScan *s)
{
	index_endscan(s->desc);
	ExecDropSingleTupleTableSlot(s->slot);
	index_close(s->index, AccessShareLock);
	table_close(s->heap, AccessShareLock);
	pfree(s);
}

/*
 * Begins the scan of a leaf, by the index of keys if a key is asked for and
 * the leaf has one.  False: the leaf has just been dropped.
 */
static bool
open_scan(LeafScan *s, const JdgLeaf *leaf, const JdgEventRange *range,
		  Snapshot snapshot)
{
	ScanKeyData keys[3];
	int			n = 0;
	int			first = 2;
	Oid			index = InvalidOid;

	if (!OidIsValid(leaf->relid))
		return false;
	s->heap = try_table_open(leaf->relid, AccessShareLock);
	if (s->heap == NULL)
		return false;
	if (range->key != NULL)
		index = jdg_leaf_key_index(leaf->leaf);
	if (!OidIsValid(index))
	{
		index = jdg_leaf_id_index(leaf->leaf);
		first = 1;
	}
	s->index = index_open(index, AccessShareLock);
	if (first == 2)
		ScanKeyEntryInitialize(&keys[n++], 0, 1, BTEqualStrategyNumber,
							   InvalidOid, DEFAULT_COLLATION_OID, F_TEXTEQ,
							   CStringGetTextDatum(range->key));
	ScanKeyInit(&keys[n++], first, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(range->from));
	ScanKeyInit(&keys[n++], first, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(range->to));
	s->slot = table_slot_create(s->heap, NULL);
	s->desc = jdg_index_beginscan(s->heap, s->index, snapshot, n);
	index_rescan(s->desc, keys, n, NULL, 0);
	return true;
}

/* The scan with the next id of the range is the greatest. */
static int
compare_forward(Datum a, Datum b, void *arg)
{
	int64		x = ((LeafScan *) DatumGetPointer(a))->id;
	int64		y = ((LeafScan *) DatumGetPointer(b))->id;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int
compare_backward(Datum a, Datum b, void *arg)
{
	return -compare_forward(a, b, arg);
}

struct JdgEventScan
{
	JdgEventRange range;
	MemoryContext mcxt;
	JdgLeaf    *leaf;			/* in the order in which they may have the
								 * next id */
	int			n;
	int			next;			/* the first one whose scan has not begun */
	Snapshot	snapshot;
	binaryheap *heap;			/* of LeafScan */
	LeafScan   *last;			/* its row was returned last, or NULL */
};

static int
compare_min(const void *a, const void *b)
{
	int64		x = ((const JdgLeaf *) a)->min_id;
	int64		y = ((const JdgLeaf *) b)->min_id;

	return x < y ? -1 : x > y ? 1 : 0;
}

static int
compare_max(const void *a, const void *b)
{
	int64		x = ((const JdgLeaf *) a)->max_id;
	int64		y = ((const JdgLeaf *) b)->max_id;

	return x > y ? -1 : x < y ? 1 : 0;
}

JdgEventScan *
jdg_events_open(const JdgEventRange *range)
{
	JdgEventScan *scan = palloc0(sizeof(JdgEventScan));

	scan->range = *range;
	scan->mcxt = CurrentMemoryContext;
	/* the caller may pop it between two rows */
	scan->snapshot = RegisterSnapshot(GetActiveSnapshot());
	scan->n = jdg_leaves(range->topics, range->ntopics, range->from, range->to,
						 0, &scan->leaf);
	qsort(scan->leaf, scan->n, sizeof(JdgLeaf),
		  range->newest_first ? compare_max : compare_min);
	scan->heap = binaryheap_allocate(Max(scan->n, 1),
									 range->newest_first ?
									 compare_backward : compare_forward,
									 NULL);
	return scan;
}

/* May the leaf have an id that comes before that of all scans? */
static bool
is_wanted(const JdgEventScan *scan, const JdgLeaf *leaf)
{
	int64		id;

	if (binaryheap_empty(scan->heap))
		return true;
	id = ((LeafScan *) DatumGetPointer(binaryheap_first(scan->heap)))->id;
	return scan->range.newest_first ? leaf->max_id >= id : leaf->min_id <= id;
}

/*
 * Begins the scans that may give the next id.  Others wait, so that reading
 * a long log does not lock thousands of leaves at a time.
 */
static void
begin_scans(JdgEventScan *scan)
{
	for (; scan->next < scan->n && is_wanted(scan, &scan->leaf[scan->next]);
		 scan->next++)
	{
		const JdgLeaf *leaf = &scan->leaf[scan->next];
		LeafScan   *s;

		if (leaf->min_id > scan->range.to || leaf->max_id < scan->range.from)
			continue;
		s = palloc0(sizeof(LeafScan));
		if (!jdg_topic_by_id(leaf->topic_id, &s->topic) ||
			!open_scan(s, leaf, &scan->range, scan->snapshot))
			pfree(s);
		else if (next_row(s, &scan->range))
			binaryheap_add(scan->heap, PointerGetDatum(s));
		else
			close_scan(s);
	}
}

bool
jdg_events_advance(JdgEventScan *scan, JdgEvent *head)
{
	LeafScan   *s = scan->last;
	MemoryContext old = MemoryContextSwitchTo(scan->mcxt);

	if (s != NULL && next_row(s, &scan->range))
		binaryheap_replace_first(scan->heap, PointerGetDatum(s));
	else if (s != NULL)
	{
		(void) binaryheap_remove_first(scan->heap);
		close_scan(s);
	}
	scan->last = NULL;
	begin_scans(scan);
	MemoryContextSwitchTo(old);
	if (binaryheap_empty(scan->heap))
		return false;
	s = (LeafScan *) DatumGetPointer(binaryheap_first(scan->heap));
	jdg_event_read_head(s->slot, head);
	scan->last = s;
	return true;
}

void
jdg_events_read(JdgEventScan *scan, JdgEvent *e, JdgTopic *topic)
{
	Assert(scan->last != NULL);
	jdg_event_read(scan->last->slot, e);
	*topic = scan->last->topic;
}

void
jdg_events_type(JdgEventScan *scan, char *type)
{
	Assert(scan->last != NULL);
	jdg_event_read_type(scan->last->slot, type);
}

bool
jdg_events_next(JdgEventScan *scan, JdgEvent *e, JdgTopic *topic)
{
	if (!jdg_events_advance(scan, e))
		return false;
	jdg_events_read(scan, e, topic);
	return true;
}

void
jdg_events_close(JdgEventScan *scan)
{
	while (!binaryheap_empty(scan->heap))
		close_scan((LeafScan *)
				   DatumGetPointer(binaryheap_remove_first(scan->heap)));
	binaryheap_free(scan->heap);
	pfree(scan->leaf);
	UnregisterSnapshot(scan->snapshot);
	pfree(scan);
}

bool
jdg_event_get(int64 event_id, int32 topic_id, JdgEvent *e, JdgTopic *topic)
{
	JdgEventRange range = {.from = event_id,.to = event_id};
	JdgEventScan *scan;
	bool		found;

	if (topic_id != 0)
	{
		range.topics = &topic_id;
		range.ntopics = 1;
	}
	scan = jdg_events_open(&range);
	found = jdg_events_next(scan, e, topic);
	jdg_events_close(scan);
	return found;
}

void
jdg_event_missing(int64 event_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("event %lld does not exist", (long long) event_id)));
}
