/*-------------------------------------------------------------------------
 *
 * replay_funcs.c
 *	  SQL function replay(): a subscription that handles events of the log
 *	  again, up to an end.
 *
 * Runs in the caller's process and transaction.  The new subscription has the
 * options of another one.  Its cursors have an open window from the start:
 * without a base, up to the transactions that have ended now.  A shard is done
 * when that window is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "event/era.h"
#include "event/options.h"
#include "event/subscribed.h"
#include "event/subscription.h"
#include "event/xidset.h"
#include "handler/command.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

typedef struct ReplayArgs
{
	char	   *name;
	char	   *into_name;
	char	   *handler;
	TimestampTz *start_time;
	int64	   *start_after;
	TimestampTz *until_time;
	int64	   *until_id;
	int32	   *shards;
	int32	   *batch;
	char	   *owner;
} ReplayArgs;

#define FIELD(field) offsetof(ReplayArgs, field)

static const JdgArg replay_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"into_name", TEXTOID, FIELD(into_name), JDG_NEEDED},
	{"handler", TEXTOID, FIELD(handler)},
	{"start_time", TIMESTAMPTZOID, FIELD(start_time)},
	{"start_after", INT8OID, FIELD(start_after)},
	{"until_time", TIMESTAMPTZOID, FIELD(until_time)},
	{"until_id", INT8OID, FIELD(until_id)},
	{"shards", INT4OID, FIELD(shards)},
	{"batch", INT4OID, FIELD(batch)},
	{"owner", TEXTOID, FIELD(owner)},
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.subscription (owner, name, types, topics, "
	"keys, headers, filter, command_id, batch, delivery, on_failure, "
	"max_attempts, retry, timeout, settings, versions, queue_id, priority, "
	"shards, enabled, description, metadata, created_at, replay, until_id) "
	"SELECT owner, $name, types, topics, keys, headers, filter, "
	"$command_id, coalesce($batch, batch), delivery, on_failure, "
	"max_attempts, retry, timeout, settings, versions, queue_id, priority, "
	"$shards, true, description, metadata, $now, true, $until_id "
	"FROM jadugar_internal.subscription WHERE subscription_id = $id "
	"ON CONFLICT (owner, name) DO NOTHING RETURNING subscription_id",
	.config = true
};

static JdgQuery cursor_query = {
	"INSERT INTO jadugar_internal.event_cursor (subscription_id, shard, "
	"era, upto_xmax, upto_xip, after_id, last_window) "
	"SELECT $subscription_id, s, $era, $upto_xmax, $upto_xip, $after_id, true "
	"FROM generate_series(0, $shards - 1) s"
};

/* Two ways to name one end of the events that are handled. */
static void
check_one(const char *first, bool has_first, const char *second,
		  bool has_second)
{
	if (has_first && has_second)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s and %s cannot be combined", first, second),
				 errhint("Pass one of them.")));
}

/* The command: that of the original unless handler or batch are given. */
static int64
command_of(const ReplayArgs *a, const JdgSubscription *s, Oid owner)
{
	JdgSubscriptionOptions o = {0};
	int			delivery = jdg_delivery_word(s->delivery);
	int32		batch = s->batch;

	o.shards = a->shards;
	o.batch = a->batch;
	jdg_subscription_check(&o);
	if (a->handler == NULL && a->batch == NULL)
		return s->command_id;
	o.handler = a->handler || s->command_id == 0 ? a->handler :
		jdg_command_get(s->command_id)->text;
	if (a->batch == NULL && batch != 0)
		o.batch = &batch;
	o.delivery = &delivery;
	jdg_subscription_check_delivery(&o);
	return jdg_subscription_command(&o, owner);
}

/* The subscription whose options the new one has. */
static const JdgSubscription *
find_original(const char *name, Oid owner)
{
	const JdgSubscription *s = jdg_subscription_get(jdg_subscription_id(name, owner));

	if (s == NULL)
		elog(ERROR, "subscription \"%s\" is gone", name);
	return s;
}

static void
bind_range(const ReplayArgs *a, JdgParams *p, JdgParams *c)
{
	JdgXidSet  *upto = jdg_xidset_take();
	int64		after = a->start_after ? *a->start_after :
	a->start_time ? jdg_event_before(*a->start_time) : 0;
	int64		until = a->until_id ? *a->until_id :
	a->until_time ? jdg_event_before(*a->until_time) : 0;

	if (a->start_after)
		jdg_event_check_id("start_after", *a->start_after);
	if (a->until_id)
		jdg_event_check_id("until_id", *a->until_id);
	jdg_bind_int64_or_null(p, "until_id",
						   a->until_id || a->until_time ? &until : NULL);
	jdg_bind_int64(c, "after_id", after);
	jdg_bind_int32(c, "era", jdg_era_now());
	jdg_bind(c, "upto_xmax", XID8OID, jdg_xidset_xmax(upto), false);
	jdg_bind(c, "upto_xip", XID8ARRAYOID, jdg_xidset_xip(upto), false);
}

/* replay(name, into_name, handler, ...) returns the id */
JDG_FUNCTION(jdg_replay, JDG_LEVEL_USER)
{
	ReplayArgs	a = {0};
	JdgParams	p = {0};
	JdgParams	c = {0};
	JdgInternal in;
	Oid			owner;
	const JdgSubscription *s;
	int32		shards;
	int64		command_id;
	int64		id;

	jdg_require_shmem();
	JDG_READ_ARGS("replay", replay_args, &a);
	jdg_check_name("subscription", a.into_name);
	check_one("start_time", a.start_time != NULL,
			  "start_after", a.start_after != NULL);
	check_one("until_time", a.until_time != NULL,
			  "until_id", a.until_id != NULL);
	owner = jdg_resolve_owner(a.owner);
	s = find_original(a.name, owner);
	shards = a.shards ? *a.shards : s->shards;
	command_id = command_of(&a, s, owner);
	jdg_bind_int64_or_null(&p, "command_id", command_id ? &command_id : NULL);
	bind_range(&a, &p, &c);
	jdg_bind_int64(&p, "id", s->subscription_id);
	jdg_bind_text(&p, "name", a.into_name);
	jdg_bind_int32_or_null(&p, "batch", a.batch);
	jdg_bind_int32(&p, "shards", shards);
	jdg_bind_time(&p, "now", jdg_now());

	jdg_internal_begin(&in);
	if (jdg_run_params(&insert_query, &p, 0) != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" already exists", a.into_name),
				 errhint("Drop it first with jadugar.unsubscribe(), or choose another name.")));
	id = jdg_col_int64(0, 1, 0);
	jdg_bind_int64(&c, "subscription_id", id);
	jdg_bind_int32(&c, "shards", shards);
	jdg_run_params(&cursor_query, &c, 0);
	jdg_audit_detail("replay", "subscription", a.into_name, owner,
					 psprintf("of subscription \"%s\"", a.name), NULL);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS | JDG_WAKE_SCHEDULES);
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}
