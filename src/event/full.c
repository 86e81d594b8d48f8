/*-------------------------------------------------------------------------
 *
 * full.c
 *	  Topics whose max_backlog a subscription has reached, see full.h.
 *
 * Runs in the scheduler.  A transaction that has published in a topic with
 * max_backlog sets limited_news of the database.  The scheduler then looks,
 * but not more than once a second, and again as long as a topic is full.
 * topic.full_since tells publishers: like all configuration, it is known to
 * every process at its next look at the topic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/spi.h"
#include "event/backlog.h"
#include "event/full.h"
#include "event/sweep.h"
#include "shared/work.h"

/* at most this part of the scheduler's time goes into looking */
#define SHARE 10

/* did the sweep that is under way find one that is full? */
static bool any_full;

/* Has a shard of a subscription reached the limit of the topic? */
static bool
has_reached(int64 subscription_id, int32 shard, const JdgTopic *topic)
{
	const JdgSubscription *s = jdg_subscription_get(subscription_id);
	JdgBacklog	backlog;
	JdgCursor	c;

	if (s == NULL || !jdg_cursor_read(subscription_id, shard, &c))
		return false;
	PushActiveSnapshot(GetLatestSnapshot());
	jdg_backlog_count(s, &c, &topic->topic_id, 1, topic->max_backlog,
					  &backlog);
	PopActiveSnapshot();
	return backlog.events >= topic->max_backlog;
}

static bool
is_full(const JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT c.subscription_id, c.shard "
		"FROM jadugar_internal.subscription s "
		"JOIN jadugar_internal.event_cursor c USING (subscription_id) "
		"WHERE s.topics IS NULL OR $1 = ANY (s.topics)", 1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(topic->topic_id)};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *ids = palloc(sizeof(int64) * Max(n, 1));
	int32	   *shards = palloc(sizeof(int32) * Max(n, 1));
	bool		full = false;

	for (int64 i = 0; i < n; i++)
	{
		ids[i] = jdg_col_int64(i, 1, 0);
		shards[i] = jdg_col_int32(i, 2, 0);
	}
	for (int64 i = 0; i < n && !full; i++)
		full = has_reached(ids[i], shards[i], topic);
	return full;
}

static bool
look_at(int32 topic_id)
{
	static JdgQuery change = {
		"UPDATE jadugar_internal.topic SET full_since = $2 "
		"WHERE topic_id = (SELECT topic_id FROM jadugar_internal.topic "
		"WHERE topic_id = $1 FOR UPDATE SKIP LOCKED)", 2, {INT4OID, TIMESTAMPTZOID},.config = true
	};
	JdgTopic	topic;
	bool		full;

	jdg_work_begin();
	if (jdg_topic_by_id(topic_id, &topic) && topic.max_backlog > 0)
	{
		Datum		v[2] = {Int32GetDatum(topic_id),
		TimestampTzGetDatum(jdg_now())};

		full = is_full(&topic);
		any_full |= full;
		/* a session may have locked it: again at the next look */
		if (full != topic.full && jdg_run(&change, v, full ? NULL : " n", 0) == 0)
			any_full = true;
	}
	jdg_work_end();
	return true;
}

TimestampTz
jdg_event_find_full(JdgDb *db, uint32 why)
{
	static JdgQuery list = {
		"SELECT topic_id FROM jadugar_internal.topic "
		"WHERE max_backlog IS NOT NULL", 0, {0}
	};
	static JdgSweep sweep = {
		&list, look_at,
		"jadugar could not count what subscriptions of topic %d have to do: %s"
	};
	static TimestampTz next = DT_NOBEGIN;	/* no look before */
	TimestampTz now = jdg_now();
	bool		done;

	/* the clock may have been set back */
	if (sweep.n == NULL && now < next && next - now <= USECS_PER_HOUR)
		return next;
	if (sweep.n == NULL)
	{
		any_full = false;
		pg_atomic_write_u32(&db->limited_news, 0);
		pg_memory_barrier();
	}
	done = jdg_sweep_run(&sweep, NULL, why);
	next = jdg_now();
	next += Max(USECS_PER_SEC, (next - now) * SHARE);
	if (!done)
		return DT_NOBEGIN;
	return any_full ? next : DT_NOEND;
}
