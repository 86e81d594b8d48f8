/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Reading the ready index: where tasks are, and one after the other.
 *
 * Runs in workers.  A source is what the index holds of one queue and
 * priority, read from its mark on.  Which sources there are is known from the
 * marks; the index itself is searched for them when a process begins and when
 * marks were lost.
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
#include "catalog/queue.h"
#include "core/compat.h"
#include "core/objects.h"
#include "miscadmin.h"
#include "queue/ready.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * See to it that there is a mark for every queue and priority that the index
 * knows of.  Reads one entry of each, alive or dead, and no row.
 */
static void
discover(JdgDb *db, Oid owner)
{
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("task_ready"),
								   AccessShareLock);
	IndexScanDesc scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(),
											 3);
	StrategyNumber by_queue = BTGreaterEqualStrategyNumber;
	StrategyNumber by_priority = BTLessEqualStrategyNumber;
	int32		queue_id = PG_INT32_MIN;
	int32		priority = PG_INT32_MAX;

	scan->xs_want_itup = true;
	for (;;)
	{
		ScanKeyData key[3];
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(owner));
		ScanKeyInit(&key[1], 2, by_queue,
					by_queue == BTEqualStrategyNumber ? F_INT4EQ :
					by_queue == BTGreaterStrategyNumber ? F_INT4GT : F_INT4GE,
					Int32GetDatum(queue_id));
		ScanKeyInit(&key[2], 3, by_priority,
					by_priority == BTLessStrategyNumber ? F_INT4LT : F_INT4LE,
					Int32GetDatum(priority));
		index_rescan(scan, key, 3, NULL, 0);
		if (index_getnext_tid(scan, ForwardScanDirection) != NULL)
		{
			/* then look for a lower priority in the same queue */
			queue_id = DatumGetInt32(index_getattr(scan->xs_itup, 2,
												   scan->xs_itupdesc,
												   &isnull));
			priority = DatumGetInt32(index_getattr(scan->xs_itup, 3,
												   scan->xs_itupdesc,
												   &isnull));
			jdg_mark_make(db, owner, queue_id, priority);
			by_queue = BTEqualStrategyNumber;
			by_priority = BTLessStrategyNumber;
		}
		else if (by_queue == BTEqualStrategyNumber)
		{
			/* then for the next queue */
			by_queue = BTGreaterStrategyNumber;
			by_priority = BTLessEqualStrategyNumber;
			priority = PG_INT32_MAX;
		}
		else
			break;
	}
	index_endscan(scan);
	index_close(index, NoLock);
	table_close(heap, NoLock);
}

static int
compare_sources(const void *a, const void *b)
{
	int32		x = ((const JdgSource *) a)->look.priority;
	int32		y = ((const JdgSource *) b)->look.priority;

	return x > y ? -1 : x < y;
}

int
jdg_ready_sources(JdgDb *db, Oid owner, JdgSource *sources)
{
	static uint32 lost = 0;
	static bool discovered = false;
	JdgMarkLook *looks = palloc(sizeof(JdgMarkLook) * JDG_MARKS_MAX);
	int			nsources = 0;
	uint32		lost_now;
	int			n = jdg_marks_look(db, owner, looks, &lost_now);

	if (!discovered || lost != lost_now)
	{
		/* what is lost while it looks is looked for at the next claim */
		discover(db, owner);
		lost = lost_now;
		discovered = true;
		n = jdg_marks_look(db, owner, looks, &lost_now);
	}
	for (int i = 0; i < n; i++)
	{
		JdgSource  *s = &sources[nsources];
		JdgQueue	queue;

		if (jdg_position_compare(&looks[i].from, &jdg_position_last) == 0)
			continue;
		if (!jdg_queue_by_id(looks[i].queue_id, &queue) || queue.paused)
			continue;
		s->look = looks[i];
		s->limit = queue.max_concurrency;
		s->scan = NULL;
		s->has_head = false;
		nsources++;
	}
	pfree(looks);
	qsort(sources, nsources, sizeof(JdgSource), compare_sources);
	return nsources;
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
	int			nkeys = 3;

	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(src->look.owner));
	ScanKeyInit(&key[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(src->look.queue_id));
	ScanKeyInit(&key[2], 3, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(src->look.priority));
	if (jdg_position_compare(&src->look.from, &jdg_position_first) > 0)
		init_position_key(&key[nkeys++], src->position_key,
						  &src->look.from);
	src->scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(),
									nkeys);
	index_rescan(src->scan, key, nkeys, NULL, 0);
	src->slot = table_slot_create(heap, NULL);
	jdg_ready_advance(src);
	jdg_mark_move(db, &src->look,
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

JdgSource *
jdg_ready_first(JdgSource *sources, int n)
{
	JdgSource  *best = NULL;

	for (int i = 0; i < n; i++)
	{
		if (sources[i].has_head &&
			(best == NULL ||
			 jdg_position_compare(&sources[i].head, &best->head) < 0))
			best = &sources[i];
	}
	return best;
}
