/*-------------------------------------------------------------------------
 *
 * create.c
 *	  Creating subscriptions, see create.h.
 *
 * Runs in the caller's process and transaction.  The scheduler makes the feeds
 * when the transaction has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/audit.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/params.h"
#include "event/create.h"
#include "event/cursor.h"
#include "event/era.h"
#include "event/lifecycle.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.subscription (owner, name, types, topics, "
	"keys, headers, filter, command_id, batch, delivery, on_failure, "
	"max_attempts, retry, timeout, isolate, settings, versions, queue_id, priority, "
	"shards, enabled, description, metadata, created_at, replay, until_id) "
	"SELECT $owner, $name, coalesce($types, o.types), "
	"coalesce($topics, o.topics), coalesce($keys, o.keys), "
	"coalesce($headers, o.headers), coalesce($filter, o.filter), $command_id, "
	"coalesce($batch, o.batch), coalesce($delivery, o.delivery, 'i'), "
	"coalesce($on_failure, o.on_failure, 'k'), "
	"coalesce($max_attempts, o.max_attempts, 10), coalesce($retry, o.retry), "
	"coalesce($timeout, o.timeout), coalesce($isolate, o.isolate), "
	"coalesce($settings, o.settings), "
	"coalesce($versions, o.versions), coalesce($queue_id, o.queue_id), "
	"coalesce($priority, o.priority), coalesce($shards, o.shards, 1), "
	"coalesce($enabled, true), coalesce($description, o.description), "
	"coalesce($metadata, o.metadata), $now, $replay, $until_id "
	"FROM (VALUES ($original)) g(subscription_id) "
	"LEFT JOIN jadugar_internal.subscription o USING (subscription_id) "
	"ON CONFLICT (owner, name) DO NOTHING RETURNING subscription_id, shards",
	.config = true
};

/*
 * Inserts the row and its cursors, inside jdg_internal_begin().  Returns its
 * id; 0: the name is taken.
 */
static int64
insert_rows(JdgParams *p, JdgCursor *c)
{
	int32		shards;

	if (jdg_run_params(&insert_query, p, 0) != 1)
		return 0;
	c->subscription_id = jdg_col_int64(0, 1, 0);
	shards = jdg_col_int32(0, 2, 1);
	for (c->shard = 0; c->shard < shards; c->shard++)
		jdg_cursor_insert(c);
	return c->subscription_id;
}

int64
jdg_subscription_create(const JdgSubscriptionOptions *o, Oid owner,
						const JdgSubscription *original, int64 command_id,
						const JdgSubscriptionRange *range)
{
	JdgParams	p = {0};
	JdgCursor	c = {0};
	JdgInternal in;
	int64		id;

	jdg_subscription_bind(&p, o, owner);
	jdg_bind_oid(&p, "owner", owner);
	jdg_bind_int64(&p, "original", original ? original->subscription_id : 0);
	jdg_bind_int64_or_null(&p, "command_id", command_id ? &command_id : NULL);
	jdg_bind_int32_or_null(&p, "shards", o->shards);
	jdg_bind_bool(&p, "replay", range->upto != NULL);
	jdg_bind_int64_or_null(&p, "until_id", range->until_id);
	jdg_bind_time(&p, "now", jdg_now());
	c.era = jdg_era_now();
	c.base = range->base;
	c.after_id = range->after_id;
	c.upto = range->upto;
	c.last_window = range->upto != NULL;

	jdg_internal_begin(&in);
	id = insert_rows(&p, &c);
	if (id != 0)
	{
		/* a replay gets no later events */
		if (range->upto == NULL)
			jdg_lifecycle_subscribed(id, true);
		if (original)
			jdg_audit_detail("replay", "subscription", o->name, owner,
							 psprintf("of subscription \"%s\"", original->name),
							 NULL);
		else
			jdg_audit("subscribe", "subscription", o->name, owner);
		jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS | JDG_WAKE_SCHEDULES);
	}
	jdg_internal_end(&in);
	JDG_FAULT("event-subscribed");
	return id;
}
