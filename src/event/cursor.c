/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  Positions of shards, see cursor.h.
 *
 * Runs in workers, in sessions of consumers, and in the scheduler for the
 * events of dead workers and for those that flows wait for.
 *
 * The lock of a cursor's row protects the position and all events that the
 * shard has set aside.  Workers and the scheduler only try it; sessions that
 * change a subscription wait for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/objects.h"
#include "event/cursor.h"
#include "event/era.h"

#define CURSOR_COLUMNS \
	"base_xmax, base_xip, upto_xmax, upto_xip, after_id, handled, failed, " \
	"parked, in_a_row, retry_at, blocked_id, attempts, errors, " \
	"last_event_id, last_handled_at, charged, era, epoch, secret, consumer, " \
	"lease_until, given, given_aside, given_end, lost_at IS NOT NULL, " \
	"done, last_window, behind"

/* two columns of a snapshot, from the first row of SPI_tuptable */
static JdgXidSet *
col_set(int col, MemoryContext mcxt)
{
	bool		isnull;
	bool		xip_isnull;
	Datum		xmax = jdg_col(0, col, &isnull);
	Datum		xip = jdg_col(0, col + 1, &xip_isnull);
	MemoryContext old;
	JdgXidSet  *set;

	if (isnull || xip_isnull)
		return NULL;
	old = MemoryContextSwitchTo(mcxt);
	set = jdg_xidset_read(xmax, xip);
	MemoryContextSwitchTo(old);
	return set;
}

/* Sets the lease from the first row of SPI_tuptable. */
static void
read_lease(JdgLease *l, MemoryContext mcxt)
{
	bool		isnull;
	Datum		given = jdg_col(0, 22, &isnull);
	Datum	   *elems;

	l->epoch = jdg_col_int64(0, 18, 0);
	l->until = DT_NOBEGIN;
	if (isnull)
		return;
	l->held = true;
	l->secret = jdg_col_int64(0, 19, 0);
	l->consumer = jdg_col_text(0, 20, mcxt);
	l->until = jdg_col_time(0, 21, DT_NOBEGIN);
	deconstruct_array(DatumGetArrayTypeP(given), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems, NULL,
					  &l->ngiven);
	l->given = MemoryContextAlloc(mcxt, sizeof(int64) * Max(l->ngiven, 1));
	for (int i = 0; i < l->ngiven; i++)
		l->given[i] = DatumGetInt64(elems[i]);
	l->aside = jdg_col_bool(0, 23);
	l->end = jdg_col_bool(0, 24);
}

/* Sets the cursor from the first row of SPI_tuptable. */
static void
from_row(JdgCursor *c, MemoryContext mcxt)
{
	c->base = col_set(1, mcxt);
	c->upto = col_set(3, mcxt);
	c->after_id = jdg_col_int64(0, 5, 0);
	c->handled = jdg_col_int64(0, 6, 0);
	c->failed = jdg_col_int64(0, 7, 0);
	c->parked = jdg_col_int64(0, 8, 0);
	c->in_a_row = jdg_col_int32(0, 9, 0);
	c->retry_at = jdg_col_time(0, 10, DT_NOBEGIN);
	c->blocked_id = jdg_col_int64(0, 11, 0);
	c->attempts = jdg_col_int32(0, 12, 0);
	c->errors = jdg_col_jsonb(0, 13, mcxt);
	c->last_event_id = jdg_col_int64(0, 14, 0);
	c->last_handled_at = jdg_col_time(0, 15, DT_NOBEGIN);
	c->charged = jdg_col_char(0, 16);
	c->era = jdg_col_int32(0, 17, 0);
	read_lease(&c->lease, mcxt);
	c->lost = jdg_col_bool(0, 25);
	c->done = jdg_col_bool(0, 26);
	c->last_window = jdg_col_bool(0, 27);
	c->behind = jdg_col_bool(0, 28);
}

static bool
read_cursor(JdgQuery *q, bool latest, int64 subscription_id, int32 shard,
			JdgCursor *c)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[2] = {Int64GetDatum(subscription_id), Int32GetDatum(shard)};
	JdgInternal in;
	bool		found;

	memset(c, 0, sizeof(*c));
	c->subscription_id = subscription_id;
	c->shard = shard;
	jdg_internal_begin(&in);
	found = (latest ? jdg_run_latest(q, v, NULL) : jdg_run(q, v, NULL, 1)) > 0;
	if (found)
		from_row(c, mcxt);
	jdg_internal_end(&in);
	return found;
}

bool
jdg_cursor_read(int64 subscription_id, int32 shard, JdgCursor *c)
{
	static JdgQuery q = {
		"SELECT " CURSOR_COLUMNS " FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard = $2", 2, {INT8OID, INT4OID}
	};

	return read_cursor(&q, true, subscription_id, shard, c);
}

bool
jdg_cursor_lock(int64 subscription_id, int32 shard, JdgCursor *c)
{
	static JdgQuery q = {
		"SELECT " CURSOR_COLUMNS " FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard = $2 FOR UPDATE SKIP LOCKED",
		2, {INT8OID, INT4OID}
	};

	return read_cursor(&q, false, subscription_id, shard, c);
}

bool
jdg_cursor_wait(int64 subscription_id, int32 shard, JdgCursor *c)
{
	static JdgQuery q = {
		"SELECT " CURSOR_COLUMNS " FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 AND shard = $2 FOR UPDATE",
		2, {INT8OID, INT4OID}
	};

	return read_cursor(&q, false, subscription_id, shard, c);
}

/*
 * Does another transaction that has not ended lock this version of a row?  The
 * lock of the buffer keeps xmax and what it means together.
 */
static bool
is_locked(BufferHeapTupleTableSlot *slot)
{
	HeapTupleHeader tuple = slot->base.tuple->t_data;
	TransactionId xmax;
	uint16		infomask;

	LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
	xmax = HeapTupleHeaderGetRawXmax(tuple);
	infomask = tuple->t_infomask;
	LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
	if (infomask & HEAP_XMAX_INVALID)
		return false;
	if (infomask & HEAP_XMAX_IS_MULTI)
		return MultiXactIdIsRunning(xmax, HEAP_XMAX_IS_LOCKED_ONLY(infomask));
	return !TransactionIdIsCurrentTransactionId(xmax) &&
		TransactionIdIsInProgress(xmax);
}

bool
jdg_cursor_is_locked(int64 subscription_id, int32 shard)
{
	Relation	heap = table_open(jdg_relation_oid("event_cursor"),
								  AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("event_cursor_pkey"),
								   AccessShareLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = jdg_index_beginscan(heap, index, snapshot, 2);
	bool		locked = false;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(subscription_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(shard));
	index_rescan(scan, keys, 2, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		Assert(TTS_IS_BUFFERTUPLE(slot));
		locked = is_locked((BufferHeapTupleTableSlot *) slot);
	}
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return locked;
}

void
jdg_cursor_bind_set(JdgParams *p, const char *xmax, const char *xip,
					const JdgXidSet *set)
{
	jdg_bind(p, xmax, XID8OID, set ? jdg_xidset_xmax(set) : (Datum) 0,
			 set == NULL);
	jdg_bind(p, xip, XID8ARRAYOID, set ? jdg_xidset_xip(set) : (Datum) 0,
			 set == NULL);
}

#define UPDATE_CURSOR \
	"UPDATE jadugar_internal.event_cursor SET base_xmax = $base_xmax, " \
	"base_xip = $base_xip, upto_xmax = $upto_xmax, upto_xip = $upto_xip, " \
	"after_id = $after_id, handled = $handled, failed = $failed, " \
	"parked = $parked, in_a_row = $in_a_row, retry_at = $retry_at, " \
	"blocked_id = $blocked_id, attempts = $attempts, errors = $errors, " \
	"last_event_id = $last_event_id, last_handled_at = $last_handled_at, " \
	"charged = $charged, era = $era, done = $done, behind = $behind"

#define OF_CURSOR \
	" WHERE subscription_id = $subscription_id AND shard = $shard"

/* Writes with a query that begins and ends with these; p: more of it. */
static void
write_cursor(JdgQuery *q, JdgParams *p, const JdgCursor *c)
{
	JdgInternal in;

	jdg_cursor_bind_set(p, "base_xmax", "base_xip", c->base);
	jdg_cursor_bind_set(p, "upto_xmax", "upto_xip", c->upto);
	jdg_bind_int64(p, "after_id", c->after_id);
	jdg_bind_int64(p, "handled", c->handled);
	jdg_bind_int64(p, "failed", c->failed);
	jdg_bind_int64(p, "parked", c->parked);
	jdg_bind_int32(p, "in_a_row", c->in_a_row);
	jdg_bind_time(p, "retry_at", c->retry_at);
	jdg_bind_int64_or_null(p, "blocked_id",
						   c->blocked_id ? &c->blocked_id : NULL);
	jdg_bind_int32(p, "attempts", c->attempts);
	jdg_bind_jsonb(p, "errors", c->errors);
	jdg_bind_int64_or_null(p, "last_event_id",
						   c->last_event_id ? &c->last_event_id : NULL);
	jdg_bind_time(p, "last_handled_at", c->last_handled_at);
	jdg_bind(p, "charged", CHAROID, CharGetDatum(c->charged), c->charged == 0);
	jdg_bind_int32(p, "era", c->era);
	jdg_bind_bool(p, "done", c->done);
	jdg_bind_bool(p, "behind", c->behind);
	jdg_bind_int64(p, "subscription_id", c->subscription_id);
	jdg_bind_int32(p, "shard", c->shard);
	jdg_internal_begin(&in);
	if (jdg_run_params(q, p, 0) != 1)
		elog(ERROR, "cursor of subscription " INT64_FORMAT ", shard %d, does not exist",
			 c->subscription_id, c->shard);
	jdg_internal_end(&in);
}

void
jdg_cursor_write(const JdgCursor *c)
{
	static JdgQuery q = {UPDATE_CURSOR OF_CURSOR};
	JdgParams	p = {0};

	write_cursor(&q, &p, c);
}

void
jdg_cursor_write_lease(const JdgCursor *c)
{
	static JdgQuery q = {
		UPDATE_CURSOR ", epoch = $epoch, secret = $secret, "
		"consumer = $consumer, lease_until = $lease_until, given = $given, "
		"given_aside = $given_aside, given_end = $given_end" OF_CURSOR
	};
	const JdgLease *l = &c->lease;
	Datum	   *given = palloc(sizeof(Datum) * Max(l->ngiven, 1));
	JdgParams	p = {0};

	for (int i = 0; i < l->ngiven; i++)
		given[i] = Int64GetDatum(l->given[i]);
	jdg_bind_int64(&p, "epoch", l->epoch);
	jdg_bind_int64_or_null(&p, "secret", l->held ? &l->secret : NULL);
	jdg_bind_text(&p, "consumer", l->held ? l->consumer : NULL);
	jdg_bind_time(&p, "lease_until", l->held ? l->until : DT_NOBEGIN);
	jdg_bind(&p, "given", INT8ARRAYOID,
			 jdg_array(INT8OID, given, NULL, l->ngiven), !l->held);
	jdg_bind_bool_or_null(&p, "given_aside", l->held ? &l->aside : NULL);
	jdg_bind_bool_or_null(&p, "given_end", l->held ? &l->end : NULL);
	write_cursor(&q, &p, c);
}

void
jdg_cursor_insert(const JdgCursor *c)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.event_cursor (subscription_id, shard, "
		"era, base_xmax, base_xip, upto_xmax, upto_xip, after_id, "
		"last_window) VALUES ($subscription_id, $shard, $era, $base_xmax, "
		"$base_xip, $upto_xmax, $upto_xip, $after_id, $last_window)"
	};
	JdgParams	p = {0};
	JdgInternal in;

	jdg_bind_int64(&p, "subscription_id", c->subscription_id);
	jdg_bind_int32(&p, "shard", c->shard);
	jdg_bind_int32(&p, "era", c->era);
	jdg_cursor_bind_set(&p, "base_xmax", "base_xip", c->base);
	jdg_cursor_bind_set(&p, "upto_xmax", "upto_xip", c->upto);
	jdg_bind_int64(&p, "after_id", c->after_id);
	jdg_bind_bool(&p, "last_window", c->last_window);
	jdg_internal_begin(&in);
	jdg_run_params(&q, &p, 0);
	jdg_internal_end(&in);
}

void
jdg_cursor_delete(int64 subscription_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.event_cursor WHERE subscription_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(subscription_id)};
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
	jdg_internal_end(&in);
}

void
jdg_cursor_end_window(JdgCursor *c)
{
	if (jdg_xidset_is_all(c->upto))
	{
		c->base = NULL;
		c->after_id = Max(c->after_id, jdg_era_get(c->era).end - 1);
		c->era = jdg_era_now();
	}
	else
	{
		c->base = c->upto;
		c->after_id = 0;
	}
	c->upto = NULL;
	c->done = c->last_window;
}

bool
jdg_cursor_same_place(const JdgCursor *a, const JdgCursor *b)
{
	return a->era == b->era && a->after_id == b->after_id &&
		a->parked == b->parked && a->lost == b->lost && a->done == b->done &&
		a->retry_at == b->retry_at && jdg_xidset_equal(a->base, b->base) &&
		jdg_xidset_equal(a->upto, b->upto);
}

/* A subscription that began at an id had no snapshot before it. */
bool
jdg_cursor_has_passed(const JdgCursor *c, int64 event_id, uint64 xid)
{
	JdgEra		era;

	if (c->done)
		return true;
	era = jdg_era_get(c->era);
	if (event_id >= era.end)
		return c->last_window;
	if (event_id < era.first)
		return c->base != NULL || event_id <= c->after_id;
	if (c->last_window && !jdg_xidset_has(c->upto, xid))
		return true;
	return jdg_xidset_has(c->base, xid) ||
		(event_id <= c->after_id &&
		 (c->upto == NULL || jdg_xidset_has(c->upto, xid)));
}
