/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  Kinds of entries in the ready index, see kinds.h.
 *
 * Runs in workers and in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/objects.h"
#include "base/spi.h"
#include "shared/gate.h"
#include "task/kinds.h"
#include "task/task.h"
#include "tenant/tenant.h"

typedef JdgLaneKey Kind;

/* a loose scan over the kinds; reads one entry of each, alive or dead */
typedef struct Walk
{
	Oid			owner;			/* InvalidOid: of all */
	bool		lanes;			/* distinguish priorities and lanes */
	Relation	heap;
	IndexScanDesc scan;
	bool		began;
	bool		skip;			/* on to the next owner */
	Kind		at;
} Walk;

/* how the next kind differs from one: columns before are equal, later any */
typedef enum Step
{
	STEP_FIRST,					/* none is equal */
	STEP_OWNER,
	STEP_QUEUE,
	STEP_PRIORITY,
	STEP_LANE,
	STEP_NONE					/* all are equal */
} Step;

/* Sets the scan to the entries that are a step away from a kind. */
static void
rescan(Walk *w, const Kind *from, Step step)
{
	const StrategyNumber eq = BTEqualStrategyNumber;
	const StrategyNumber gt = BTGreaterStrategyNumber;
	const StrategyNumber ge = BTGreaterEqualStrategyNumber;
	const StrategyNumber lt = BTLessStrategyNumber;
	const StrategyNumber le = BTLessEqualStrategyNumber;
	ScanKeyData key[4];

	if (step > STEP_OWNER)
		ScanKeyInit(&key[0], 1, eq, F_OIDEQ, ObjectIdGetDatum(from->owner));
	else if (step == STEP_OWNER)
		ScanKeyInit(&key[0], 1, gt, F_OIDGT, ObjectIdGetDatum(from->owner));
	else
		ScanKeyInit(&key[0], 1, ge, F_OIDGE, ObjectIdGetDatum(InvalidOid));
	if (step > STEP_QUEUE)
		ScanKeyInit(&key[1], 2, eq, F_INT4EQ, Int32GetDatum(from->queue_id));
	else if (step == STEP_QUEUE)
		ScanKeyInit(&key[1], 2, gt, F_INT4GT, Int32GetDatum(from->queue_id));
	else
		ScanKeyInit(&key[1], 2, ge, F_INT4GE, Int32GetDatum(PG_INT32_MIN));
	if (step > STEP_PRIORITY)
		ScanKeyInit(&key[2], 3, eq, F_INT4EQ, Int32GetDatum(from->priority));
	else if (step == STEP_PRIORITY)
		ScanKeyInit(&key[2], 3, lt, F_INT4LT, Int32GetDatum(from->priority));
	else
		ScanKeyInit(&key[2], 3, le, F_INT4LE, Int32GetDatum(PG_INT32_MAX));
	if (step > STEP_LANE)
		ScanKeyInit(&key[3], 4, eq, F_INT4EQ, Int32GetDatum(from->lane));
	else if (step == STEP_LANE)
		ScanKeyInit(&key[3], 4, gt, F_INT4GT, Int32GetDatum(from->lane));
	else
		ScanKeyInit(&key[3], 4, ge, F_INT4GE, Int32GetDatum(PG_INT32_MIN));
	index_rescan(w->scan, key, lengthof(key), NULL, 0);
}

/* Moves to the first entry that is a step away; false: there is none. */
static bool
seek(Walk *w, Step step)
{
	TupleDesc	desc;
	IndexTuple	tuple;
	bool		isnull;

	rescan(w, &w->at, step);
	if (index_getnext_tid(w->scan, ForwardScanDirection) == NULL)
		return false;
	tuple = w->scan->xs_itup;
	desc = w->scan->xs_itupdesc;
	w->at.owner = DatumGetObjectId(index_getattr(tuple, 1, desc, &isnull));
	w->at.queue_id = DatumGetInt32(index_getattr(tuple, 2, desc, &isnull));
	w->at.priority = DatumGetInt32(index_getattr(tuple, 3, desc, &isnull));
	w->at.lane = DatumGetInt32(index_getattr(tuple, 4, desc, &isnull));
	return true;
}

/* On to the next kind; false: there is none. */
static bool
walk(Walk *w)
{
	CHECK_FOR_INTERRUPTS();
	if (!w->began)
	{
		w->began = true;
		w->at.owner = w->owner;
		w->at.queue_id = PG_INT32_MIN;
		return seek(w, OidIsValid(w->owner) ? STEP_QUEUE : STEP_FIRST);
	}
	if (!w->skip && ((w->lanes && seek(w, STEP_LANE)) ||
					 (w->lanes && seek(w, STEP_PRIORITY)) ||
					 seek(w, STEP_QUEUE)))
		return true;
	w->skip = false;
	return !OidIsValid(w->owner) && seek(w, STEP_OWNER);
}

/*
 * The tenant whose turn the tasks of a lane take.  A lane that several things
 * share does not tell: then the first row that can be seen.
 */
static int32
tenant_of(Walk *w)
{
	TupleTableSlot *slot;
	int32		tenant = w->at.lane;

	if (w->at.lane <= 0)
		return w->at.lane;
	slot = table_slot_create(w->heap, NULL);
	rescan(w, &w->at, STEP_NONE);
	if (index_getnext_slot(w->scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		d = slot_getattr(slot, JDG_A_TENANT, &isnull);

		tenant = jdg_tenant_lane(isnull ? NULL : TextDatumGetCString(d));
	}
	ExecDropSingleTupleTableSlot(slot);
	return tenant;
}

static void
walk_begin(Walk *w)
{
	w->heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	w->scan = jdg_index_beginscan(w->heap,
								  index_open(jdg_relation_oid("task_ready"),
											 AccessShareLock),
								  GetActiveSnapshot(), 4);
	w->scan->xs_want_itup = true;
}

static void
walk_end(Walk *w)
{
	Relation	index = w->scan->indexRelation;

	index_endscan(w->scan);
	index_close(index, NoLock);
	table_close(w->heap, NoLock);
}

/* Has a role HTTP tasks, ready or not? */
static bool
has_requests(Oid owner)
{
	static JdgQuery q = {
		"SELECT FROM jadugar_internal.task WHERE owner = $1 "
		"AND endpoint_id IS NOT NULL LIMIT 1", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(owner)};
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(&q, v, NULL, 1) > 0;
	jdg_internal_end(&in);
	return found;
}

bool
jdg_kinds_make_lanes(JdgDb *db, Oid owner, bool *complete)
{
	Walk		w = {.owner = owner,.lanes = true};
	bool		ok = true;

	*complete = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	walk_begin(&w);
	while (ok && walk(&w))
	{
		if (jdg_lane_make(db->dboid, &w.at, tenant_of(&w)))
			continue;
		*complete = false;
		ok = jdg_lane_make(db->dboid,
						   &JDG_REST_KEY(w.at.owner, JDG_CARRIER_WORKER),
						   JDG_ANY_TENANT) &&
			(!has_requests(w.at.owner) ||
			 jdg_lane_make(db->dboid,
						   &JDG_REST_KEY(w.at.owner, JDG_CARRIER_HTTP),
						   JDG_ANY_TENANT));
		w.skip = true;
	}
	walk_end(&w);
	PopActiveSnapshot();
	return ok;
}

void
jdg_kinds_of_queues(Oid owner,
					bool (*found) (void *arg, const JdgLaneLook *look),
					void *arg)
{
	Walk		w = {.owner = owner};
	bool		more = true;

	PushActiveSnapshot(GetTransactionSnapshot());
	walk_begin(&w);
	while (more && walk(&w))
	{
		/* of any tenant: the rows tell */
		JdgLaneLook look = {.key = w.at,.tenant = JDG_ANY_TENANT,.gate = JDG_PLACE_NONE};

		more = found(arg, &look);
	}
	walk_end(&w);
	PopActiveSnapshot();
}
