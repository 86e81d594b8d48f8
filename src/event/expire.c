/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  Leaves of the event log that are past their retention, see expire.h.
 *
 * Runs in the scheduler, at its start and hourly.  A sealed leaf goes when it
 * is older than the retention of its topic and no subscription has events of
 * it to come, nor a flow that waits.  One that is needed stays for the topic's
 * max_hold, and then goes all the same: the cursors of subscriptions that
 * needed it are lost, until resume_subscription() skips what is gone or seek()
 * moves them.
 *
 *	 look ── nobody needs it ───────────────▶ copy ──▶ begin the drop ──▶ drop
 *	  │ ▲                                     ▲ │
 *	  │ └── a session has moved a position ───┼─┘
 *	  └── needed, past max_hold ──▶ lose ─────┘
 *
 * Looking, losing and copying take as many transactions as they need (needed.c;
 * events that were set aside are copied into jadugar_internal.parked in
 * batches).  The last of these transactions marks the leaf.  From then on
 * nobody reads it.  It is detached concurrently, and then dropped with its row
 * of event_leaf, or moved to schema jadugar_archive.  The row stays until then,
 * so a crash in between leaves nothing that is not found again.  If the server
 * fails before, the next sweep looks again.
 *
 * Cursors are locked without waiting: if a worker holds one, the leaf stays
 * until the next time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/partition.h"
#include "base/settings.h"
#include "event/expire.h"
#include "event/needed.h"
#include "event/parked.h"
#include "event/sweep.h"
#include "shared/feed.h"
#include "shared/work.h"

/* events that are copied in one transaction */
#define BATCH 200

/*
 * Leaves that may go at $1; $2, $3: the default retention and max_hold in
 * minutes; $4: one leaf, or 0 for all.  Nobody reads a leaf without a topic.
 */
static JdgQuery due_leaves = {
	"SELECT l.leaf, l.dropping, t.topic_id, l.min_id, l.max_id, l.min_xid, "
	"l.max_xid, l.closed_at + coalesce(t.retention, make_interval(mins => $2)) "
	"+ coalesce(t.max_hold, make_interval(mins => $3)) < $1 "
	"FROM jadugar_internal.event_leaf l "
	"LEFT JOIN jadugar_internal.topic t ON t.topic_id = l.topic_id "
	"WHERE ($4 = 0 OR l.leaf = $4) AND (l.dropping OR t.topic_id IS NULL "
	"OR l.sealed_at IS NOT NULL AND (l.max_id IS NULL OR NOT t.keep "
	"AND l.closed_at + coalesce(t.retention, make_interval(mins => $2)) < $1)) "
	"ORDER BY l.dropping DESC, l.leaf",
	4, {TIMESTAMPTZOID, INT4OID, INT4OID, INT4OID}
};

static void
bind_due(Datum *v, int32 leaf)
{
	v[0] = TimestampTzGetDatum(jdg_now());
	v[1] = Int32GetDatum(jdg_event_retention);
	v[2] = Int32GetDatum(jdg_event_max_hold);
	v[3] = Int32GetDatum(leaf);
}

/* a leaf that may go */
typedef struct Expiring
{
	JdgLeaf		leaf;
	bool		dropping;
	bool		has_topic;
	bool		has_events;
	bool		overdue;		/* past max_hold, too */
	JdgTopic	topic;
} Expiring;

/* Reads a leaf; false: it is not to go any more. */
static bool
read_due(int32 leaf, Expiring *x)
{
	Datum		v[4];
	bool		isnull;

	memset(x, 0, sizeof(*x));
	bind_due(v, leaf);
	if (jdg_run(&due_leaves, v, NULL, 1) == 0)
		return false;
	x->leaf.leaf = leaf;
	x->dropping = jdg_col_bool(0, 2);
	x->leaf.topic_id = jdg_col_int32(0, 3, 0);
	x->leaf.min_id = jdg_col_int64(0, 4, 0);
	x->leaf.max_id = jdg_col_int64(0, 5, 0);
	x->leaf.min_xid = DatumGetUInt64(jdg_col(0, 6, &isnull));
	x->leaf.max_xid = DatumGetUInt64(jdg_col(0, 7, &isnull));
	x->has_events = !isnull;
	x->overdue = jdg_col_bool(0, 8);
	x->leaf.relid = jdg_leaf_relation(leaf);
	x->has_topic = x->leaf.topic_id != 0 &&
		jdg_topic_by_id(x->leaf.topic_id, &x->topic);
	return true;
}

/* where the copying of a leaf's events begins */
typedef struct Position
{
	int32		leaf;
	int64		event_id;
	int64		subscription_id;
} Position;

static Position copied;			/* as far as it has been committed */

/*
 * Copies the next events of a leaf that were set aside into their rows there;
 * false: there are more, from *next on.
 */
static bool
copy_parked(const JdgLeaf *leaf, Position *next)
{
	static JdgQuery q = {
		"SELECT event_id, subscription_id FROM jadugar_internal.parked "
		"WHERE event IS NULL AND event_id <= $2 "
		"AND (event_id, subscription_id) >= ($1, $3) "
		"ORDER BY event_id, subscription_id LIMIT $4",
		4, {INT8OID, INT8OID, INT8OID, INT8OID}
	};
	Datum		v[4];
	int64		n;
	int64	   *ids;
	int64	   *subscriptions;

	if (copied.leaf != leaf->leaf)
	{
		copied.leaf = leaf->leaf;
		copied.event_id = leaf->min_id;
		copied.subscription_id = 0;
	}
	v[0] = Int64GetDatum(copied.event_id);
	v[1] = Int64GetDatum(leaf->max_id);
	v[2] = Int64GetDatum(copied.subscription_id);
	v[3] = Int64GetDatum(BATCH);
	n = jdg_run(&q, v, NULL, 0);
	ids = jdg_col_int64s(n, 1, CurrentMemoryContext);
	subscriptions = jdg_col_int64s(n, 2, CurrentMemoryContext);
	for (int64 i = 0; i < n; i++)
		jdg_parked_copy_event(subscriptions[i], ids[i], leaf->topic_id);
	if (n < BATCH)
		return true;
	next->leaf = leaf->leaf;
	next->event_id = ids[n - 1];
	next->subscription_id = subscriptions[n - 1] + 1;
	return false;
}

/*
 * Nobody reads the leaf from here on.  It becomes a member of the extension:
 * once detached, it would be in the way of DROP EXTENSION otherwise.  pg_dump
 * leaves out members, and only one partition at a time can be on its way out
 * of its parent.  So a drop that has begun is finished even if the topic keeps
 * events meanwhile.  Returns whether its table exists.
 */
static bool
begin_drop(int32 leaf)
{
	static JdgQuery begin = {
		"UPDATE jadugar_internal.event_leaf SET dropping = true "
		"WHERE leaf = $1 AND NOT dropping", 1, {INT4OID},.config = true
	};
	Datum		v[1] = {Int32GetDatum(leaf)};
	Oid			relid;

	jdg_run(&begin, v, NULL, 0);
	relid = jdg_leaf_relation(leaf);
	if (OidIsValid(relid) &&
		!OidIsValid(getExtensionOfObject(RelationRelationId, relid)))
		jdg_partition_set_member(relid, true);
	return OidIsValid(relid);
}

/* Moves a detached leaf to schema jadugar_archive, for the topic's owner. */
static void
archive(const char *name, const JdgTopic *topic)
{
	NameData	role;
	bool		can_login;
	bool		exists = jdg_role_read(topic->owner, &role, &can_login);

	jdg_partition_archive(name, exists ? topic->owner : InvalidOid,
						  psprintf("Events of topic \"%s\".", topic->name));
}

/*
 * Detaches the table of a leaf, if it exists, and drops it; with a topic,
 * archives it.
 */
static void
finish_drop(int32 leaf, bool exists, const JdgTopic *topic)
{
	static JdgQuery forget = {
		"DELETE FROM jadugar_internal.event_leaf WHERE leaf = $1",
		1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(leaf)};
	char	   *name = psprintf("event_%d", leaf);

	if (exists)
		jdg_partition_detach("event", name);
	JDG_FAULT("event-leaf-detached");
	jdg_work_begin();
	if (topic != NULL)
		archive(name, topic);
	else
		jdg_partition_drop(name);
	jdg_run(&forget, v, NULL, 0);
	JDG_FAULT("event-leaf-dropped");
	jdg_work_end();
}

/* the next thing to do for a leaf */
typedef enum Stage
{
	STAGE_LOOK,					/* is it needed? */
	STAGE_LOSE,					/* it goes all the same */
	STAGE_COPY,					/* what was set aside */
	STAGE_DROP,
	STAGE_NOT_YET				/* it stays until the next time */
} Stage;

/* how far the last transaction has come with a leaf; 0: none */
static struct
{
	int32		leaf;
	Stage		stage;
}			at;

static Stage
look(const Expiring *x)
{
	switch (jdg_need_look(&x->leaf))
	{
		case JDG_NEED_UNKNOWN:
			return STAGE_LOOK;
		case JDG_NEED_NONE:
			return STAGE_COPY;
		case JDG_NEED_SOME:
		case JDG_NEED_HELD:
			break;
	}
	/* a subscription that is idle writes its position down */
	jdg_feeds_look(jdg_my_db());
	return x->overdue ? STAGE_LOSE : STAGE_NOT_YET;
}

static Stage
lose(const Expiring *x)
{
	switch (jdg_need_lose(&x->leaf))
	{
		case JDG_NEED_UNKNOWN:
			return STAGE_LOSE;
		case JDG_NEED_NONE:
			return STAGE_COPY;
		case JDG_NEED_SOME:
		case JDG_NEED_HELD:
			break;
	}
	return STAGE_NOT_YET;
}

/*
 * The leaf of a topic that was dropped may not be sealed.  An open or prepared
 * transaction that has written to it would keep its partition from being
 * detached, and so all others.
 */
static Stage
drop_without_topic(int32 leaf)
{
	Oid			relid = jdg_leaf_relation(leaf);

	return !OidIsValid(relid) || ConditionalLockRelationOid(relid, ShareLock) ?
		STAGE_DROP : STAGE_NOT_YET;
}

/* The last batch is copied in the transaction that begins the drop. */
static Stage
copy(const Expiring *x, Position *next)
{
	if (!copy_parked(&x->leaf, next))
	{
		JDG_FAULT("event-parked-copied");
		return STAGE_COPY;
	}
	if (jdg_need_none_still(&x->leaf))
		return STAGE_DROP;
	jdg_need_begin(&x->leaf);
	next->leaf = 0;
	return STAGE_LOOK;
}

/* Does what comes next; returns what comes then. */
static Stage
advance(const Expiring *x, Stage stage, Position *next)
{
	switch (stage)
	{
		case STAGE_LOOK:
			return look(x);
		case STAGE_LOSE:
			return lose(x);
		case STAGE_COPY:
			return copy(x, next);
		case STAGE_DROP:
		case STAGE_NOT_YET:
			break;
	}
	return stage;
}

/*
 * One transaction for a leaf that may have to go, and the drop after the last
 * one.  False: there is more to do.
 */
static bool
expire_leaf(int32 leaf)
{
	Stage		stage = at.leaf == leaf ? at.stage : STAGE_LOOK;
	bool		begins = at.leaf != leaf;
	bool		exists = false;
	Position	next = copied;
	Expiring	x;

	at.leaf = 0;
	jdg_work_begin();
	if (!read_due(leaf, &x))
		stage = STAGE_NOT_YET;
	else if (x.dropping)
		stage = STAGE_DROP;
	else if (!x.has_topic)
		stage = drop_without_topic(leaf);
	else if (!x.has_events)
		stage = STAGE_DROP;
	else
	{
		if (begins)
		{
			jdg_need_begin(&x.leaf);
			copied.leaf = 0;
		}
		stage = advance(&x, stage, &next);
	}
	if (stage == STAGE_DROP)
		exists = begin_drop(leaf);
	JDG_FAULT("event-leaf-expiring");
	jdg_work_end();
	if (stage == STAGE_DROP)
		finish_drop(leaf, exists, x.has_topic && x.topic.archives &&
					x.has_events ? &x.topic : NULL);
	if (stage == STAGE_DROP || stage == STAGE_NOT_YET)
		return true;
	copied = next;
	at.leaf = leaf;
	at.stage = stage;
	return false;
}

/* Drops a leaf of a subscriber. */
static bool
drop_copied(int32 leaf)
{
	bool		exists;

	jdg_work_begin();
	exists = begin_drop(leaf);
	jdg_work_end();
	finish_drop(leaf, exists, NULL);
	return true;
}

TimestampTz
jdg_event_expire(JdgDb *db, uint32 why)
{
	static JdgSweep sweep = {
		&due_leaves, expire_leaf,
		"jadugar could not drop the event partition %d yet: %s"
	};
	Datum		v[4];

	bind_due(v, 0);
	return jdg_sweep_hourly(&sweep, v, why);
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
	static JdgSweep sweep = {
		&list, drop_copied,
		"jadugar could not drop the copied event partition %d yet: %s"
	};

	return jdg_sweep_hourly(&sweep, NULL, why);
}
