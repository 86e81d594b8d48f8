/*-------------------------------------------------------------------------
 *
 * event.c
 *	  Rows of jadugar_internal.event, see event.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/xid8.h"
#include "utils/typcache.h"

#include "access/owner.h"
#include "base/json.h"
#include "base/columns.h"
#include "base/json.h"
#include "base/objects.h"
#include "event/event.h"
#include "event/type.h"

/* columns of the table, in the order of sql/event.sql */
enum
{
	E_EVENT_ID, E_XID, E_LEAF, E_SLOT, E_PUBLISHED_AT, E_PUBLISHER, E_VERSION,
	E_HOPS, E_TYPE, E_STREAM_ID, E_STREAM_VERSION, E_CAUSE, E_KEY, E_TENANT,
	E_TRACE, E_HEADERS, E_DATA, E_COLUMNS
};

StaticAssertDecl(E_COLUMNS == JDG_EVENT_COLUMNS, "columns of event");
StaticAssertDecl(E_EVENT_ID + 1 == JDG_EVENT_ID_COLUMN, "column event_id");
StaticAssertDecl(E_XID + 1 == JDG_EVENT_XID_COLUMN, "column xid");
StaticAssertDecl(E_KEY + 1 == JDG_EVENT_KEY_COLUMN, "column key");

/* columns of jadugar.event_info */
enum
{
	I_EVENT_ID, I_TYPE, I_VERSION, I_KEY, I_DATA, I_HEADERS, I_TOPIC, I_STREAM,
	I_STREAM_VERSION, I_PUBLISHED_AT, I_PUBLISHER, I_CAUSE, I_HOPS, I_TENANT,
	I_TRACE, I_COLUMNS
};

int64
jdg_event_next_id(void)
{
	return nextval_internal(jdg_relation_oid("event_id_seq"), false);
}

/* Sets the columns of the row, in the current memory context. */
static void
set_columns(const JdgEvent *e, Datum *v, bool *n)
{
	memset(n, 0, sizeof(bool) * E_COLUMNS);
	v[E_EVENT_ID] = Int64GetDatum(e->event_id);
	v[E_XID] = FullTransactionIdGetDatum(e->xid);
	v[E_LEAF] = Int32GetDatum(e->leaf);
	v[E_SLOT] = Int32GetDatum(e->slot);
	v[E_PUBLISHED_AT] = TimestampTzGetDatum(e->published_at);
	v[E_PUBLISHER] = ObjectIdGetDatum(e->publisher);
	v[E_VERSION] = Int16GetDatum(e->version);
	v[E_HOPS] = Int16GetDatum(e->hops);
	jdg_set_int64(v, n, E_STREAM_ID, e->stream_id, 0);
	jdg_set_int64(v, n, E_STREAM_VERSION, e->stream_version, 0);
	jdg_set_int64(v, n, E_CAUSE, e->cause, 0);
	jdg_set_text(v, n, E_TYPE, e->type);
	jdg_set_text(v, n, E_KEY, e->key);
	jdg_set_text(v, n, E_TENANT, e->tenant);
	jdg_set_text(v, n, E_TRACE, e->trace);
	jdg_set_pointer(v, n, E_HEADERS, e->headers);
	jdg_set_pointer(v, n, E_DATA, e->data);
}

void
jdg_event_put(JdgRows *rows, const JdgEvent *e)
{
	Datum		v[E_COLUMNS];
	bool		n[E_COLUMNS];
	MemoryContext old = MemoryContextSwitchTo(jdg_rows_memory(rows));

	set_columns(e, v, n);
	MemoryContextSwitchTo(old);
	jdg_rows_put(rows, v, n);
}

void
jdg_event_read_head(TupleTableSlot *s, JdgEvent *e)
{
	slot_getsomeattrs(s, E_SLOT + 1);
	e->event_id = jdg_get_int64(s, E_EVENT_ID, 0);
	e->xid = DatumGetFullTransactionId(s->tts_values[E_XID]);
	e->slot = jdg_get_int32(s, E_SLOT, 0);
}

void
jdg_event_read_type(TupleTableSlot *s, char *type)
{
	text	   *t;
	size_t		len;

	slot_getsomeattrs(s, E_TYPE + 1);
	t = DatumGetTextPP(s->tts_values[E_TYPE]);
	len = VARSIZE_ANY_EXHDR(t);
	Assert(len <= JDG_EVENT_TYPE_MAX);
	memcpy(type, VARDATA_ANY(t), len);
	type[len] = '\0';
	if ((Pointer) t != DatumGetPointer(s->tts_values[E_TYPE]))
		pfree(t);
}

void
jdg_event_read(TupleTableSlot *s, JdgEvent *e)
{
	slot_getallattrs(s);
	e->event_id = jdg_get_int64(s, E_EVENT_ID, 0);
	e->xid = DatumGetFullTransactionId(s->tts_values[E_XID]);
	e->leaf = jdg_get_int32(s, E_LEAF, 0);
	e->slot = jdg_get_int32(s, E_SLOT, 0);
	e->published_at = jdg_get_time(s, E_PUBLISHED_AT);
	e->publisher = DatumGetObjectId(s->tts_values[E_PUBLISHER]);
	e->version = DatumGetInt16(s->tts_values[E_VERSION]);
	e->hops = DatumGetInt16(s->tts_values[E_HOPS]);
	e->stream_id = jdg_get_int64(s, E_STREAM_ID, 0);
	e->stream_version = jdg_get_int64(s, E_STREAM_VERSION, 0);
	e->cause = jdg_get_int64(s, E_CAUSE, 0);
	e->type = jdg_get_text(s, E_TYPE);
	e->key = jdg_get_text(s, E_KEY);
	e->tenant = jdg_get_text(s, E_TENANT);
	e->trace = jdg_get_text(s, E_TRACE);
	e->headers = jdg_get_jsonb(s, E_HEADERS);
	e->data = jdg_get_jsonb(s, E_DATA);
}

/* The type of the rows of jadugar_internal.event. */
static TupleDesc
row_type(void)
{
	return lookup_rowtype_tupdesc_copy(get_rel_type_id(jdg_relation_oid("event")),
									   -1);
}

Jsonb *
jdg_event_to_jsonb(const JdgEvent *e)
{
	TupleDesc	desc = row_type();
	Datum		v[E_COLUMNS];
	bool		n[E_COLUMNS];

	set_columns(e, v, n);
	return jdg_json_of_row(HeapTupleGetDatum(heap_form_tuple(desc, v, n)),
						   desc->tdtypeid);
}

void
jdg_event_of_datum(Datum row, JdgEvent *e, MemoryContext mcxt)
{
	HeapTupleHeader header = (HeapTupleHeader) PG_DETOAST_DATUM(row);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(row_type(),
													&TTSOpsHeapTuple);
	HeapTupleData tuple = {0};
	MemoryContext old;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	ExecStoreHeapTuple(&tuple, slot, false);
	old = MemoryContextSwitchTo(mcxt);
	jdg_event_read(slot, e);
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
}

Oid
jdg_event_info_type(void)
{
	static Oid	type = InvalidOid;
	static uint64 kept_epoch = 0;
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch != 0 && epoch == kept_epoch)
		return type;
	kept_epoch = 0;
	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("event_info"),
						   ObjectIdGetDatum(get_namespace_oid("jadugar", false)));
	if (!OidIsValid(type))
		elog(ERROR, "type jadugar.event_info does not exist");
	kept_epoch = epoch;
	return type;
}

/*
 * The name of a publisher.  Often many events in a row have the same one.  It
 * is valid until the next call.
 */
static Name
publisher_name(Oid publisher)
{
	static NameData name;
	static Oid	kept = InvalidOid;
	static uint64 kept_epoch = 0;
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch == 0 || epoch != kept_epoch || publisher != kept)
	{
		kept_epoch = 0;
		namestrcpy(&name, jdg_role_name(publisher));
		kept = publisher;
		kept_epoch = epoch;
	}
	return &name;
}

Datum
jdg_event_info(TupleDesc desc, const JdgEvent *e, const JdgTopic *topic,
			   bool whole)
{
	Datum		v[I_COLUMNS];
	bool		n[I_COLUMNS] = {0};

	v[I_EVENT_ID] = Int64GetDatum(e->event_id);
	jdg_set_text(v, n, I_TYPE, e->type);
	v[I_VERSION] = Int32GetDatum(e->version);
	jdg_set_text(v, n, I_KEY, e->key);
	jdg_set_pointer(v, n, I_DATA, whole ? e->data : NULL);
	jdg_set_pointer(v, n, I_HEADERS, whole ? e->headers : NULL);
	jdg_set_text(v, n, I_TOPIC, topic->name);
	n[I_STREAM] = true;
	jdg_set_int64(v, n, I_STREAM_VERSION, e->stream_version, 0);
	jdg_set_time(v, n, I_PUBLISHED_AT, e->published_at);
	v[I_PUBLISHER] = NameGetDatum(publisher_name(e->publisher));
	jdg_set_int64(v, n, I_CAUSE, e->cause, 0);
	v[I_HOPS] = Int32GetDatum(e->hops);
	jdg_set_text(v, n, I_TENANT, e->tenant);
	jdg_set_text(v, n, I_TRACE, e->trace);
	return HeapTupleGetDatum(heap_form_tuple(desc, v, n));
}

Jsonb *
jdg_event_info_jsonb(const JdgEvent *e, const JdgTopic *topic)
{
	Oid			type = jdg_event_info_type();
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

	return jdg_json_of_row(jdg_event_info(desc, e, topic, true), type);
}
