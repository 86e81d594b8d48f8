/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Leaves: the partitions of the event log, see leaf.h.
 *
 * Runs in any process.  The configuration decides which leaf of a topic
 * receives new events, not the clock: the scheduler makes the next leaf and
 * changes topic.leaf in one transaction (upkeep.c).  A session makes a leaf
 * only in create_topic(), and for a built-in topic that has none yet: that of
 * lifecycle events in subscribe() and adopt() only.
 *
 * A writer locks the leaf in RowExclusive mode until it commits, and then
 * looks once more whether it is still the topic's: waiting for the lock has
 * brought the invalidations.  So whoever has the leaf in Share mode after the
 * topic writes elsewhere knows that nobody writes there any more.
 *
 * Leaves are no members of the extension, so that pg_dump writes them with
 * their rows.  DROP EXTENSION drops them with their parent.  In a subscriber
 * of logical replication, a trigger makes them (copied_funcs.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/params.h"
#include "base/partition.h"
#include "base/utility.h"
#include "event/event.h"
#include "event/leaf.h"

static Oid
find_relation(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("jadugar_internal", false));
}

Oid
jdg_leaf_relation(int32 leaf)
{
	return find_relation(psprintf("event_%d", leaf));
}

Oid
jdg_leaf_id_index(int32 leaf)
{
	return find_relation(psprintf("event_%d_pkey", leaf));
}

Oid
jdg_leaf_key_index(int32 leaf)
{
	return find_relation(psprintf("event_%d_key", leaf));
}

Oid
jdg_leaf_xid_index(int32 leaf)
{
	return find_relation(psprintf("event_%d_xid", leaf));
}

/* A column of type xid8, from SPI_tuptable. */
static uint64
col_xid(int64 row, int col)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);

	return isnull ? 0 :
		U64FromFullTransactionId(DatumGetFullTransactionId(d));
}

void
jdg_leaf_make_table(int32 leaf, bool index_keys)
{
	char	   *name = psprintf("event_%d", leaf);

	Assert(jdg_is_bookkeeping());
	jdg_partition_create("event", name);
	/* rows never change, so vacuum can freeze them at once */
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s "
							 "SET (autovacuum_freeze_min_age = 0), "
							 "ADD CONSTRAINT %s_pkey PRIMARY KEY (event_id)",
							 name, name));
	jdg_utility_run(psprintf("CREATE INDEX %s_xid ON jadugar_internal.%s "
							 "(xid, event_id)", name, name));
	if (index_keys)
		jdg_utility_run(psprintf("CREATE INDEX %s_key ON jadugar_internal.%s "
								 "(key, event_id) WHERE key IS NOT NULL",
								 name, name));
	jdg_partition_attach("event", name, psprintf("IN (%d)", leaf));
}

void
jdg_leaf_make(int32 topic_id, bool index_keys)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.event_leaf (leaf, topic_id, began_at) "
		"VALUES ($1, $2, $3)", 3, {INT4OID, INT4OID, TIMESTAMPTZOID}
	};
	static JdgQuery close_old = {
		"UPDATE jadugar_internal.event_leaf SET closed_at = $2 "
		"WHERE topic_id = $1 AND closed_at IS NULL",
		2, {INT4OID, TIMESTAMPTZOID}
	};
	static JdgQuery change = {
		"UPDATE jadugar_internal.topic SET leaf = $2 WHERE topic_id = $1",
		2, {INT4OID, INT4OID},.config = true
	};
	TimestampTz now = jdg_now();
	int32		leaf;
	Datum		v[3];

	Assert(jdg_is_bookkeeping());
	leaf = (int32) nextval_internal(jdg_relation_oid("event_leaf_seq"), false);
	jdg_leaf_make_table(leaf, index_keys);
	v[0] = Int32GetDatum(topic_id);
	v[1] = TimestampTzGetDatum(now);
	jdg_run(&close_old, v, NULL, 0);
	v[0] = Int32GetDatum(leaf);
	v[1] = Int32GetDatum(topic_id);
	v[2] = TimestampTzGetDatum(now);
	jdg_run(&insert, v, NULL, 0);
	v[0] = Int32GetDatum(topic_id);
	v[1] = Int32GetDatum(leaf);
	jdg_run(&change, v, NULL, 0);
	JDG_FAULT("event-leaf-made");
}

/* Makes the first leaf of a topic, unless another transaction has made it. */
static void
make_first(JdgTopic *topic)
{
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_lock_xact(JDG_LOCK_LEAF, (uint32) topic->topic_id);
	AcceptInvalidationMessages();
	if (jdg_topic_by_id(topic->topic_id, topic) && topic->leaf == 0)
		jdg_leaf_make(topic->topic_id, topic->index_keys);
	jdg_internal_end(&in);
}

/*
 * The topic's leaf is not to be found.  The transaction that has made it can
 * be visible before its invalidations are sent, and holds its locks until
 * then.  Raises INTERNAL_ERROR if the leaf still does not exist.
 */
static void
wait_for_leaf(const JdgTopic *topic)
{
	JdgTopic	now;

	jdg_lock_xact(JDG_LOCK_LEAF, (uint32) topic->topic_id);
	jdg_unlock_xact(JDG_LOCK_LEAF, (uint32) topic->topic_id);
	AcceptInvalidationMessages();
	if (jdg_topic_by_id(topic->topic_id, &now) && now.leaf == topic->leaf &&
		!OidIsValid(jdg_leaf_relation(topic->leaf)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("partition jadugar_internal.event_%d does not exist",
						topic->leaf),
				 errdetail("Topic \"%s\" writes its events there.",
						   topic->name),
				 errhint("The extension is damaged. Restore the partition from a backup.")));
}

Oid
jdg_leaf_for_write(JdgTopic *topic)
{
	for (;;)
	{
		int32		leaf = topic->leaf;
		Oid			relid = InvalidOid;

		if (leaf == 0)
			make_first(topic);
		else
		{
			relid = jdg_leaf_relation(leaf);
			if (OidIsValid(relid))
				LockRelationOid(relid, RowExclusiveLock);
			else
				wait_for_leaf(topic);
		}
		if (!jdg_topic_by_id(topic->topic_id, topic))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_NOT_FOUND),
					 errmsg("topic \"%s\" does not exist", topic->name),
					 errdetail("It has just been dropped.")));
		if (leaf != 0 && topic->leaf == leaf && OidIsValid(relid))
			return relid;
		CHECK_FOR_INTERRUPTS();
	}
}

bool
jdg_leaf_topic(int32 leaf, JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT topic_id FROM jadugar_internal.event_leaf "
		"WHERE leaf = $1 AND NOT dropping", 1, {INT4OID}
	};
	static struct
	{
		uint64		epoch;
		int32		leaf;
		int32		topic_id;	/* 0: none */
	}			last;
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch == 0 || epoch != last.epoch || leaf != last.leaf)
	{
		Datum		v[1] = {Int32GetDatum(leaf)};
		JdgInternal in;

		last.epoch = 0;
		jdg_internal_begin(&in);
		last.topic_id = jdg_run_latest(&q, v, NULL) > 0 ?
			jdg_col_int32(0, 1, 0) : 0;
		jdg_internal_end(&in);
		last.leaf = leaf;
		last.epoch = epoch;
	}
	return last.topic_id != 0 && jdg_topic_by_id(last.topic_id, topic);
}

/*
 * The query finds the OIDs with its own snapshot.  A lookup by name could miss
 * a leaf whose maker is visible but has not sent its invalidations.  Both its
 * parts use an index, however many leaves there are: the upper limit of max_id
 * makes the planner expect few rows.
 */
int
jdg_leaves(const int32 *topics, int n, int64 from, int64 to, uint64 min_xid,
		   JdgLeaf **leaves)
{
	static JdgQuery q = {
		"SELECT l.leaf, l.topic_id, l.min_id, l.max_id, "
		"l.sealed_at IS NOT NULL, (SELECT c.oid FROM pg_class c "
		"WHERE c.relname = ('event_' || l.leaf)::name "
		"AND c.relnamespace = $2), l.min_xid, l.max_xid FROM "
		"(SELECT * FROM jadugar_internal.event_leaf WHERE sealed_at IS NULL "
		"UNION ALL SELECT * FROM jadugar_internal.event_leaf "
		"WHERE sealed_at IS NOT NULL "
		"AND max_id BETWEEN $3 AND 9223372036854775807 "
		"AND min_id <= $4 AND max_xid >= $5) l "
		"WHERE NOT l.dropping AND ($1 IS NULL OR l.topic_id = ANY ($1))",
		5, {INT4ARRAYOID, OIDOID, INT8OID, INT8OID, XID8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	JdgInternal in;
	Datum		v[5];
	int64		rows;

	for (int i = 0; i < n; i++)
		ids[i] = Int32GetDatum(topics[i]);
	v[0] = topics ? jdg_array(INT4OID, ids, NULL, n) : (Datum) 0;
	v[1] = ObjectIdGetDatum(get_namespace_oid("jadugar_internal", false));
	v[2] = Int64GetDatum(from);
	v[3] = Int64GetDatum(to);
	v[4] = UInt64GetDatum(min_xid);
	jdg_internal_begin(&in);
	rows = jdg_run_latest(&q, v, topics ? NULL : "n    ");
	*leaves = MemoryContextAlloc(mcxt, sizeof(JdgLeaf) * Max(rows, 1));
	for (int64 i = 0; i < rows; i++)
	{
		JdgLeaf    *leaf = &(*leaves)[i];
		bool		sealed = jdg_col_bool(i, 5);

		leaf->leaf = jdg_col_int32(i, 1, 0);
		leaf->topic_id = jdg_col_int32(i, 2, 0);
		leaf->relid = jdg_col_oid(i, 6);
		leaf->min_id = sealed ? jdg_col_int64(i, 3, 0) : 0;
		leaf->max_id = sealed ? jdg_col_int64(i, 4, 0) : PG_INT64_MAX;
		leaf->min_xid = sealed ? col_xid(i, 7) : 0;
		leaf->max_xid = sealed ? col_xid(i, 8) : PG_UINT64_MAX;
	}
	jdg_internal_end(&in);
	return (int) rows;
}

/*
 * Reads a column of the first visible row in the order of an index; false:
 * there is none.
 */
static bool
read_first(Relation heap, Oid index, ScanDirection direction,
		   Snapshot snapshot, int column, int64 *value)
{
	Relation	rel = index_open(index, AccessShareLock);
	IndexScanDesc desc = jdg_index_beginscan(heap, rel, snapshot, 0);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	bool		isnull;
	bool		found;

	index_rescan(desc, NULL, 0, NULL, 0);
	found = index_getnext_slot(desc, direction, slot);
	if (found)
		*value = DatumGetInt64(slot_getattr(slot, column, &isnull));
	index_endscan(desc);
	ExecDropSingleTupleTableSlot(slot);
	index_close(rel, AccessShareLock);
	return found;
}

bool
jdg_leaf_limits(int32 leaf, JdgLeafLimits *limits)
{
	Oid			relid = jdg_leaf_relation(leaf);
	Relation	heap = OidIsValid(relid) ?
	try_table_open(relid, AccessShareLock) : NULL;
	Oid			by_id;
	Oid			by_xid;
	Snapshot	s;
	bool		any;

	if (heap == NULL)
		return false;
	by_id = jdg_leaf_id_index(leaf);
	by_xid = find_relation(psprintf("event_%d_xid", leaf));
	s = RegisterSnapshot(GetLatestSnapshot());
	any = read_first(heap, by_id, ForwardScanDirection, s,
					 JDG_EVENT_ID_COLUMN, &limits->min_id) &&
		read_first(heap, by_id, BackwardScanDirection, s,
				   JDG_EVENT_ID_COLUMN, &limits->max_id) &&
		read_first(heap, by_xid, ForwardScanDirection, s,
				   JDG_EVENT_XID_COLUMN, (int64 *) &limits->min_xid) &&
		read_first(heap, by_xid, BackwardScanDirection, s,
				   JDG_EVENT_XID_COLUMN, (int64 *) &limits->max_xid);
	UnregisterSnapshot(s);
	table_close(heap, AccessShareLock);
	return any;
}

/* Locks a leaf that is not sealed; false: a transaction may write to it. */
static bool
keep_publishers_away(Oid relid, bool wait)
{
	if (!wait)
		return ConditionalLockRelationOid(relid, ShareLock);
	LockRelationOid(relid, ShareLock);
	return true;
}

bool
jdg_leaf_topic_is_empty(int32 topic_id, bool wait)
{
	static JdgQuery q = {
		"SELECT leaf, sealed_at IS NOT NULL, max_id IS NOT NULL "
		"FROM jadugar_internal.event_leaf "
		"WHERE topic_id = $1 AND NOT dropping ORDER BY leaf", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(topic_id)};
	int64		n;
	int32	   *leaves;
	bool		empty = true;
	JdgLeafLimits limits;

	Assert(jdg_is_bookkeeping());
	n = jdg_run_latest(&q, v, NULL);
	leaves = palloc(sizeof(int32) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		empty &= !jdg_col_bool(i, 3);
		leaves[i] = jdg_col_bool(i, 2) ? 0 : jdg_col_int32(i, 1, 0);
	}
	for (int64 i = 0; i < n && (empty || wait); i++)
	{
		Oid			relid = leaves[i] ? jdg_leaf_relation(leaves[i]) : InvalidOid;

		if (OidIsValid(relid))
			empty &= keep_publishers_away(relid, wait) &&
				!jdg_leaf_limits(leaves[i], &limits);
	}
	return empty;
}
