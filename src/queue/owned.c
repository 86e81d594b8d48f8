/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Queues and limits of a role that go to another role, or away; see
 *	  owned.h.
 *
 * Runs in the caller's backend.  Queue "default" belongs to the owner of the
 * extension and stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/locks.h"
#include "queue/owned.h"

/* is queue t in use? */
#define IN_USE \
	"(EXISTS (SELECT FROM jadugar_internal.task k " \
	"WHERE k.queue_id = t.queue_id) " \
	"OR EXISTS (SELECT FROM jadugar_internal.schedule s " \
	"WHERE s.queue_id = t.queue_id) " \
	"OR EXISTS (SELECT FROM jadugar_internal.handler n " \
	"WHERE n.queue_id = t.queue_id) " \
	"OR EXISTS (SELECT FROM jadugar_internal.subscription b " \
	"WHERE b.queue_id = t.queue_id) " \
	"OR EXISTS (SELECT FROM jadugar_internal.actor a " \
	"WHERE a.queue_id = t.queue_id) " \
	"OR (SELECT u.flows + u.runs > 0 " \
	"FROM jadugar_internal._flow_uses(t.queue_id, NULL) u))"

#define OWN_QUEUE "t.owner = $1 AND t.queue_id >= 10"

static void
reassign_queues(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.queue t "
		"WHERE " OWN_QUEUE " ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.queue t SET owner = $2 WHERE " OWN_QUEUE,
		2, {OIDOID, OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

/*
 * Waits for sessions that are about to put something into one of the queues:
 * they hold a lock shared.
 */
static void
lock_queues(Oid owner)
{
	static JdgQuery q = {
		"SELECT t.queue_id FROM jadugar_internal.queue t WHERE " OWN_QUEUE
		" ORDER BY t.queue_id FOR UPDATE", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(owner)};
	int64		n = jdg_run(&q, v, NULL, 0);

	for (int64 i = 0; i < n; i++)
		jdg_lock_xact(JDG_LOCK_QUEUE_USE, (uint32) jdg_col_int32(i, 1, 0));
}

static void
drop_queues(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN " IN_USE " "
		"THEN 'tasks, schedules, handlers, subscriptions, actors or flows use it' END "
		"FROM jadugar_internal.queue t WHERE " OWN_QUEUE " ORDER BY t.name",
		1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.queue_grant g "
			"USING jadugar_internal.queue t WHERE t.queue_id = g.queue_id "
		"AND " OWN_QUEUE " AND NOT " IN_USE, 1, {OIDOID},.config = true},
		{"DELETE FROM jadugar_internal.queue t WHERE " OWN_QUEUE " "
		"AND NOT " IN_USE, 1, {OIDOID},.config = true},
		{NULL}
	};

	lock_queues(h->from);
	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_queue_owned[] = {
	{"queues", reassign_queues, drop_queues},
	{NULL}
};
