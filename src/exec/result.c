/*-------------------------------------------------------------------------
 *
 * result.c
 *	  A DestReceiver that keeps the first row of a result as jsonb.
 *
 * The conversion runs the output functions and casts of the row's types, so it
 * is done here, while the task's own user is current.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "exec/result.h"

typedef struct FirstRow
{
	DestReceiver pub;
	MemoryContext mcxt;
	bool		taken;
	Jsonb	   *row;
} FirstRow;

/* A statement begins: forget the row of the one before it. */
static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	FirstRow   *fr = (FirstRow *) self;

	fr->taken = false;
	fr->row = NULL;
}

/* Converts the row as row_to_json() does, in the current memory context. */
static Jsonb *
row_to_jsonb(TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	Datum		row;
	Datum		json;

	/* BlessTupleDesc() modifies its argument, so copy the descriptor */
	desc = BlessTupleDesc(CreateTupleDescCopy(desc));
	slot_getallattrs(slot);
	row = heap_copy_tuple_as_datum(heap_form_tuple(desc, slot->tts_values,
												   slot->tts_isnull), desc);
	json = DirectFunctionCall1(row_to_json, row);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json))));
}

/*
 * Keeps the first row and discards the others.  Always returns true, so that
 * the statement runs to its end.
 */
static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	FirstRow   *fr = (FirstRow *) self;
	MemoryContext old;
	Jsonb	   *row;

	if (fr->taken)
		return true;
	fr->taken = true;
	if (slot->tts_tupleDescriptor->natts == 0)
		return true;
	row = row_to_jsonb(slot);
	old = MemoryContextSwitchTo(fr->mcxt);
	fr->row = palloc(VARSIZE(row));
	memcpy(fr->row, row, VARSIZE(row));
	MemoryContextSwitchTo(old);
	return true;
}

static void
finish(DestReceiver *self)
{
}

DestReceiver *
jdg_first_row_receiver(void)
{
	FirstRow   *fr = palloc0(sizeof(FirstRow));

	fr->pub.receiveSlot = receive;
	fr->pub.rStartup = startup;
	fr->pub.rShutdown = finish;
	fr->pub.rDestroy = finish;
	fr->pub.mydest = DestNone;
	fr->mcxt = CurrentMemoryContext;
	return &fr->pub;
}

Jsonb *
jdg_first_row(DestReceiver *dest)
{
	return ((FirstRow *) dest)->row;
}
