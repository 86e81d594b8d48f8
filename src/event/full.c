/*-------------------------------------------------------------------------
 *
 * full.c
 *	  Topics whose max_backlog a subscription has reached, see full.h.
 *
 * Runs in the scheduler.  A transaction that has published in a topic with
 * max_backlog sets limited_news of the database.  The scheduler then looks,
 * but not more than once a second, and again as long as a topic is full.
 * topic.full_since and topic.full_by tell publishers and views: like all
 * configuration, they are known to every process at its next look.
 *
 * Only subscriptions count whose owner may hold the topic (grant.h): to read a
 * topic is no right to stop its publishers.  One that has kept the topic full
 * for max_hold is lost (lost.h), so publishers do not wait longer.
 *
 * A look costs little as long as nobody is far behind.  Subscriptions are asked
 * in the order of their positions, the one that is furthest behind first.  The
 * rows of the log behind its position are counted in the index; if there are
 * not as many as max_backlog, the topic is not full, whatever the rest has.
 * Otherwise the subscription's own events are counted, for all of its shards
 * in one pass.  Both go on in the next transaction after some thousand rows.
 * What a position has to come is counted as it was when the count began.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/backlog.h"
#include "event/era.h"
#include "event/full.h"
#include "event/grant.h"
#include "event/lost.h"
#include "event/sweep.h"
#include "shared/work.h"

/* at most this part of the scheduler's time goes into looking */
#define SHARE 10

/* rows of a transaction: of events, and of the index alone */
#define LOOKS 5000
#define ROWS 50000

/* did the sweep that is under way find one that is full? */
static bool any_full;

/* the look at a topic */
static struct
{
	int32		topic_id;		/* 0: none is under way */
	int64	   *ids;			/* of subscriptions, in order */
	int64		n;
	int64		next;
	/* of the next one */
	bool		counting;		/* its events, not only rows */
	int64		rows;
	int64		until_id;
	int64		events[JDG_SHARDS_MAX];
	uint64		base_xmax[JDG_SHARDS_MAX];	/* where its shards were */
	int64		after_id[JDG_SHARDS_MAX];
	JdgBacklogPlace place;
}			at;

static MemoryContext context = NULL;

/* the topic, and what is not part of JdgTopic */
typedef struct Limited
{
	JdgTopic	topic;
	int64		full_by;		/* 0: it is not full */
	bool		overdue;		/* for longer than max_hold */
	bool		no_hold;		/* max_hold is 0 */
} Limited;

static bool
read_topic(int32 topic_id, Limited *t)
{
	static JdgQuery q = {
		"SELECT coalesce(full_by, 0), full_since + "
		"coalesce(max_hold, make_interval(mins => $3)) <= $2, "
		"$2 + coalesce(max_hold, make_interval(mins => $3)) <= $2 "
		"FROM jadugar_internal.topic WHERE topic_id = $1",
		3, {INT4OID, TIMESTAMPTZOID, INT4OID}
	};
	Datum		v[3] = {Int32GetDatum(topic_id), TimestampTzGetDatum(jdg_now()),
	Int32GetDatum(jdg_event_max_hold)};

	if (!jdg_topic_by_id(topic_id, &t->topic) || t->topic.max_backlog == 0 ||
		jdg_run_latest(&q, v, NULL) == 0)
		return false;
	t->full_by = jdg_col_int64(0, 1, 0);
	t->overdue = t->full_by != 0 && jdg_col_bool(0, 2);
	t->no_hold = jdg_col_bool(0, 3);
	return true;
}

/*
 * Begins a look: lists the subscriptions, the one first that has kept the topic
 * full.
 */
static void
begin_look(const Limited *t)
{
	static JdgQuery q = {
		"SELECT s.subscription_id FROM jadugar_internal.subscription s, "
		"LATERAL (SELECT min(CASE WHEN c.era < $2 THEN '0'::xid8 "
		"ELSE coalesce(c.base_xip[1], c.base_xmax, '0'::xid8) END) AS first "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id "
		"AND c.lost_at IS NULL AND NOT c.done) x "
		"WHERE (s.topics IS NULL OR $1 = ANY (s.topics)) "
		"AND x.first IS NOT NULL "
		"ORDER BY s.subscription_id = $3 DESC, x.first, s.subscription_id",
		3, {INT4OID, INT4OID, INT8OID}
	};
	Datum		v[3] = {Int32GetDatum(t->topic.topic_id),
		Int32GetDatum(jdg_era_now()),
	Int64GetDatum(t->full_by)};

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext,
										"jadugar full topics",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	memset(&at, 0, sizeof(at));
	at.n = jdg_run_latest(&q, v, NULL);
	at.ids = jdg_col_int64s(at.n, 1, context);
}

/* The next subscription is asked. */
static void
next_subscription(void)
{
	at.next++;
	at.counting = false;
	at.rows = 0;
	memset(&at.place, 0, sizeof(at.place));
}

/* Reads the cursors of a subscription; returns their number. */
static int
read_cursors(const JdgSubscription *s, JdgCursor **cursors)
{
	int			n = 0;

	*cursors = palloc(sizeof(JdgCursor) * s->shards);
	for (int i = 0; i < s->shards; i++)
	{
		JdgCursor  *c = &(*cursors)[n];

		if (jdg_cursor_read(s->subscription_id, i, c) && !c->lost && !c->done)
			n++;
	}
	return n;
}

static uint64
base_xmax(const JdgCursor *c)
{
	return c->base != NULL ? c->base->xmax : 0;
}

/* Counts the events of a subscription from where its shards are now. */
static void
begin_count(const JdgCursor *cursors, int n)
{
	static JdgQuery last = {
		"SELECT last_value FROM jadugar_internal.event_id_seq", 0, {0}
	};

	jdg_run_latest(&last, NULL, NULL);
	at.until_id = jdg_col_int64(0, 1, 0);
	at.counting = true;
	memset(at.events, 0, sizeof(at.events));
	memset(&at.place, 0, sizeof(at.place));
	for (int i = 0; i < n; i++)
	{
		at.base_xmax[cursors[i].shard] = base_xmax(&cursors[i]);
		at.after_id[cursors[i].shard] = cursors[i].after_id;
	}
}

/* Goes on with the count of a subscription's events. */
static JdgBacklogStep
count_events(const JdgSubscription *s, const Limited *t,
			 const JdgCursor *cursors, int n, uint64 from,
			 JdgLeaf *leaves, int nleaves)
{
	JdgBacklogSearch b = {
		.s = s,.cursors = cursors,.ncursors = n,.from = from,
		.until_id = at.until_id,.most = t->topic.max_backlog,.looks = LOOKS,
		.place = at.place
	};
	JdgBacklogStep step;

	for (int i = 0; i < n; i++)
		b.events[i] = at.events[cursors[i].shard];
	step = jdg_backlog_search(&b, leaves, nleaves);
	for (int i = 0; i < n; i++)
		at.events[cursors[i].shard] = b.events[i];
	at.place = b.place;
	return step;
}

/*
 * Goes on with a subscription.  "Less": it does not keep the topic full;
 * *end: nor does any that comes after it.
 */
static JdgBacklogStep
ask(const JdgSubscription *s, const Limited *t, bool *end)
{
	JdgCursor  *cursors;
	int			n = read_cursors(s, &cursors);
	int32		topic_id = t->topic.topic_id;
	uint64		from = PG_UINT64_MAX;
	JdgLeaf    *leaves;
	int			nleaves;
	JdgBacklogStep step;

	*end = false;
	for (int i = 0; i < n; i++)
		from = Min(from, jdg_backlog_from(&cursors[i]));
	if (n == 0)
		return JDG_BACKLOG_LESS;
	nleaves = jdg_backlog_leaves(cursors, n, from, &topic_id, 1, &leaves);
	if (!at.counting)
	{
		step = jdg_backlog_rows(&at.place, from, &at.rows,
								t->topic.max_backlog, ROWS, leaves, nleaves);
		*end = step == JDG_BACKLOG_LESS && s->subscription_id != t->full_by;
		if (step != JDG_BACKLOG_MOST)
			return step;
		begin_count(cursors, n);
		return JDG_BACKLOG_UNKNOWN;
	}
	return count_events(s, t, cursors, n, from, leaves, nleaves);
}

/* Goes on with the look; "most": the next subscription keeps the topic full. */
static JdgBacklogStep
advance(const Limited *t)
{
	while (at.next < at.n)
	{
		const JdgSubscription *s = jdg_subscription_get(at.ids[at.next]);
		bool		end = false;

		if (s != NULL && jdg_event_may_hold(s->owner, &t->topic))
		{
			JdgBacklogStep step = ask(s, t, &end);

			if (step != JDG_BACKLOG_LESS)
				return step;
		}
		next_subscription();
		if (end)
			break;
	}
	return JDG_BACKLOG_LESS;
}

/*
 * The shards that have kept the topic full for max_hold are lost, unless they
 * have moved since they were counted.  A worker may hold one: then it does at
 * the next look.
 */
static void
lose_shards(const JdgSubscription *s, int64 max_backlog)
{
	for (int i = 0; i < s->shards; i++)
	{
		JdgCursor	c;

		if (at.events[i] >= max_backlog &&
			jdg_cursor_lock(s->subscription_id, i, &c) && !c.lost &&
			base_xmax(&c) == at.base_xmax[i] && c.after_id == at.after_id[i])
			jdg_shard_lose(s, i, JDG_LOST_FULL);
	}
}

/* Writes which subscription keeps the topic full; 0: none. */
static void
note(const Limited *t, int64 full_by)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.topic SET full_since = $2, full_by = $3 "
		"WHERE topic_id = (SELECT topic_id FROM jadugar_internal.topic "
		"WHERE topic_id = $1 FOR UPDATE SKIP LOCKED)",
		3, {INT4OID, TIMESTAMPTZOID, INT8OID},.config = true
	};
	Datum		v[3] = {Int32GetDatum(t->topic.topic_id),
		TimestampTzGetDatum(jdg_now()),
	Int64GetDatum(full_by)};

	any_full |= full_by != 0;
	/* a session may have locked it: again at the next look */
	if (full_by != t->full_by &&
		jdg_run(&q, v, full_by != 0 ? NULL : " nn", 0) == 0)
		any_full = true;
}

/* The end of a look. */
static void
finish(const Limited *t, bool full)
{
	const JdgSubscription *s = full ? jdg_subscription_get(at.ids[at.next]) : NULL;

	if (s == NULL)
		note(t, 0);
	else if (t->no_hold || (t->overdue && s->subscription_id == t->full_by))
	{
		lose_shards(s, t->topic.max_backlog);
		any_full = true;
	}
	else
		note(t, s->subscription_id);
}

/* A transaction of the look at a topic.  False: there is more to do. */
static bool
look_at(int32 topic_id)
{
	JdgBacklogStep step = JDG_BACKLOG_LESS;
	int32		begun = at.topic_id;
	Limited		t = {0};

	at.topic_id = 0;
	jdg_work_begin();
	if (read_topic(topic_id, &t))
	{
		if (begun != topic_id)
			begin_look(&t);
		PushActiveSnapshot(GetLatestSnapshot());
		step = advance(&t);
		PopActiveSnapshot();
		if (step != JDG_BACKLOG_UNKNOWN)
			finish(&t, step == JDG_BACKLOG_MOST);
	}
	jdg_work_end();
	if (step != JDG_BACKLOG_UNKNOWN)
		return true;
	at.topic_id = topic_id;
	return false;
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
	static bool again;			/* asked for since the sweep has begun */
	TimestampTz now = jdg_now();
	bool		done;

	again |= why != 0;
	/* the clock may have been set back */
	if (now < next && next - now <= USECS_PER_HOUR)
		return next;
	if (sweep.n == NULL)
	{
		any_full = again = false;
		pg_atomic_write_u32(&db->limited_news, 0);
		pg_memory_barrier();
	}
	done = jdg_sweep_run(&sweep, NULL, 0);
	next = jdg_now();
	next += Max(done ? USECS_PER_SEC : 0, (next - now) * SHARE);
	return !done || any_full || again ? next : DT_NOEND;
}
