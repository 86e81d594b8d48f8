/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Reading the ready index: the sources of tasks, and their tasks in
 *	  order.
 *
 * Runs in workers, for their owner, and in the scheduler, for all owners.  A
 * source is the part of the index that belongs to a lane (shared/lane.h), read
 * from its mark on.  The lanes that are active are the sources; the index
 * itself is searched for lanes (kinds.h) when a scheduler starts.  Of an owner
 * that has too many lanes, each queue is a source instead, read from its front:
 * correct, but without turns, and slow while dead entries cannot be removed.
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
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/fault.h"
#include "base/objects.h"
#include "base/sleep.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "task/kinds.h"
#include "task/limits.h"
#include "task/ready.h"
#include "task/task.h"

/* time for which a process reads without lanes, if they are too many */
#define PLAIN_TIME 1000			/* ms */

/*
 * Have lanes for all tasks of the owner, or of all owners, that have committed?
 * They are searched for if marks have been lost.  What is lost since then is
 * searched for next time.
 */
static bool
lanes_are_known(JdgDb *db, Oid owner)
{
	static bool known = false;
	static uint32 lost = 0;
	static int64 plain_until = 0;
	uint32		now = pg_atomic_read_u32(&db->lanes_lost);
	bool		complete;

	if (pg_atomic_read_u32(&db->lanes_known) == now || (known && lost == now))
		return true;
	known = jdg_steady_ms() >= plain_until;
	if (!known)
		return false;
	known = jdg_kinds_make_lanes(db, owner, &complete);
	if (!known)
		plain_until = jdg_steady_ms() + PLAIN_TIME;
	lost = now;
	if (known && !OidIsValid(owner))
		pg_atomic_write_u32(&db->lanes_known, now);
	return known;
}

/*
 * Sets a source that may be read.  False if a limit has no room, or a pause is
 * in force; the lane is parked.  "epoch" was read before the configuration.
 */
static bool
init_source(JdgSource *s, const JdgLaneLook *look, JdgCarrier carrier,
			uint32 epoch)
{
	TimestampTz now = jdg_now();
	JdgQueue	queue;

	/* a lane of a queue that was dropped is read, and found empty */
	if (!jdg_queue_by_id(look->key.queue_id, &queue))
		memset(&queue, 0, sizeof(queue));
	jdg_limits_of_lane(look->key.owner, &queue, look->tenant, &s->limits);
	if (jdg_gates_room(&s->limits, now, 1) == 0)
	{
		JDG_FAULT("limit-refused");
		jdg_gates_park(look, &s->limits, now, epoch);
		if (look->gate != JDG_PLACE_NONE)
			jdg_gate_reopen(look->gate);
		return false;
	}
	if (jdg_gates_yield(look, &s->limits, now, epoch))
		return false;
	s->look = *look;
	s->carrier = carrier;
	s->taken = 0;
	s->scan = NULL;
	s->has_head = false;
	return true;
}

/* Adds a source that may be read. */
static void
add_source(JdgSource **sources, int *n, int *room, const JdgLaneLook *look,
		   JdgCarrier carrier, uint32 epoch)
{
	if (*n == *room)
	{
		*room = *room == 0 ? 16 : *room * 2;
		*sources = *sources == NULL ? palloc(sizeof(JdgSource) * *room) :
			repalloc(*sources, sizeof(JdgSource) * *room);
	}
	*n += init_source(&(*sources)[*n], look, carrier, epoch);
}

static bool
add_to_reader(void *arg, const JdgLaneLook *look)
{
	JdgReader  *r = arg;

	add_source(&r->source, &r->nsources, &r->room, look, r->carrier, r->epoch);
	return true;
}

/*
 * The epoch of the gates.  The configuration that is read from here on is not
 * older.
 */
static uint32
read_epoch(JdgDb *db)
{
	uint32		epoch = jdg_gates_epoch(db);

	AcceptInvalidationMessages();
	return epoch;
}

/* the pick of the present claim */
static JdgPick *pick = NULL;

void
jdg_reader_init(JdgReader *r, JdgDb *db, Oid owner, JdgCarrier carrier)
{
	if (pick == NULL)
		pick = MemoryContextAlloc(TopMemoryContext, JDG_PICK_SIZE);
	memset(r, 0, sizeof(JdgReader));
	r->db = db;
	r->owner = owner;
	r->carrier = carrier;
	r->epoch = read_epoch(db);
	r->plain = !lanes_are_known(db, owner);
	r->more = true;
	jdg_pick_begin(pick);
}

/*
 * Looks into all active lanes of the owner: those without tasks become idle.
 * Without this they would stay as they are while nobody reads them.
 */
static void
look_into_lanes(JdgReader *r)
{
	JdgLaneSurvey *s = jdg_lanes_of(r->db->dboid, r->owner, r->carrier);
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("task_ready"),
								   AccessShareLock);

	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; s != NULL && i < s->nlanes; i++)
	{
		JdgSource	src = {.look = s->lane[i],.carrier = r->carrier};

		CHECK_FOR_INTERRUPTS();
		if (src.look.key.queue_id == JDG_REST_QUEUE)
			continue;
		jdg_ready_open(r->db, &src, heap, index);
		jdg_ready_close(&src);
	}
	PopActiveSnapshot();
	index_close(index, NoLock);
	table_close(heap, NoLock);
}

/*
 * The rest lane of an owner is among the lanes that are next, so there are tasks
 * that have no lane.  If there is room for theirs now, it becomes idle.
 */
static bool
leave_rest_lane(JdgReader *r, const JdgLaneLook *rest)
{
	static int64 rest_until = 0;
	bool		complete;

	if (jdg_steady_ms() < rest_until)
		return false;
	look_into_lanes(r);
	if (jdg_kinds_make_lanes(r->db, r->owner, &complete) && complete)
	{
		jdg_lane_move(r->db->dboid, rest, jdg_position_last);
		return true;
	}
	rest_until = jdg_steady_ms() + PLAIN_TIME;
	return false;
}

/*
 * Adds the lanes that were picked.  If the rest lane is one of them, the claim
 * reads on without lanes.
 */
static void
add_picked(JdgReader *r)
{
	for (int i = 0; i < pick->nlanes && !r->plain; i++)
	{
		const JdgLaneLook *look = &pick->lane[i];

		if (look->key.queue_id != JDG_REST_QUEUE)
			(void) add_to_reader(r, look);
		else
			r->plain = !leave_rest_lane(r, look);
	}
	if (r->plain)
		r->nsources = 0;
}

bool
jdg_reader_next(JdgReader *r)
{
	r->nsources = 0;
	while (r->nsources == 0 && r->more && !r->plain &&
		   jdg_lanes_pick(r->db->dboid, r->owner, r->carrier, pick) > 0)
		add_picked(r);
	if (r->plain && r->more)
		jdg_kinds_of_queues(r->owner, add_to_reader, r);
	r->more &= !r->plain;
	if (!r->plain)
	{
		r->nparties = pick->nparties;
		r->more = pick->more;
	}
	return r->nsources > 0;
}

static int
compare_queues(const void *a, const void *b)
{
	int32		x = ((const JdgSource *) a)->look.key.queue_id;
	int32		y = ((const JdgSource *) b)->look.key.queue_id;

	return x < y ? -1 : x > y;
}

/* Adds an owner to a survey, unless none of its lanes may be read. */
static List *
add_owner(List *survey, const JdgLaneSurvey *s, JdgCarrier carrier,
		  uint32 epoch)
{
	JdgReadySurvey *r = palloc0(sizeof(JdgReadySurvey));
	int			room = 0;

	r->owner = s->owner;
	r->others = s->others;
	for (int i = 0; i < s->nlanes; i++)
		add_source(&r->source, &r->nsources, &room, &s->lane[i], carrier, epoch);
	if (r->nsources == 0 && r->others == 0)
		return survey;
	if (r->nsources > 1)
		qsort(r->source, r->nsources, sizeof(JdgSource), compare_queues);
	return lappend(survey, r);
}

/* the state of plain_survey() */
typedef struct PlainSurvey
{
	List	   *survey;
	JdgReadySurvey *last;
	int			room;
	JdgCarrier	carrier;
	uint32		epoch;
	int			max;			/* queues of an owner, others are left out */
} PlainSurvey;

static bool
add_to_survey(void *arg, const JdgLaneLook *look)
{
	PlainSurvey *p = arg;

	if (p->last == NULL || p->last->owner != look->key.owner)
	{
		p->last = palloc0(sizeof(JdgReadySurvey));
		p->last->owner = look->key.owner;
		p->room = 0;
		p->survey = lappend(p->survey, p->last);
	}
	if (++p->last->seen > p->max)
	{
		p->last->others = 1;
		return false;
	}
	add_source(&p->last->source, &p->last->nsources, &p->room, look,
			   p->carrier, p->epoch);
	return true;
}

/* Is the rest lane of the owner active? */
static bool
has_rest_lane(const JdgLaneSurvey *s)
{
	for (int i = 0; i < s->nlanes; i++)
	{
		if (s->lane[i].key.queue_id == JDG_REST_QUEUE)
			return true;
	}
	return false;
}

List *
jdg_ready_survey(JdgDb *db, JdgCarrier carrier, int max)
{
	PlainSurvey plain = {.max = PG_INT32_MAX,.carrier = carrier};
	ListCell   *lc;

	plain.epoch = read_epoch(db);
	if (!lanes_are_known(db, InvalidOid))
	{
		jdg_kinds_of_queues(InvalidOid, add_to_survey, &plain);
		return plain.survey;
	}
	plain.max = max;
	foreach(lc, jdg_lanes_survey(db->dboid, carrier, max))
	{
		const JdgLaneSurvey *s = lfirst(lc);

		if (has_rest_lane(s))
			jdg_kinds_of_queues(s->owner, add_to_survey, &plain);
		else
			plain.survey = add_owner(plain.survey, s, carrier, plain.epoch);
	}
	return plain.survey;
}

/* Are the source's tasks of several carriers, and its head not of the wanted? */
static bool
is_other_carrier(JdgSource *src)
{
	bool		isnull;

	return src->look.lane == NULL &&
		jdg_lane_carrier(DatumGetInt32(slot_getattr(src->slot, JDG_A_LANE,
													&isnull))) != src->carrier;
}

/* Move a source on to its next ready task. */
void
jdg_ready_advance(JdgSource *src)
{
	bool		isnull;

	do
	{
		CHECK_FOR_INTERRUPTS();
		src->has_head = index_getnext_slot(src->scan, ForwardScanDirection,
										   src->slot);
		if (!src->has_head)
			return;
	} while (is_other_carrier(src));
	src->head_priority = DatumGetInt32(slot_getattr(src->slot, JDG_A_PRIORITY, &isnull));
	src->head.run_at = DatumGetTimestampTz(slot_getattr(src->slot, JDG_A_RUN_AT, &isnull));
	src->head.task_id = DatumGetInt64(slot_getattr(src->slot, JDG_A_TASK_ID, &isnull));
}

/* Scan key: (run_at, task_id) not before a position, as a row comparison. */
static void
init_position_key(ScanKey header, ScanKeyData member[2],
				  const JdgPosition *from)
{
	ScanKeyEntryInitialize(&member[0], SK_ROW_MEMBER, 5,
						   BTGreaterEqualStrategyNumber, TIMESTAMPTZOID,
						   InvalidOid, F_TIMESTAMPTZ_CMP,
						   TimestampTzGetDatum(from->run_at));
	ScanKeyEntryInitialize(&member[1], SK_ROW_MEMBER | SK_ROW_END, 6,
						   BTGreaterEqualStrategyNumber, INT8OID,
						   InvalidOid, F_BTINT8CMP,
						   Int64GetDatum(from->task_id));
	memset(header, 0, sizeof(ScanKeyData));
	header->sk_flags = SK_ROW_HEADER;
	header->sk_attno = 5;
	header->sk_strategy = BTGreaterEqualStrategyNumber;
	header->sk_argument = PointerGetDatum(member);
}

void
jdg_ready_open(JdgDb *db, JdgSource *src, Relation heap, Relation index)
{
	const JdgLaneKey *k = &src->look.key;
	ScanKeyData key[5];
	int			nkeys = 2;

	ScanKeyInit(&key[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(k->owner));
	ScanKeyInit(&key[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(k->queue_id));
	if (src->look.lane != NULL)
	{
		ScanKeyInit(&key[nkeys++], 3, BTEqualStrategyNumber, F_INT4EQ,
					Int32GetDatum(k->priority));
		ScanKeyInit(&key[nkeys++], 4, BTEqualStrategyNumber, F_INT4EQ,
					Int32GetDatum(k->lane));
	}
	if (src->look.lane != NULL &&
		jdg_position_compare(&src->look.mark.from, &jdg_position_first) > 0)
		init_position_key(&key[nkeys++], src->position_key,
						  &src->look.mark.from);
	src->scan = jdg_index_beginscan(heap, index, GetActiveSnapshot(),
									nkeys);
	index_rescan(src->scan, key, nkeys, NULL, 0);
	src->slot = table_slot_create(heap, NULL);
	jdg_ready_advance(src);
	if (src->look.lane != NULL)
		jdg_lane_move(db->dboid, &src->look,
					  src->has_head ? src->head : jdg_position_last);
}

void
jdg_ready_pass(JdgSource *src)
{
	if (src->look.lane != NULL && src->look.gate != JDG_PLACE_NONE)
		jdg_gate_reopen(src->look.gate);
}

void
jdg_ready_close(JdgSource *src)
{
	if (src->scan == NULL)
		return;
	index_endscan(src->scan);
	ExecDropSingleTupleTableSlot(src->slot);
	src->scan = NULL;
	/* it was let in for one task; who gives back a place lets in the next */
	if (src->taken == 0)
		jdg_ready_pass(src);
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

	jdg_ready_open(db, src, heap, index);
	for (; src->has_head && src->taken < most; src->taken++)
		jdg_ready_advance(src);
	jdg_ready_close(src);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return src->taken;
}
