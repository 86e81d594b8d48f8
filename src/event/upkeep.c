/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  Upkeep of the leaves of the event log, see upkeep.h.
 *
 * Runs in the scheduler, at its start and hourly, with the short lock_timeout
 * of upkeep.  Each leaf is dealt with in transactions of its own; one that
 * cannot be is logged and left for the next time.
 *
 *	 written to ── roll ──▶ closed ── seal ──▶ sealed ── expire ──▶ gone
 *
 * Rolling makes a leaf and lets the topic write to it, in one transaction.
 * Transactions that began to write to the old leaf may still be open.  Sealing
 * takes ShareLock on it without waiting: to have that proves that none is, not
 * even a prepared one (leaf.c).  Expiring is the subject of expire.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/params.h"
#include "base/settings.h"
#include "event/cursor.h"
#include "event/leaf.h"
#include "event/sweep.h"
#include "event/upkeep.h"
#include "shared/work.h"

/* message ids that are deleted in one transaction */
#define BATCH "2000"

/* a duty returns after this time in microseconds, to go on in its next turn */
#define TURN_US (50 * 1000L)

/* rows of a leaf, as the planner estimates them, after which it has enough */
#define LEAF_ROWS "100000000"

/*
 * Topics whose leaf has had its time by $1, or has enough rows; $2: one topic,
 * or 0 for all.  The estimate is that of the last vacuum or analyze.
 */
static JdgQuery due_topics = {
	"SELECT t.topic_id, t.leaf FROM jadugar_internal.topic t "
	"WHERE ($2 = 0 OR t.topic_id = $2) AND (t.leaf IS NULL "
	"OR EXISTS (SELECT FROM jadugar_internal.event_leaf l "
	"WHERE l.leaf = t.leaf AND date_trunc(t.roll, l.began_at, 'UTC') "
	"< date_trunc(t.roll, $1, 'UTC') OFFSET 0) "
	"OR EXISTS (SELECT FROM pg_class c "
	"WHERE c.relname = ('event_' || t.leaf)::name "
	"AND c.relnamespace = 'jadugar_internal'::regnamespace "
	"AND c.reltuples >= " LEAF_ROWS " OFFSET 0))",
	2, {TIMESTAMPTZOID, INT4OID}
};

/* Is the topic's leaf absent; or past its time, or very large, and not empty? */
static bool
is_due(int32 topic_id)
{
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()),
	Int32GetDatum(topic_id)};
	JdgLeafLimits limits;
	int32		leaf;

	if (jdg_run(&due_topics, v, NULL, 1) == 0)
		return false;
	leaf = jdg_col_int32(0, 2, 0);
	return leaf == 0 || jdg_leaf_limits(leaf, &limits);
}

/* Makes the next leaf of a topic. */
static bool
roll(int32 topic_id)
{
	JdgTopic	topic;

	jdg_work_begin();
	/* a session may have made its first leaf meanwhile */
	jdg_lock_xact(JDG_LOCK_LEAF, (uint32) topic_id);
	if (jdg_topic_hold(topic_id) && is_due(topic_id) &&
		jdg_topic_by_id(topic_id, &topic))
		jdg_leaf_make(topic_id, topic.index_keys);
	JDG_FAULT("event-leaf-rolled");
	jdg_work_end();
	return true;
}

TimestampTz
jdg_event_roll(JdgDb *db, uint32 why)
{
	static JdgSweep sweep = {
		&due_topics, roll,
		"jadugar could not make a partition for topic %d yet: %s"
	};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()), Int32GetDatum(0)};

	return jdg_sweep_hourly(&sweep, v, why);
}

/* Seals a leaf, unless a transaction may still write to it. */
static bool
seal(int32 leaf)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.event_leaf SET sealed_at = $2, min_id = $3, "
		"max_id = $4, min_xid = $5, max_xid = $6 WHERE leaf = $1",
		6, {INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID, XID8OID, XID8OID}
	};
	Datum		v[6];
	Oid			relid;

	jdg_work_begin();
	relid = jdg_leaf_relation(leaf);
	if (!OidIsValid(relid) || ConditionalLockRelationOid(relid, ShareLock))
	{
		JdgLeafLimits l = {0};
		bool		any = jdg_leaf_limits(leaf, &l);

		v[0] = Int32GetDatum(leaf);
		v[1] = TimestampTzGetDatum(jdg_now());
		v[2] = Int64GetDatum(l.min_id);
		v[3] = Int64GetDatum(l.max_id);
		v[4] = UInt64GetDatum(l.min_xid);
		v[5] = UInt64GetDatum(l.max_xid);
		jdg_run(&q, v, any ? NULL : "  nnnn", 0);
		JDG_FAULT("event-leaf-sealed");
	}
	jdg_work_end();
	return true;
}

TimestampTz
jdg_event_seal(JdgDb *db, uint32 why)
{
	static JdgQuery list = {
		"SELECT leaf FROM jadugar_internal.event_leaf "
		"WHERE closed_at IS NOT NULL AND sealed_at IS NULL AND NOT dropping "
		"ORDER BY leaf",
		0, {0}
	};
	static JdgSweep sweep = {
		&list, seal, "jadugar could not seal the event partition %d yet: %s"
	};

	return jdg_sweep_hourly(&sweep, NULL, why);
}

TimestampTz
jdg_event_forget_subscriptions(JdgDb *db, uint32 why)
{
	static JdgQuery cursors = {
		"DELETE FROM jadugar_internal.event_cursor c "
		"WHERE NOT EXISTS (SELECT FROM jadugar_internal.subscription s "
		"WHERE s.subscription_id = c.subscription_id) "
		"AND c.subscription_id <> $1", 1, {INT8OID}
	};
	static JdgQuery letters = {
		"DELETE FROM jadugar_internal.parked WHERE ctid = ANY (ARRAY("
		"SELECT p.ctid FROM jadugar_internal.parked p "
		"WHERE NOT EXISTS (SELECT FROM jadugar_internal.subscription s "
		"WHERE s.subscription_id = p.subscription_id) LIMIT " BATCH "))", 0, {0}
	};
	Datum		v[1] = {Int64GetDatum(JDG_CURSOR_FLOWS)};
	int64		n;

	jdg_work_begin();
	jdg_run(&cursors, v, NULL, 0);
	n = jdg_run(&letters, NULL, NULL, 0);
	jdg_work_end();
	return n > 0 ? DT_NOBEGIN : jdg_next_hour();
}

TimestampTz
jdg_event_forget_messages(JdgDb *db, uint32 why)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.event_message WHERE ctid = ANY (ARRAY("
		"SELECT m.ctid FROM jadugar_internal.event_message m "
		"WHERE m.until <= $1 ORDER BY m.until LIMIT " BATCH
		" FOR UPDATE SKIP LOCKED))", 1, {TIMESTAMPTZOID}
	};
	TimestampTz began = GetCurrentTimestamp();
	Datum		v[1] = {TimestampTzGetDatum(jdg_now())};
	int64		n;

	do
	{
		if (GetCurrentTimestamp() - began >= TURN_US)
			return DT_NOBEGIN;
		CHECK_FOR_INTERRUPTS();
		jdg_work_begin();
		n = jdg_run(&q, v, NULL, 0);
		jdg_work_end();
	} while (n > 0);
	return jdg_next_hour();
}
