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
 * even a prepared one (leaf.c).  Expiring detaches a leaf concurrently, and
 * drops it with its row of event_leaf.  The row stays until then, so a crash
 * in between leaves nothing that is not found again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/locks.h"
#include "base/params.h"
#include "base/partition.h"
#include "base/settings.h"
#include "base/subxact.h"
#include "event/cursor.h"
#include "event/leaf.h"
#include "event/upkeep.h"
#include "shared/work.h"

/* message ids that are deleted in one transaction */
#define BATCH "2000"

/* a duty returns after this time in microseconds, to go on in its next turn */
#define TURN_US (50 * 1000L)

/* the next full hour, so that all topics roll at their hour, day or month */
static TimestampTz
next_hour(void)
{
	TimestampTz now = jdg_now();

	return now - now % USECS_PER_HOUR + USECS_PER_HOUR;
}

/*
 * What a duty does with each of the numbers that a query returns, each in
 * transactions of its own.  A pass over all of them takes as many turns as it
 * needs.  It keeps its position, so a leaf that fails holds up no other.
 */
typedef struct Pass
{
	JdgQuery   *list;
	void		(*work) (int32 n);
	const char *failed;			/* a message with the number and the error */
	int32	   *n;				/* the numbers; NULL: no pass is under way */
	int64		count;
	int64		next;			/* in "n" */
	bool		again;			/* a wake-up came meanwhile */
} Pass;

/* Begins a pass. */
static void
begin_pass(Pass *p, Datum *values)
{
	jdg_work_begin();
	p->count = jdg_run(p->list, values, NULL, 0);
	p->n = MemoryContextAlloc(TopMemoryContext,
							  sizeof(int32) * Max(p->count, 1));
	for (int64 i = 0; i < p->count; i++)
		p->n[i] = jdg_col_int32(i, 1, 0);
	p->next = 0;
	p->again = false;
	jdg_work_end();
}

/* One turn of a pass.  Returns when the next one is due. */
static TimestampTz
run_pass(Pass *p, Datum *values, uint32 why)
{
	MemoryContext mcxt = CurrentMemoryContext;
	TimestampTz began = GetCurrentTimestamp();

	if (p->n == NULL)
		begin_pass(p, values);
	else if (why != 0)
		p->again = true;
	while (p->next < p->count)
	{
		int32		n = p->n[p->next];

		if (GetCurrentTimestamp() - began >= TURN_US)
			return DT_NOBEGIN;
		p->next++;
		CHECK_FOR_INTERRUPTS();
		PG_TRY();
		{
			p->work(n);
		}
		PG_CATCH();
		{
			ErrorData  *edata = jdg_abort_xact(mcxt);

			ereport(LOG, (errmsg(p->failed, n, edata->message)));
			FreeErrorData(edata);
		}
		PG_END_TRY();
	}
	pfree(p->n);
	p->n = NULL;
	return p->again ? DT_NOBEGIN : next_hour();
}

/* topics whose leaf has had its time by $1; $2: one topic, or 0 for all */
static JdgQuery due_topics = {
	"SELECT t.topic_id, t.leaf FROM jadugar_internal.topic t "
	"WHERE ($2 = 0 OR t.topic_id = $2) AND (t.leaf IS NULL "
	"OR EXISTS (SELECT FROM jadugar_internal.event_leaf l "
	"WHERE l.leaf = t.leaf AND date_trunc(t.roll, l.began_at, 'UTC') "
	"< date_trunc(t.roll, $1, 'UTC') OFFSET 0))", 2, {TIMESTAMPTZOID, INT4OID}
};

/* Is the topic's leaf absent, or past its time and not empty? */
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
static void
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
}

TimestampTz
jdg_event_roll(JdgDb *db, uint32 why)
{
	static Pass pass = {
		&due_topics, roll,
		"jadugar could not make a partition for topic %d yet: %s"
	};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()), Int32GetDatum(0)};

	return run_pass(&pass, v, why);
}

/* Seals a leaf, unless a transaction may still write to it. */
static void
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
	static Pass pass = {
		&list, seal, "jadugar could not seal the event partition %d yet: %s"
	};

	return run_pass(&pass, NULL, why);
}

/*
 * Detaches and drops a leaf.  First it becomes a member of the extension: once
 * detached, it would be in the way of DROP EXTENSION otherwise.  pg_dump leaves
 * out members, and only one partition at a time can be on its way out of its
 * parent.  So a drop that has begun is finished even if the topic keeps events
 * meanwhile.
 */
static void
drop_leaf(int32 leaf)
{
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.event_leaf WHERE leaf = $1",
		1, {INT4OID}
	};
	static JdgQuery begin = {
		"UPDATE jadugar_internal.event_leaf SET dropping = true "
		"WHERE leaf = $1 AND NOT dropping", 1, {INT4OID},.config = true
	};
	Datum		v[1] = {Int32GetDatum(leaf)};
	char	   *name = psprintf("event_%d", leaf);
	Oid			relid;

	jdg_work_begin();
	jdg_run(&begin, v, NULL, 0);
	relid = jdg_leaf_relation(leaf);
	if (OidIsValid(relid) &&
		!OidIsValid(getExtensionOfObject(RelationRelationId, relid)))
		jdg_partition_set_member(relid, true);
	jdg_work_end();
	if (OidIsValid(relid))
		jdg_partition_detach("event", name);
	JDG_FAULT("event-leaf-detached");
	jdg_work_begin();
	jdg_partition_drop(name);
	jdg_run(&forget, v, NULL, 0);
	jdg_work_end();
}

/* a message, see Pass */
static const char drop_failed[] =
"jadugar could not drop the event partition %d yet: %s";

TimestampTz
jdg_event_expire(JdgDb *db, uint32 why)
{
	/* without its topic, nobody reads a leaf any more */
	static JdgQuery list = {
		"SELECT l.leaf FROM jadugar_internal.event_leaf l "
		"LEFT JOIN jadugar_internal.topic t ON t.topic_id = l.topic_id "
		"WHERE l.dropping OR t.topic_id IS NULL OR l.sealed_at IS NOT NULL "
		"AND (l.max_id IS NULL OR NOT t.keep AND l.closed_at "
		"+ coalesce(t.retention, make_interval(mins => $2)) < $1) "
		"ORDER BY l.dropping DESC, l.leaf", 2, {TIMESTAMPTZOID, INT4OID}
	};
	static Pass pass = {&list, drop_leaf, drop_failed};
	Datum		v[2] = {TimestampTzGetDatum(jdg_now()),
	Int32GetDatum(jdg_event_retention)};

	return run_pass(&pass, v, why);
}

/*
 * In a subscriber, only the publisher's scheduler decides which leaves go.
 * Those whose row is gone are members of the extension (copied_funcs.c).
 */
TimestampTz
jdg_event_expire_copied(JdgDb *db, uint32 why)
{
	static JdgQuery list = {
		"SELECT substr(c.relname, 7)::int FROM pg_inherits i "
		"JOIN pg_class c ON c.oid = i.inhrelid "
		"JOIN pg_depend d ON d.classid = 'pg_class'::regclass "
		"AND d.objid = c.oid AND d.deptype = 'e' "
		"WHERE i.inhparent = 'jadugar_internal.event'::regclass "
		"AND c.relname ~ '^event_[0-9]+$' "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.event_leaf l "
		"WHERE c.relname = 'event_' || l.leaf)", 0, {0}
	};
	static Pass pass = {&list, drop_leaf, drop_failed};

	return run_pass(&pass, NULL, why);
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
	return n > 0 ? DT_NOBEGIN : next_hour();
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
	return next_hour();
}
