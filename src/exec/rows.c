/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  A DestReceiver that keeps the rows of a result, see rows.h.
 *
 * The rows are kept as they come, on disk beyond work_mem, and converted when
 * the statement has ended: the conversion runs output functions and casts, and
 * a statement may be in parallel mode while it returns rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/json.h"
#include "exec/result.h"
#include "exec/rows.h"

typedef struct Rows
{
	JdgReceiver pub;			/* ended: NULL */
	MemoryContext mcxt;
	bool		first_only;
	bool		any;			/* a row of this statement has been kept */
	Tuplestorestate *store;		/* NULL: no statement has returned rows */
	TupleDesc	desc;			/* of its rows */
} Rows;

/* A statement begins: those of the one before are not the result. */
static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Rows	   *r = (Rows *) self;
	MemoryContext old;

	if (r->store != NULL)
		tuplestore_end(r->store);
	r->store = NULL;
	r->any = false;
	if (desc == NULL || desc->natts == 0)
		return;
	old = MemoryContextSwitchTo(r->mcxt);
	r->store = tuplestore_begin_heap(false, false, work_mem);
	r->desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Rows	   *r = (Rows *) self;

	if (r->store == NULL || (r->any && r->first_only))
		return true;
	tuplestore_puttupleslot(r->store, slot);
	r->any = true;
	return true;
}

static void
finish(DestReceiver *self)
{
}

DestReceiver *
jdg_rows_receiver(bool first_only)
{
	Rows	   *r = palloc0(sizeof(Rows));
	DestReceiver *dest = &r->pub.dest;

	dest->receiveSlot = receive;
	dest->rStartup = startup;
	dest->rShutdown = finish;
	dest->rDestroy = finish;
	dest->mydest = DestNone;
	r->mcxt = CurrentMemoryContext;
	r->first_only = first_only;
	return dest;
}

void
jdg_rows_take(DestReceiver *dest, void (*take) (Jsonb *row, void *arg),
			  void *arg)
{
	Rows	   *r = (Rows *) dest;
	TupleTableSlot *slot;
	MemoryContext each;
	TupleDesc	desc;

	if (r->store == NULL)
		return;
	slot = MakeSingleTupleTableSlot(r->desc, &TTSOpsMinimalTuple);
	desc = CreateTupleDescCopy(r->desc);
	jdg_number_equal_names(desc);
	desc = BlessTupleDesc(desc);
	each = AllocSetContextCreate(CurrentMemoryContext, "jadugar row",
								 ALLOCSET_DEFAULT_SIZES);
	while (tuplestore_gettupleslot(r->store, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(each);
		HeapTuple	tuple;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);
		take(jdg_json_of_row(heap_copy_tuple_as_datum(tuple, desc), RECORDOID),
			 arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(r->store);
	r->store = NULL;
	MemoryContextDelete(each);
}
