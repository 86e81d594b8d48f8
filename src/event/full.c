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
 * topic is no right to stop its publishers.  A replay does not count: publishers
 * add nothing to what it has to come.  A subscription that has kept the topic
 * full for max_hold is lost (lost.h), so publishers do not wait longer for it.
 *
 * A look costs little as long as nobody is far behind: the rows of the log
 * behind a position are counted in the index, for the subscription first that
 * is furthest behind.  If there are not as many as max_backlog, the topic is not
 * full, whatever the rest has.  A binary search finds out which others have as
 * many.  Their events are counted in one pass over the log, for all of their
 * shards.  Each of these goes on in the next transaction after some thousand
 * rows.  Positions are those at the begin of the pass.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/spi.h"
#include "event/backlog.h"
#include "event/era.h"
#include "event/full.h"
#include "event/grant.h"
#include "event/lost.h"
#include "event/notice.h"
#include "event/sweep.h"
#include "shared/work.h"

/* at most this part of the scheduler's time goes into looking */
#define SHARE 10

/* of a transaction: rows of events, rows of the index alone, cursors */
#define LOOKS 5000
#define ROWS 50000
#define CURSORS 100

/* did the sweep that is under way find one that is full? */
static bool any_full;

/* a subscription */
typedef struct Reader
{
	int64		subscription_id;
	uint64		from;			/* first transaction to look at */
	/* of a pass */
	JdgCursor  *cursors;
	int			n;
	int64	   *events;
} Reader;

/* the look at a topic */
static struct
{
	int32		topic_id;		/* 0: none is under way */
	Reader	   *readers;		/* the one first that is furthest behind */
	int			n;
	int			lo;				/* those before it have max_backlog rows */
	int			hi;				/* those from it on have not */
	int64		rows;			/* of the one that is asked */
	int			nread;			/* whose cursors have been read */
	bool		passing;
	int64		until_id;		/* events that the pass counts */
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

/* Begins a look: lists the subscriptions that count. */
static void
begin_look(const Limited *t)
{
	static JdgQuery q = {
		"SELECT s.subscription_id, s.owner, x.first "
		"FROM jadugar_internal.subscription s, "
		"LATERAL (SELECT min(CASE WHEN c.era < $2 THEN '0'::xid8 "
		"ELSE coalesce(c.base_xip[1], c.base_xmax, '0'::xid8) END) AS first "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id "
		"AND c.lost_at IS NULL AND NOT c.done AND NOT c.last_window) x "
		"WHERE (s.topics IS NULL OR $1 = ANY (s.topics)) "
		"AND x.first IS NOT NULL ORDER BY x.first, s.subscription_id",
		2, {INT4OID, INT4OID}
	};
	Datum		v[2] = {Int32GetDatum(t->topic.topic_id),
	Int32GetDatum(jdg_era_now())};
	int64		n;
	Oid		   *owners;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext,
										"jadugar full topics",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	memset(&at, 0, sizeof(at));
	n = jdg_run_latest(&q, v, NULL);
	at.readers = MemoryContextAllocZero(context, sizeof(Reader) * Max(n, 1));
	owners = palloc(sizeof(Oid) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		first = jdg_col(i, 3, &isnull);

		owners[i] = jdg_col_oid(i, 2);
		at.readers[i].subscription_id = jdg_col_int64(i, 1, 0);
		at.readers[i].from =
			U64FromFullTransactionId(DatumGetFullTransactionId(first));
	}
	for (int64 i = 0; i < n; i++)
	{
		if (jdg_event_may_hold(owners[i], &t->topic))
			at.readers[at.n++] = at.readers[i];
	}
	at.hi = at.n;
}

/*
 * Finds out how many subscriptions have max_backlog rows behind their position.
 * False: there is more to do.
 */
static bool
count_rows(const Limited *t)
{
	int32		topic_id = t->topic.topic_id;

	while (at.lo < at.hi)
	{
		int			i = at.lo == 0 ? 0 : (at.lo + at.hi) / 2;
		uint64		from = at.readers[i].from;
		JdgLeaf    *leaves;
		int			n = jdg_leaves(&topic_id, 1, 0, PG_INT64_MAX, from, &leaves);

		switch (jdg_backlog_rows(&at.place, from, &at.rows,
								 t->topic.max_backlog, ROWS, leaves, n))
		{
			case JDG_BACKLOG_UNKNOWN:
				return false;
			case JDG_BACKLOG_MOST:
				at.lo = i + 1;
				break;
			case JDG_BACKLOG_LESS:
				at.hi = i;
				break;
		}
		at.rows = 0;
		memset(&at.place, 0, sizeof(at.place));
	}
	return true;
}

/* Reads the positions of a subscription's shards that are not lost. */
static void
read_cursors(Reader *r)
{
	const JdgSubscription *s = jdg_subscription_get(r->subscription_id);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			shards = s != NULL ? s->shards : 0;

	r->cursors = palloc(sizeof(JdgCursor) * Max(shards, 1));
	r->events = palloc0(sizeof(int64) * Max(shards, 1));
	for (int i = 0; i < shards; i++)
	{
		JdgCursor  *c = &r->cursors[r->n];

		if (jdg_cursor_read(r->subscription_id, i, c) && !c->lost &&
			!c->done && !c->last_window)
			r->n++;
	}
	MemoryContextSwitchTo(old);
}

/* Begins the pass for those that are far behind.  False: as above. */
static bool
begin_pass(void)
{
	static JdgQuery last = {
		"SELECT last_value FROM jadugar_internal.event_id_seq", 0, {0}
	};
	int			n = 0;

	while (at.nread < at.lo)
	{
		Reader	   *r = &at.readers[at.nread];

		if (n >= CURSORS)
			return false;
		read_cursors(r);
		n += r->n;
		at.nread++;
	}
	jdg_run_latest(&last, NULL, NULL);
	at.until_id = jdg_col_int64(0, 1, 0);
	at.passing = true;
	return true;
}

/* Goes on with the pass; *full: the subscription that keeps the topic full. */
static JdgBacklogStep
pass(const Limited *t, Reader **full)
{
	int32		topic_id = t->topic.topic_id;
	JdgBacklogParty *parties = palloc(sizeof(JdgBacklogParty) * Max(at.lo, 1));
	JdgBacklogSearch b = {
		.parties = parties,.nparties = at.lo,
		.from = at.lo > 0 ? at.readers[0].from : 0,.until_id = at.until_id,
		.most = t->topic.max_backlog,.looks = LOOKS,.place = at.place
	};
	JdgLeaf    *leaves;
	int			n = jdg_leaves(&topic_id, 1, 0, PG_INT64_MAX, b.from, &leaves);
	JdgBacklogStep step;

	for (int i = 0; i < at.lo; i++)
	{
		Reader	   *r = &at.readers[i];

		parties[i].s = jdg_subscription_get(r->subscription_id);
		parties[i].cursors = r->cursors;
		parties[i].ncursors = r->n;
		parties[i].events = r->events;
	}
	step = jdg_backlog_search(&b, leaves, n);
	at.place = b.place;
	if (step == JDG_BACKLOG_MOST)
		*full = &at.readers[b.found];
	return step;
}

/* Goes on with the look; see pass(). */
static JdgBacklogStep
advance(const Limited *t, Reader **full)
{
	if (!at.passing && !(count_rows(t) && begin_pass()))
		return JDG_BACKLOG_UNKNOWN;
	return pass(t, full);
}

/*
 * The shards that have kept the topic full for max_hold are lost, unless they
 * have moved since they were counted.  A worker may hold one: then it is lost
 * at a later look.
 */
static void
lose_shards(const Reader *r, int64 max_backlog)
{
	const JdgSubscription *s = jdg_subscription_get(r->subscription_id);

	for (int i = 0; s != NULL && i < r->n; i++)
	{
		JdgCursor	c;

		if (r->events[i] < max_backlog ||
			!jdg_cursor_lock(r->subscription_id, r->cursors[i].shard, &c))
			continue;
		jdg_event_notice_locked(c.subscription_id, c.shard);
		if (jdg_cursor_same_place(&c, &r->cursors[i]))
			jdg_shard_lose(s, c.shard, JDG_LOST_FULL);
	}
}

/* Writes which subscription keeps the topic full; 0: none. */
static void
note(const Limited *t, int64 full_by)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.topic SET full_since = $2, full_by = $3 "
		"WHERE topic_id = (SELECT topic_id FROM jadugar_internal.topic "
		"WHERE topic_id = $1 AND max_backlog = $4 FOR UPDATE SKIP LOCKED)",
		4, {INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID},.config = true
	};
	Datum		v[4] = {Int32GetDatum(t->topic.topic_id),
		TimestampTzGetDatum(jdg_now()), Int64GetDatum(full_by),
	Int64GetDatum(t->topic.max_backlog)};

	any_full |= full_by != 0;
	/* a session may have locked or changed it: again at the next look */
	if (full_by != t->full_by &&
		jdg_run(&q, v, full_by != 0 ? NULL : " nn ", 0) == 0)
		any_full = true;
}

/* The end of a look. */
static void
finish(const Limited *t, const Reader *full)
{
	if (full != NULL &&
		(t->no_hold || (t->overdue && full->subscription_id == t->full_by)))
	{
		lose_shards(full, t->topic.max_backlog);
		any_full = true;
	}
	else
		note(t, full != NULL ? full->subscription_id : 0);
}

/* A transaction of the look at a topic.  False: there is more to do. */
static bool
look_at(int32 topic_id)
{
	JdgBacklogStep step = JDG_BACKLOG_LESS;
	int32		begun = at.topic_id;
	Reader	   *full = NULL;
	Limited		t = {0};

	at.topic_id = 0;
	jdg_work_begin();
	if (read_topic(topic_id, &t))
	{
		if (begun != topic_id)
			begin_look(&t);
		PushActiveSnapshot(GetLatestSnapshot());
		step = advance(&t, &full);
		PopActiveSnapshot();
		if (step != JDG_BACKLOG_UNKNOWN)
			finish(&t, full);
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
	if (!jdg_pause_is_over(next, USECS_PER_HOUR, now))
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
