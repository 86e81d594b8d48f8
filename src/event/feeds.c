/*-------------------------------------------------------------------------
 *
 * feeds.c
 *	  Keeps a feed for each shard of the active subscriptions, see feeds.h.
 *
 * Runs in the scheduler.  A feed that is new is ready: its first look comes
 * later than the commit of its subscription.  After COMMIT PREPARED, whose
 * transaction may have published, all feeds are looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/feeds.h"
#include "event/notice.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/wakeup.h"
#include "shared/work.h"

/* a shard that is to have a feed */
typedef struct Shard
{
	int64		subscription_id;
	int32		shard;
	Oid			owner;
	uint64		types;
	uint64		topics;
} Shard;

typedef struct Shards
{
	int64		n;
	Shard	   *shard;
} Shards;

/* the bits of patterns, or of numbers of topics; a null array: all */
static uint64
bits_of(int64 row, int col, Oid element)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	uint64		bits = 0;

	if (isnull)
		return PG_UINT64_MAX;
	deconstruct_array(DatumGetArrayTypeP(d), element,
					  element == TEXTOID ? -1 : sizeof(int32),
					  element != TEXTOID, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *pattern;

		if (element == INT4OID)
		{
			bits |= jdg_event_topic_bit(DatumGetInt32(elems[i]));
			continue;
		}
		pattern = TextDatumGetCString(elems[i]);
		bits |= strchr(pattern, '*') ? PG_UINT64_MAX :
			jdg_event_type_bit(pattern);
	}
	return bits;
}

/* Reads the shards of all active subscriptions, in the current context. */
static void
read_shards(Shards *s)
{
	static JdgQuery q = {
		"SELECT c.subscription_id, c.shard, s.owner, s.types, s.topics "
		"FROM jadugar_internal.subscription s, "
		"LATERAL (SELECT c.subscription_id, c.shard "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id OFFSET 0) c "
		"WHERE s.enabled AND s.paused_at IS NULL", 0, {0}
	};
	MemoryContext mcxt = CurrentMemoryContext;

	jdg_work_begin();
	s->n = jdg_run(&q, NULL, NULL, 0);
	s->shard = MemoryContextAlloc(mcxt, sizeof(Shard) * Max(s->n, 1));
	for (int64 i = 0; i < s->n; i++)
	{
		Shard	   *it = &s->shard[i];

		it->subscription_id = jdg_col_int64(i, 1, 0);
		it->shard = jdg_col_int32(i, 2, 0);
		it->owner = jdg_col_oid(i, 3);
		it->types = bits_of(i, 4, TEXTOID);
		it->topics = bits_of(i, 5, INT4OID);
	}
	jdg_work_end();
}

static bool
is_wanted(int64 subscription_id, int32 shard, void *arg)
{
	const Shards *s = arg;

	for (int64 i = 0; i < s->n; i++)
	{
		if (s->shard[i].subscription_id == subscription_id &&
			s->shard[i].shard == shard)
			return true;
	}
	return false;
}

/* Brings the feeds up to date with the tables. */
static void
set_feeds(JdgDb *db)
{
	Shards		s;
	bool		full = false;

	read_shards(&s);
	jdg_feeds_prune(db->dboid, is_wanted, &s);
	for (int64 i = 0; i < s.n; i++)
	{
		const Shard *it = &s.shard[i];

		full |= !jdg_feed_set(db->dboid, it->owner, it->subscription_id,
							  it->shard, it->topics, it->types);
	}
	if (full)
		ereport(LOG,
				(errmsg("jadugar has no room for all shards of subscriptions"),
				 errhint("Raise jadugar.max_shards and restart the server.")));
	if (s.n > 0)
		jdg_db_wake(db, JDG_WAKE_WORK);
}

TimestampTz
jdg_event_feeds(JdgDb *db, uint32 why)
{
	TimestampTz now = jdg_now();
	TimestampTz next;

	if ((why & (JDG_WAKE_EVENTS | JDG_WAKE_SWEEP)) != 0)
	{
		set_feeds(db);
		/* a session may have dropped one, or given up events */
		jdg_db_delivered(db);
	}
	next = jdg_feeds_due(db->dboid, now);
	if (jdg_feeds_ready(db->dboid, InvalidOid) > 0)
		jdg_db_wake(db, JDG_WAKE_WORK);
	return next;
}
