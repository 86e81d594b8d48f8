/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  Events of topic "jadugar", see lifecycle.h.
 *
 * Runs in any process, in the transaction of what has happened: the event
 * exists if and only if that commits.  The publisher is the owner of the thing,
 * and the event has the label of the thing's tenant.
 *
 * An event is written if a subscription of the topic has a pattern for its
 * type, or jadugar.lifecycle_events has.  Each process keeps the answer for
 * all types until the configuration changes.  The bits in shared memory only
 * spare it the question (shared/happening.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/leaf.h"
#include "event/lifecycle.h"
#include "event/publish.h"
#include "event/type.h"
#include "shared/work.h"

/*
 * The kinds that subscriptions of the topic ask for, as they are now.  One that
 * is paused asks for its events: it gets them later.
 */
static uint64
kinds_of_subscriptions(void)
{
	static JdgQuery q = {
		"SELECT DISTINCT p FROM jadugar_internal.subscription s, "
		"unnest(s.types) p WHERE s.enabled AND $1 = ANY (s.topics)", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(JDG_TOPIC_JADUGAR)};
	MemoryContext mcxt = CurrentMemoryContext;
	uint64		kinds = 0;
	JdgInternal in;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run_latest(&q, v, NULL);
	for (int64 i = 0; i < n; i++)
		kinds |= jdg_happenings_of(jdg_col_text(i, 1, mcxt));
	jdg_internal_end(&in);
	return kinds;
}

static bool
is_asked_for(JdgHappening kind)
{
	static uint64 kept_epoch = 0;
	static uint64 kept = 0;
	uint64		epoch = jdg_config_epoch_latest();

	if (epoch == 0 || epoch != kept_epoch)
	{
		kept_epoch = 0;
		kept = kinds_of_subscriptions();
		kept_epoch = epoch;
	}
	return (((kept | jdg_lifecycle_kinds) >> kind) & 1) != 0;
}

void
jdg_event_find_asked(JdgDb *db)
{
	uint64		kinds;
	uint64		seen;

	if (!jdg_happenings_look(db, &seen))
		return;
	jdg_work_begin();
	kinds = kinds_of_subscriptions() | jdg_lifecycle_kinds;
	jdg_work_end();
	jdg_happenings_set(db, seen, kinds);
}

/* Raises VALIDATION_ERROR: a pattern matches no type of the topic. */
static void
raise_unknown(const char *pattern)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("topic \"jadugar\" has no events of type \"%s\"",
					jdg_excerpt(pattern)),
			 errhint("Its types are %s.", jdg_happenings_like(pattern))));
}

/* Says so if the name of a type is here one of other topics. */
static void
hint_at_topic(int64 subscription_id)
{
	static JdgQuery q = {
		"SELECT p FROM jadugar_internal.subscription s, unnest(s.types) p "
		"WHERE s.subscription_id = $1 AND s.topics IS NULL "
		"AND NOT EXISTS (SELECT FROM jadugar_internal.event_type y "
		"WHERE y.name = p)", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(subscription_id)};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		n = jdg_run_latest(&q, v, NULL);

	for (int64 i = 0; i < n; i++)
	{
		char	   *pattern = jdg_col_text(i, 1, mcxt);

		if (strchr(pattern, '*') != NULL || jdg_happenings_of(pattern) == 0)
			continue;
		ereport(NOTICE,
				(errmsg("the subscription gets no lifecycle events of type \"%s\"",
						pattern),
				 errdetail("They are in topic \"jadugar\", which a subscription has to name."),
				 errhint("Pass topics => '{jadugar}', with the topics of its other events beside it.")));
		return;
	}
}

void
jdg_lifecycle_subscribed(int64 subscription_id, bool check)
{
	static JdgQuery q = {
		"SELECT p, s.enabled, cardinality(s.topics) > 1 "
		"FROM jadugar_internal.subscription s, unnest(s.types) p "
		"WHERE s.subscription_id = $1 AND $2 = ANY (s.topics)",
		2, {INT8OID, INT4OID}
	};
	Datum		v[2] = {Int64GetDatum(subscription_id),
	Int32GetDatum(JDG_TOPIC_JADUGAR)};
	MemoryContext mcxt = CurrentMemoryContext;
	uint64		kinds = 0;
	int64		n;

	Assert(jdg_is_bookkeeping());
	if (check)
		hint_at_topic(subscription_id);
	n = jdg_run_latest(&q, v, NULL);
	for (int64 i = 0; i < n; i++)
	{
		char	   *pattern = jdg_col_text(i, 1, mcxt);
		uint64		matched = jdg_happenings_of(pattern);

		/* with other topics, the type may be one of theirs */
		if (check && matched == 0 && !jdg_col_bool(i, 3))
			raise_unknown(pattern);
		if (check && (kinds | matched) == 0 && i == n - 1)
			raise_unknown(pattern);
		kinds |= matched;
	}
	if (n == 0 || kinds == 0 || !jdg_col_bool(0, 2))
		return;
	jdg_happenings_expect(kinds);
	jdg_lifecycle_prepare();
}

void
jdg_lifecycle_prepare(void)
{
	JdgTopic	topic;

	if (jdg_topic_by_id(JDG_TOPIC_JADUGAR, &topic) && topic.leaf == 0)
		(void) jdg_leaf_for_write(&topic);
}

void
jdg_event_happened(JdgHappening kind, Oid owner, const char *tenant,
				   const char *key, Jsonb *data)
{
	if (is_asked_for(kind))
		jdg_publish_own(jdg_happening_type(kind), owner, tenant, key, data);
}

void
jdg_subscription_happened(JdgHappening kind, const JdgSubscription *s,
						  int32 shard, int64 event_id)
{
	JsonbParseState *st = NULL;

	if (!jdg_happens(kind) || jdg_subscription_is_quiet(s))
		return;
	jdg_json_begin(&st);
	jdg_json_int64(&st, "subscription_id", s->subscription_id);
	jdg_json_text(&st, "subscription", s->name);
	jdg_json_int64(&st, "shard", shard);
	if (event_id != 0)
		jdg_json_int64(&st, "event_id", event_id);
	jdg_happened(kind, s->owner, s->name, jdg_json_finish(&st));
}
