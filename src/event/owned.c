/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Topics and event types of a role that go to another role, or away; see
 *	  owned.h.
 *
 * Runs in the caller's process.  Built-in topics belong to the owner of the
 * extension and stay.  Events stay with the role that published them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "event/cursor.h"
#include "event/leaf.h"
#include "event/notice.h"
#include "event/owned.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

#define OWN_TOPIC "t.owner = $1 AND t.topic_id >= 10"

static void
reassign_topics(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.topic t "
		"WHERE " OWN_TOPIC " ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.topic t SET owner = $2 WHERE " OWN_TOPIC,
		2, {OIDOID, OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

/*
 * Does a type or a subscription name the topic, or has it events?  Waits for
 * nobody: while a transaction may publish there, it has.
 */
static bool
topic_is_used(int32 topic_id)
{
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.event_type y "
		"WHERE y.topic_id = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.subscription s "
		"WHERE $1 = ANY (s.topics))", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(topic_id)};

	jdg_run(&q, v, NULL, 1);
	return jdg_col_bool(0, 1) || !jdg_leaf_topic_is_empty(topic_id, false);
}

static void
drop_topics(JdgHandover *h)
{
	static JdgQuery lock = {
		"SELECT t.topic_id, t.name FROM jadugar_internal.topic t "
		"WHERE " OWN_TOPIC " ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery drops[] = {
		{"DELETE FROM jadugar_internal.event_grant WHERE topic_id = $1",
		1, {INT4OID},.config = true},
		{"DELETE FROM jadugar_internal.topic WHERE topic_id = $1",
		1, {INT4OID},.config = true},
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};
	int64		n = jdg_run(&lock, v, NULL, 0);
	int32	   *ids = palloc(sizeof(int32) * Max(n, 1));
	char	  **names = palloc(sizeof(char *) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
	{
		ids[i] = jdg_col_int32(i, 1, 0);
		names[i] = jdg_col_text(i, 2, CurrentMemoryContext);
	}
	for (int64 i = 0; i < n; i++)
	{
		bool		used = topic_is_used(ids[i]);

		jdg_handover_report(h, names[i], used ?
							"it has types, events or subscriptions" : NULL);
		v[0] = Int32GetDatum(ids[i]);
		for (int j = 0; j < lengthof(drops) && !used && !h->dry_run; j++)
			jdg_run(&drops[j], v, NULL, 0);
	}
}

static void
reassign_types(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.event_type t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.event_type t SET owner = $2 "
		"WHERE t.owner = $1", 2, {OIDOID, OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

static void
drop_types(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.event_type t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.event_grant g "
			"USING jadugar_internal.event_type t WHERE g.topic_id = 0 "
		"AND g.type = t.name AND t.owner = $1", 1, {OIDOID},.config = true},
		{"DELETE FROM jadugar_internal.event_type_version v "
			"USING jadugar_internal.event_type t WHERE v.name = t.name "
		"AND t.owner = $1", 1, {OIDOID},.config = true},
		{"DELETE FROM jadugar_internal.event_type t WHERE t.owner = $1",
		1, {OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

/* does the new owner have a subscription of the name of t? */
#define NAME_TAKEN \
	"EXISTS (SELECT FROM jadugar_internal.subscription o " \
	"WHERE o.owner = $2 AND o.name = t.name)"

/*
 * Leases of the old owner end.  A shard that a consumer has locked keeps its
 * lease until that runs out; the consumer may not use it any more.
 */
static void
reassign_subscriptions(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN " NAME_TAKEN " "
		"THEN 'the new owner has a subscription of this name' END "
		"FROM jadugar_internal.subscription t WHERE t.owner = $1 "
		"ORDER BY t.name FOR UPDATE OF t", 2, {OIDOID, OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.event_cursor SET " JDG_CURSOR_NO_LEASE " "
			"WHERE (subscription_id, shard) = ANY (ARRAY("
			"SELECT (c.subscription_id, c.shard) "
			"FROM jadugar_internal.event_cursor c WHERE c.given IS NOT NULL "
			"AND c.subscription_id = ANY (ARRAY(SELECT t.subscription_id "
			"FROM jadugar_internal.subscription t WHERE t.owner = $1 "
			"AND NOT " NAME_TAKEN ")) FOR UPDATE SKIP LOCKED))", 2,
		{OIDOID, OIDOID}},
		{"UPDATE jadugar_internal.subscription t SET owner = $2 "
			"WHERE t.owner = $1 AND NOT " NAME_TAKEN, 2, {OIDOID, OIDOID},
		.config = true},
		{NULL}
	};

	if (!h->dry_run)
		jdg_event_notice_others();
	jdg_handover_rows(h, &list, changes);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
}

/*
 * Cursors and dead letters are left to the scheduler: a worker may hold their
 * locks.
 */
static void
drop_subscriptions(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.subscription t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.subscription t WHERE t.owner = $1",
		1, {OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
}

/*
 * Subscriptions and types first: a topic goes when none of them names it any
 * more.
 */
const JdgOwned jdg_event_owned[] = {
	{"subscriptions", reassign_subscriptions, drop_subscriptions},
	{"event_types", reassign_types, drop_types},
	{"topics", reassign_topics, drop_topics},
	{NULL}
};
