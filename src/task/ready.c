/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Reading the ready index: the sources of tasks, and their tasks in
 *	  order.
 *
 * Runs in workers, for their owner, and in the scheduler, for all owners.  A
 * source is the part of the index that belongs to one owner, queue and
 * priority, read from its mark on.  The marks list the sources; the index
 * itself is searched for them when a process begins and when a mark found no
 * room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/objects.h"
#include "base/sleep.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "task/task.h"
#include "task/ready.h"

/* microseconds before it is tried again to do with marks */
#define PLAIN_TIME 1000			/* ms */

/* an owner, a queue and a priority that the index has entries of */
typedef struct Kind
{
	Oid			owner;
	int32		queue_id;
	int32		priority;
} Kind;

/* a loose scan over the kinds; reads one entry of each, alive or dead */
typedef struct Walk
{
	Oid			owner;			/* InvalidOid: of all */
	bool		priorities;		/* distinguish them */
	IndexScanDesc scan;
	bool		began;
	Kind		at;
} Walk;

static bool
seek(Walk *w, StrategyNumber by_owner, Oid owner, StrategyNumber by_queue,
	 int32 queue_id, StrategyNumber by_priority, int32 priority)
{
	ScanKeyData key[3];
	IndexTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key[0], 1, by_owner,
				by_owner == BTEqualStrategyNumber ? F_OIDEQ :
				by_owner == BTGreaterStrategyNumber ? F_OIDGT : F_OIDGE,
				ObjectIdGetDatum(owner));
	ScanKeyInit(&key[1], 2, by_queue,
				by_queue == BTEqualStrategyNumber ? F_INT4EQ :
				by_queue == BTGreaterStrategyNumber ? F_INT4GT : F_INT4GE,
				Int32GetDatum(queue_id));
	ScanKeyInit(&key[2], 3, by_priority,
				by_priority == BTLessStrategyNumber ? F_INT4LT : F_INT4LE,
				Int32GetDatum(priority));
	index_rescan(w->scan, key, 3, NULL, 0);
	if (index_getnext_tid(w->scan, ForwardScanDirection) == NULL)
		return false;
	tuple = w->scan->xs_itup;
	w->at.owner = DatumGetObjectId(index_getattr(tuple, 1,
												 w->scan->xs_itupdesc,
												 &isnull));
	w->at.queue_id = DatumGetInt32(index_getattr(tuple, 2,
												 w->scan->xs_itupdesc,
												 &isnull));
	w->at.priority = DatumGetInt32(index_getattr(tuple, 3,
												 w->scan->xs_itupdesc,
												 &isnull));
	return true;
}

/* On to the next kind; false: there is none. */
static bool
walk(Walk *w)
{
	const StrategyNumber eq = BTEqualStrategyNumber;
	const StrategyNumber gt = BTGreaterStrategyNumber;
	const StrategyNumber ge = BTGreaterEqualStrategyNumber;
	const StrategyNumber lt = BTLessStrategyNumber;
	const StrategyNumber le = BTLessEqualStrategyNumber;

	CHECK_FOR_INTERRUPTS();
	if (!w->began)
	{
		w->began = true;
		return seek(w, OidIsValid(w->owner) ? eq : ge, w->owner,
					ge, PG_INT32_MIN, le, PG_INT32_MAX);
	}
	/* a lower priority, another queue, another owner */
	return (w->priorities &&
			seek(w, eq, w->at.owner, eq, w->at.queue_id, lt, w->at.priority)) ||
		seek(w, eq, w->at.owner, gt, w->at.queue_id, le, PG_INT32_MAX) ||
		(!OidIsValid(w->owner) &&
		 seek(w, gt, w->at.owner, ge, PG_INT32_MIN, le, PG_INT32_MAX));
}

/* The kinds of an owner, or of all; at most "max". */
static Kind *
find_kinds(Oid owner, bool priorities, int max, int *n)
{
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("task_ready"),
								   AccessShareLock);
	Walk		w = {owner, priorities};
	int			room = 64;
	Kind	   *kinds = palloc(sizeof(Kind) * room);

	*n = 0;
	w.scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(), 3);
	w.scan->xs_want_itup = true;
	while (*n < max && walk(&w))
	{
		if (*n == room)
			kinds = repalloc(kinds, sizeof(Kind) * (room *= 2));
		kinds[(*n)++] = w.at;
	}
	index_endscan(w.scan);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return kinds;
}

/* Have marks for all kinds there are; false: they are too many. */
static bool
mark_all(JdgDb *db, Oid owner)
{
	int			n;
	Kind	   *kinds = find_kinds(owner, true, JDG_MARKS_MAX + 1, &n);
	bool		ok = n <= JDG_MARKS_MAX;

	for (int i = 0; i < n && ok; i++)
		ok = jdg_mark_make(&db->marks, kinds[i].owner, kinds[i].queue_id,
						   kinds[i].priority);
	pfree(kinds);
	return ok;
}

/* A queue that may be read: false if it is paused. */
static bool
init_source(JdgSource *s, int32 queue_id)
{
	JdgQueue	queue;

	if (!jdg_queue_by_id(queue_id, &queue) || queue.paused)
		return false;
	s->limit = queue.max_concurrency;
	s->scan = NULL;
	s->has_head = false;
	return true;
}

static int
compare_sources(const void *a, const void *b)
{
	int32		x = ((const JdgSource *) a)->look.priority;
	int32		y = ((const JdgSource *) b)->look.priority;

	return x > y ? -1 : x < y;
}

/* One source for each mark, from there on. */
static int
marked_sources(const JdgMarkLook *looks, int n, JdgSource *sources)
{
	int			nsources = 0;

	for (int i = 0; i < n; i++)
	{
		JdgSource  *s = &sources[nsources];

		if (looks[i].owner == JDG_MARK_DUE ||
			jdg_position_compare(&looks[i].from, &jdg_position_last) == 0 ||
			!init_source(s, looks[i].queue_id))
			continue;
		s->look = looks[i];
		s->marked = true;
		nsources++;
	}
	qsort(sources, nsources, sizeof(JdgSource), compare_sources);
	return nsources;
}

/*
 * There are more kinds than marks.  Each queue is then read from its front,
 * in the order of the index: correct, but slow while dead entries cannot be
 * removed.
 */
static JdgSource *
plain_sources(Oid owner, int *nsources)
{
	int			n;
	Kind	   *kinds = find_kinds(owner, false, INT_MAX, &n);
	JdgSource  *sources = palloc0(sizeof(JdgSource) * Max(n, 1));

	*nsources = 0;
	for (int i = 0; i < n; i++)
	{
		JdgSource  *s = &sources[*nsources];

		if (!init_source(s, kinds[i].queue_id))
			continue;
		s->look.owner = kinds[i].owner;
		s->look.queue_id = kinds[i].queue_id;
		(*nsources)++;
	}
	pfree(kinds);
	return sources;
}

JdgSource *
jdg_ready_sources(JdgDb *db, Oid owner, int *nsources)
{
	static bool complete = false;
	static uint32 lost = 0;
	static int64 plain_until = 0;
	JdgMarkLook looks[JDG_MARKS_MAX];
	uint32		lost_now;
	int			n = jdg_marks_look(&db->marks, owner, looks, &lost_now);
	JdgSource  *sources;

	if (!complete || lost != lost_now)
	{
		int64		now = jdg_steady_ms();

		complete = now >= plain_until && mark_all(db, owner);
		if (!complete)
		{
			if (now >= plain_until)
				plain_until = now + PLAIN_TIME;
			return plain_sources(owner, nsources);
		}
		/* marks lost since the call are searched for next time */
		lost = lost_now;
		n = jdg_marks_look(&db->marks, owner, looks, &lost_now);
	}
	sources = palloc(sizeof(JdgSource) * Max(n, 1));
	*nsources = marked_sources(looks, n, sources);
	return sources;
}

/* Move a source on to its next ready task. */
void
jdg_ready_advance(JdgSource *src)
{
	bool		isnull;

	src->has_head = index_getnext_slot(src->scan, ForwardScanDirection,
									   src->slot);
	if (!src->has_head)
		return;
	src->head_priority = DatumGetInt32(slot_getattr(src->slot, JDG_A_PRIORITY, &isnull));
	src->head.run_at = DatumGetTimestampTz(slot_getattr(src->slot, JDG_A_RUN_AT, &isnull));
	src->head.task_id = DatumGetInt64(slot_getattr(src->slot, JDG_A_TASK_ID, &isnull));
}

/* Scan key: (run_at, task_id) not before a position, as a row comparison. */
static void
init_position_key(ScanKey header, ScanKeyData member[2],
				  const JdgPosition *from)
{
	ScanKeyEntryInitialize(&member[0], SK_ROW_MEMBER, 4,
						   BTGreaterEqualStrategyNumber, TIMESTAMPTZOID,
						   InvalidOid, F_TIMESTAMPTZ_CMP,
						   TimestampTzGetDatum(from->run_at));
	ScanKeyEntryInitialize(&member[1], SK_ROW_MEMBER | SK_ROW_END, 5,
						   BTGreaterEqualStrategyNumber, INT8OID,
						   InvalidOid, F_BTINT8CMP,
						   Int64GetDatum(from->task_id));
	memset(header, 0, sizeof(ScanKeyData));
	header->sk_flags = SK_ROW_HEADER;
	header->sk_attno = 4;
	header->sk_strategy = BTGreaterEqualStrategyNumber;
	header->sk_argument = PointerGetDatum(member);
}

void
jdg_ready_open(JdgDb *db, JdgSource *src, Relation heap, Relation index)
{
	ScanKeyData key[4];
	int			nkeys = 2;

	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(src->look.owner));
	ScanKeyInit(&key[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(src->look.queue_id));
	if (src->marked)
		ScanKeyInit(&key[nkeys++], 3, BTEqualStrategyNumber, F_INT4EQ,
					Int32GetDatum(src->look.priority));
	if (src->marked &&
		jdg_position_compare(&src->look.from, &jdg_position_first) > 0)
		init_position_key(&key[nkeys++], src->position_key,
						  &src->look.from);
	src->scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(),
									nkeys);
	index_rescan(src->scan, key, nkeys, NULL, 0);
	src->slot = table_slot_create(heap, NULL);
	jdg_ready_advance(src);
	if (src->marked)
		jdg_mark_move(&db->marks, &src->look,
					  src->has_head ? src->head : jdg_position_last);
}

void
jdg_ready_close(JdgSource *src)
{
	if (src->scan == NULL)
		return;
	index_endscan(src->scan);
	ExecDropSingleTupleTableSlot(src->slot);
	src->scan = NULL;
}

static bool
comes_before(const JdgSource *a, const JdgSource *b)
{
	if (a->head_priority != b->head_priority)
		return a->head_priority > b->head_priority;
	return jdg_position_compare(&a->head, &b->head) < 0;
}

JdgSource *
jdg_ready_first(JdgSource *sources, int n)
{
	JdgSource  *best = NULL;

	for (int i = 0; i < n; i++)
	{
		if (sources[i].has_head &&
			(best == NULL || comes_before(&sources[i], best)))
			best = &sources[i];
	}
	return best;
}

int
jdg_ready_count(JdgDb *db, JdgSource *src, int most)
{
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("task_ready"),
								   AccessShareLock);
	int			n = 0;

	jdg_ready_open(db, src, heap, index);
	for (; src->has_head && n < most; n++)
		jdg_ready_advance(src);
	jdg_ready_close(src);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return n;
}
