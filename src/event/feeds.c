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
#include "event/lifecycle.h"
#include "event/notice.h"
#include "event/reshard.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/wakeup.h"
#include "shared/work.h"

/* The elements of an array, of text or int4; false: it is null. */
static bool
read_array(int64 row, int col, Oid element, Datum **elems, int *n)
{
	bool		isnull;
	Datum		d = jdg_col(row, col, &isnull);
	bool	   *nulls;

	if (isnull)
		return false;
	deconstruct_array(DatumGetArrayTypeP(d), element,
					  element == TEXTOID ? -1 : sizeof(int32),
					  element != TEXTOID, TYPALIGN_INT, elems, &nulls, n);
	return true;
}

/* The bits of numbers of topics; null: all. */
static uint64
read_topics(int64 row, int col)
{
	uint64		bits = 0;
	Datum	   *elems;
	int			n;

	if (!read_array(row, col, INT4OID, &elems, &n))
		return PG_UINT64_MAX;
	for (int i = 0; i < n; i++)
		bits |= jdg_event_topic_bit(DatumGetInt32(elems[i]));
	return bits;
}

/* The set of types; all if one is a pattern. */
static JdgTypeBits
read_types(int64 row, int col)
{
	JdgTypeBits bits = {{0}};
	Datum	   *elems;
	int			n = 0;

	(void) read_array(row, col, TEXTOID, &elems, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *pattern = TextDatumGetCString(elems[i]);

		if (strchr(pattern, '*') == NULL)
			jdg_event_add_type(&bits, pattern);
		else
			memset(&bits, 0xff, sizeof(bits));
	}
	return bits;
}

/*
 * Reads the shards of all active subscriptions in order of their ids, in the
 * current context.  A shard that has ended, with nothing set aside, is not
 * among them.  Returns their number.
 */
static int
read_shards(JdgFeedWanted **shards)
{
	static JdgQuery q = {
		"SELECT c.subscription_id, c.shard, s.owner, s.topics, s.types, "
		"s.delivery = 'f' "
		"FROM jadugar_internal.subscription s, "
		"LATERAL (SELECT c.subscription_id, c.shard "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id "
		"AND c.lost_at IS NULL "
		"AND NOT (c.done AND c.parked = 0) OFFSET 0) c "
		"WHERE s.enabled AND s.paused_at IS NULL "
		"ORDER BY c.subscription_id, c.shard", 0, {0}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		n;

	jdg_work_begin();
	n = jdg_run(&q, NULL, NULL, 0);
	*shards = MemoryContextAlloc(mcxt, sizeof(JdgFeedWanted) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		JdgFeedWanted *it = &(*shards)[i];

		it->subscription_id = jdg_col_int64(i, 1, 0);
		it->shard = jdg_col_int32(i, 2, 0);
		it->owner = jdg_col_oid(i, 3);
		it->topics = read_topics(i, 4);
		it->types = read_types(i, 5);
		it->fetched = jdg_col_bool(i, 6);
	}
	jdg_work_end();
	return (int) n;
}

/* Brings the feeds up to date with the tables. */
static void
set_feeds(JdgDb *db)
{
	JdgFeedWanted *shards;
	int			n = read_shards(&shards);
	bool		room = jdg_feeds_set(db->dboid, shards, n);

	pg_atomic_write_u32(&db->feeds,
						room ? JDG_FEEDS_COMPLETE : JDG_FEEDS_LEFT_OUT);
	if (!room)
		ereport(LOG,
				(errmsg("jadugar has no room for all shards of subscriptions"),
				 errhint("Raise jadugar.max_shards and restart the server.")));
	if (n > 0)
		jdg_db_wake(db, JDG_WAKE_WORK);
}

TimestampTz
jdg_event_feeds(JdgDb *db, uint32 why)
{
	TimestampTz now = jdg_now();
	TimestampTz next;

	if ((why & (JDG_WAKE_EVENTS | JDG_WAKE_SWEEP)) != 0)
	{
		bool		resharding = jdg_reshard_duty();

		jdg_event_find_asked(db);
		set_feeds(db);
		/* shards without news are to come to their end, or have begun */
		if (resharding)
			jdg_feeds_look(db);
		/* a session may have dropped one, or given up events */
		jdg_db_delivered(db);
	}
	next = jdg_feeds_due(db->dboid, now);
	if (jdg_feeds_ready(db->dboid, InvalidOid) > 0)
		jdg_db_wake(db, JDG_WAKE_WORK);
	return next;
}
