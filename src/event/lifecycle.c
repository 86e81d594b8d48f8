/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  Events of topic "jadugar", see lifecycle.h.
 *
 * Runs in any process, in the transaction of what has happened: the event
 * exists if and only if that commits.  The publisher is the owner of the thing.
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

#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/lifecycle.h"
#include "event/publish.h"
#include "event/type.h"
#include "shared/work.h"

/* the kinds whose types match a pattern */
static uint64
kinds_of(const char *pattern)
{
	uint64		kinds = 0;

	for (int i = 0; i < JDG_HAPPENINGS; i++)
	{
		if (jdg_event_type_matches(pattern, jdg_happening_type(i)))
			kinds |= UINT64CONST(1) << i;
	}
	return kinds;
}

/* the kinds that jadugar.lifecycle_events names: patterns between commas */
static uint64
kinds_of_setting(void)
{
	static char last[1024] = "";
	static uint64 kinds = 0;
	char	   *copy;
	char	   *at;

	if (strcmp(jdg_lifecycle_events, last) == 0)
		return kinds;
	copy = pstrdup(jdg_lifecycle_events);
	kinds = 0;
	for (char *word = strtok_r(copy, ", ", &at); word != NULL;
		 word = strtok_r(NULL, ", ", &at))
		kinds |= kinds_of(word);
	strlcpy(last, jdg_lifecycle_events, sizeof(last));
	pfree(copy);
	return kinds;
}

/* The kinds that subscriptions of the topic ask for, as they are now. */
static uint64
kinds_of_subscriptions(void)
{
	static JdgQuery q = {
		"SELECT DISTINCT p FROM jadugar_internal.subscription s, "
		"unnest(s.types) p WHERE $1 = ANY (s.topics)", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(JDG_TOPIC_JADUGAR)};
	MemoryContext mcxt = CurrentMemoryContext;
	uint64		kinds = 0;
	JdgInternal in;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run_latest(&q, v, NULL);
	for (int64 i = 0; i < n; i++)
		kinds |= kinds_of(jdg_col_text(i, 1, mcxt));
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
	return (((kept | kinds_of_setting()) >> kind) & 1) != 0;
}

void
jdg_event_find_asked(JdgDb *db)
{
	uint64		kinds;
	uint64		seen;

	if (!jdg_happenings_look(db, &seen))
		return;
	jdg_work_begin();
	kinds = kinds_of_subscriptions() | kinds_of_setting();
	jdg_work_end();
	jdg_happenings_set(db, seen, kinds);
}

void
jdg_event_happened(JdgHappening kind, Oid owner, const char *key, Jsonb *data)
{
	if (is_asked_for(kind))
		jdg_publish_own(jdg_happening_type(kind), owner, key, data);
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
