/*-------------------------------------------------------------------------
 *
 * subscribed.c
 *	  Subscriptions that a session is about to change, see subscribed.h.
 *
 * Runs in the caller's process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/spi.h"
#include "event/current.h"
#include "event/grant.h"
#include "event/notice.h"
#include "event/subscribed.h"
#include "exec/exec.h"

void
jdg_subscription_missing(const char *name, Oid owner)
{
	static JdgQuery q = {
		"SELECT owner FROM jadugar_internal.subscription WHERE name = $1",
		1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};
	int64		n = jdg_run(&q, v, NULL, 0);
	Oid			other = jdg_visible_owner(n);

	jdg_check_name("subscription", name);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("subscription \"%s\" does not exist", jdg_excerpt(name)),
			 errdetail("Role \"%s\" has no subscription of that name.",
					   jdg_role_name(owner)),
			 OidIsValid(other) ?
			 errhint("It belongs to role \"%s\": pass owner => '%s'.",
					 jdg_role_name(other), jdg_role_name(other)) :
			 errhint("See the view jadugar.subscriptions.")));
}

int64
jdg_subscription_find(const char *name, Oid owner, bool missing_ok)
{
	static JdgQuery q = {
		"SELECT subscription_id FROM jadugar_internal.subscription "
		"WHERE owner = $1 AND name = $2 FOR UPDATE", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 1) > 0)
		return jdg_col_int64(0, 1, 0);
	if (!missing_ok)
		jdg_subscription_missing(name, owner);
	return 0;
}

bool
jdg_subscription_is_offered(const JdgSubscription *s, const JdgEvent *e,
							const JdgTopic *topic)
{
	bool		in_topic = s->topics == NULL &&
	topic->topic_id != JDG_TOPIC_JADUGAR;

	for (int i = 0; i < s->ntopics && !in_topic; i++)
		in_topic = s->topics[i] == topic->topic_id;
	return in_topic && jdg_subscription_wants(s, e) &&
		jdg_event_access(s->owner, topic, e) == JDG_EVENT_WHOLE;
}

int64
jdg_subscription_id(const char *name, Oid owner)
{
	static JdgQuery q = {
		"SELECT subscription_id FROM jadugar_internal.subscription "
		"WHERE owner = $1 AND name = $2", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	JdgInternal in;
	int64		id;

	jdg_internal_begin(&in);
	if (jdg_run_latest(&q, v, NULL) == 0)
		jdg_subscription_missing(name, owner);
	id = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	return id;
}

void
jdg_subscription_lock(int64 subscription_id)
{
	static JdgQuery q = {
		"SELECT shard FROM jadugar_internal.event_cursor "
		"WHERE subscription_id = $1 ORDER BY shard FOR UPDATE", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(subscription_id)};
	int64		n;

	Assert(jdg_is_bookkeeping());
	if (jdg_current_task != NULL && jdg_current_task->event != NULL &&
		jdg_current_task->event->moves &&
		jdg_current_task->event->subscription_id == subscription_id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("a handler cannot change its own subscription"),
				 errhint("Enqueue a task that does it.")));
	n = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < n; i++)
		jdg_event_notice_resharding(subscription_id, jdg_col_int32(i, 1, 0),
									false);
	jdg_lock_xact(JDG_LOCK_SUBSCRIPTION, (uint32) subscription_id);
}

static JdgQuery last_query = {
	"SELECT last_value FROM jadugar_internal.event_id_seq", 0, {0}
};

void
jdg_event_check_id(const char *argument, int64 event_id)
{
	JdgInternal in;
	int64		last;

	jdg_internal_begin(&in);
	jdg_run(&last_query, NULL, NULL, 1);
	last = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	if (event_id < 0 || event_id > last)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be the id of an event, or 0", argument),
				 errdetail("The value is %lld, and the highest id is %lld.",
						   (long long) event_id, (long long) last)));
}

int64
jdg_event_before(TimestampTz when)
{
	static JdgQuery q = {
		"SELECT event_id - 1 FROM jadugar_internal.event "
		"WHERE published_at >= $1 ORDER BY event_id LIMIT 1",
		1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(when)};
	JdgInternal in;
	int64		id;

	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 1) == 0)
		jdg_run(&last_query, NULL, NULL, 1);
	id = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	return id;
}
