/*-------------------------------------------------------------------------
 *
 * result.c
 *	  A DestReceiver that keeps the first row of a result as jsonb.
 *
 * The row is copied when it comes and converted when its statement has ended,
 * still in the statement's transaction and as the task's own user: the
 * conversion runs the output functions and casts of the row's types, and a
 * statement may be in parallel mode while it returns rows.
 *
 * The work of the task is done by then, so the conversion must not fail it.
 * What may fail runs in a subtransaction, and its error becomes a marker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/subxact.h"
#include "exec/result.h"

/* a larger row is not copied: as jsonb, it could not be kept either */
#define MAX_ROW_SIZE	(200 * 1024 * 1024)

/* up to this size, the conversion of a plain row cannot fail */
#define MAX_PLAIN_SIZE	(1024 * 1024)

typedef struct FirstRow
{
	JdgReceiver pub;
	MemoryContext mcxt;			/* of row and result */
	bool		taken;			/* a first row has come */
	bool		plain;			/* its conversion cannot fail */
	Size		size;			/* its size in bytes */
	Datum		row;			/* 0: not copied, or converted */
	Jsonb	   *result;
} FirstRow;

/* A statement begins: forget the row of the one before it. */
static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	FirstRow   *fr = (FirstRow *) self;

	fr->taken = false;
	fr->row = (Datum) 0;
	fr->result = NULL;
}

/*
 * Is this a type whose values always have a JSON form?  Others may have output
 * functions and casts of users, or values that JSON has and jsonb has not.
 */
static bool
is_plain_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case BYTEAOID:
		case NAMEOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case TEXTOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case BPCHAROID:
		case VARCHAROID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case NUMERICOID:
		case UUIDOID:
		case JSONBOID:
		case VOIDOID:
		case INT4ARRAYOID:
		case INT8ARRAYOID:
		case TEXTARRAYOID:
			return true;
		default:
			return false;
	}
}

/* Notes the size of the row, and whether its conversion may fail. */
static void
measure(FirstRow *fr, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	fr->size = 0;
	fr->plain = true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (slot->tts_isnull[i])
			continue;
		fr->plain &= is_plain_type(att->atttypid);
		if (att->attlen == -1)
			fr->size += toast_raw_datum_size(slot->tts_values[i]);
		else if (att->attlen == -2)
			fr->size += strlen(DatumGetCString(slot->tts_values[i])) + 1;
		else
			fr->size += att->attlen;
	}
	fr->plain &= fr->size <= MAX_PLAIN_SIZE;
}

/* Has a column before "end" this name? */
static bool
has_name(TupleDesc desc, int end, const char *name)
{
	for (int i = 0; i < end; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return true;
	}
	return false;
}

/* a name of some column */
typedef struct ColumnName
{
	char		name[NAMEDATALEN];	/* key */
	bool		taken;			/* by a column that has been looked at */
	int			next;			/* the number to try for the next such column */
} ColumnName;

static HTAB *
hash_names(TupleDesc desc)
{
	HASHCTL		ctl = {0};
	HTAB	   *names;

	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = sizeof(ColumnName);
	ctl.hcxt = CurrentMemoryContext;
	names = hash_create("jadugar column names", desc->natts, &ctl,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	for (int i = 0; i < desc->natts; i++)
	{
		ColumnName *e = hash_search(names, NameStr(TupleDescAttr(desc, i)->attname),
									HASH_ENTER, NULL);

		e->taken = false;
		e->next = 2;
	}
	return names;
}

/* Gives a column the first name with a number that no column has. */
static void
number_name(HTAB *names, ColumnName *e, NameData *attname)
{
	char		name[NAMEDATALEN];
	ColumnName *added;
	bool		found;

	do
	{
		char		suffix[16];
		int			len = strlen(e->name);

		CHECK_FOR_INTERRUPTS();
		snprintf(suffix, sizeof(suffix), "_%d", e->next++);
		len = pg_mbcliplen(e->name, len,
						   NAMEDATALEN - 1 - (int) strlen(suffix));
		snprintf(name, sizeof(name), "%.*s%s", len, e->name, suffix);
		hash_search(names, name, HASH_FIND, &found);
	} while (found);
	added = hash_search(names, name, HASH_ENTER, NULL);
	added->taken = true;
	added->next = 2;
	namestrcpy(attname, name);
}

/* An object has one value for each name. */
void
jdg_number_equal_names(TupleDesc desc)
{
	HTAB	   *names;
	int			first = 1;

	while (first < desc->natts &&
		   !has_name(desc, first, NameStr(TupleDescAttr(desc, first)->attname)))
		first++;
	if (first >= desc->natts)
		return;
	/* there may be 1664 columns of one name */
	names = hash_names(desc);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		ColumnName *e = hash_search(names, NameStr(att->attname), HASH_FIND,
									NULL);

		if (e->taken)
			number_name(names, e, &att->attname);
		else
			e->taken = true;
	}
	hash_destroy(names);
}

/*
 * Keeps the first row and discards the others.  Always returns true, so that
 * the statement runs to its end.
 */
static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	FirstRow   *fr = (FirstRow *) self;
	TupleDesc	desc = slot->tts_tupleDescriptor;
	MemoryContext old;
	HeapTuple	tuple;

	if (fr->taken || desc->natts == 0)
		return true;
	fr->taken = true;
	slot_getallattrs(slot);
	measure(fr, slot);
	if (fr->size > MAX_ROW_SIZE)
		return true;
	/* BlessTupleDesc() modifies its argument, so copy the descriptor */
	desc = CreateTupleDescCopy(desc);
	jdg_number_equal_names(desc);
	desc = BlessTupleDesc(desc);
	tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);
	old = MemoryContextSwitchTo(fr->mcxt);
	fr->row = heap_copy_tuple_as_datum(tuple, desc);
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

	fr->pub.dest.receiveSlot = receive;
	fr->pub.dest.rStartup = startup;
	fr->pub.dest.rShutdown = finish;
	fr->pub.dest.rDestroy = finish;
	fr->pub.dest.mydest = DestNone;
	fr->pub.ended = jdg_first_row_convert;
	fr->mcxt = CurrentMemoryContext;
	return &fr->pub.dest;
}

/* Converts the row as row_to_json() does. */
static void
convert(void *arg)
{
	FirstRow   *fr = arg;
	Datum		json = DirectFunctionCall1(row_to_json, fr->row);
	char	   *string = TextDatumGetCString(json);
	Jsonb	   *row = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														 CStringGetDatum(string)));

	fr->result = MemoryContextAlloc(fr->mcxt, VARSIZE(row));
	memcpy(fr->result, row, VARSIZE(row));
}

/* What is kept in place of a row whose conversion has failed. */
static Jsonb *
marker_of_error(const ErrorData *edata)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_bool(&st, "unconvertible", true);
	jdg_json_text(&st, "sqlstate", unpack_sql_state(edata->sqlerrcode));
	jdg_json_text(&st, "error", jdg_excerpt(edata->message));
	return jdg_json_finish(&st);
}

/*
 * Converts the row in a subtransaction.  An error that means the task, such as
 * its cancel, is raised again.
 */
static void
try_to_convert(FirstRow *fr)
{
	ErrorData  *edata = jdg_in_subxact(convert, fr, CurrentMemoryContext);
	MemoryContext old;

	if (edata == NULL)
		return;
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
		ReThrowError(edata);
	old = MemoryContextSwitchTo(fr->mcxt);
	fr->result = marker_of_error(edata);
	MemoryContextSwitchTo(old);
}

void
jdg_first_row_convert(DestReceiver *dest)
{
	FirstRow   *fr = (FirstRow *) dest;
	bool		snapshot_set = false;

	if (!fr->taken || fr->result != NULL)
		return;
	if (fr->row == (Datum) 0)
	{
		MemoryContext old = MemoryContextSwitchTo(fr->mcxt);

		fr->result = jdg_json_truncated(fr->size);
		MemoryContextSwitchTo(old);
		return;
	}
	/* output functions may need one; after VACUUM or CALL there is none */
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		snapshot_set = true;
	}
	if (fr->plain)
		convert(fr);
	else
		try_to_convert(fr);
	if (snapshot_set)
		PopActiveSnapshot();
	pfree(DatumGetPointer(fr->row));
	fr->row = (Datum) 0;
}

Jsonb *
jdg_first_row(DestReceiver *dest)
{
	return ((FirstRow *) dest)->result;
}
