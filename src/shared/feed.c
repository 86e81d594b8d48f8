/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Feeds: the shards of subscriptions, see feed.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "storage/lwlock.h"

#include "base/settings.h"
#include "shared/feed.h"
#include "shared/pool.h"
#include "shared/shmem.h"

/* owners that are notified by one commit; more, and the scheduler does it */
#define MAX_OWNERS 16

/* after so many events of a topic, all of its feeds look */
#define CROWD 10000

typedef struct Feeds
{
	pg_atomic_uint32 used;		/* entries before this have been used */
	JdgFeed		feed[FLEXIBLE_ARRAY_MEMBER];
} Feeds;

static Feeds *feeds = NULL;
JdgFeed    *jdg_feeds = NULL;

static Size
feeds_size(void)
{
	return add_size(offsetof(Feeds, feed),
					mul_size(jdg_max_shards, sizeof(JdgFeed)));
}

static void
feeds_init(void *at, bool found)
{
	feeds = at;
	jdg_feeds = feeds->feed;
	if (found)
		return;
	memset(feeds, 0, feeds_size());
	pg_atomic_init_u32(&feeds->used, 0);
	for (int i = 0; i < jdg_max_shards; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		pg_atomic_init_u32(&f->state, JDG_FEED_FREE);
		pg_atomic_init_u32(&f->news, 0);
		pg_atomic_init_u64(&f->due, (uint64) DT_NOEND);
		for (int w = 0; w < JDG_TYPE_WORDS; w++)
			pg_atomic_init_u64(&f->types[w], 0);
		pg_atomic_init_u64(&f->topics, 0);
		pg_atomic_init_u32(&f->queue_id, 0);
		pg_atomic_init_u32(&f->fetched, 0);
		pg_atomic_init_u32(&f->seen, 0);
		f->slotno = -1;
	}
}

const JdgShmemPart jdg_feeds_shmem = {
	"jadugar feeds", feeds_size, feeds_init
};

int
jdg_feeds_used(void)
{
	return feeds ? (int) pg_atomic_read_u32(&feeds->used) : 0;
}

uint64
jdg_feed_bit(uint32 hash)
{
	return UINT64CONST(1) << (hash % 64);
}

static JdgFeedState
state_of(JdgFeed *f)
{
	return (JdgFeedState) pg_atomic_read_u32(&f->state);
}

/* Changes the state from one to another; false: it was another one. */
static bool
change_state(JdgFeed *f, JdgFeedState from, JdgFeedState to)
{
	uint32		expected = from;

	return pg_atomic_compare_exchange_u32(&f->state, &expected, to);
}

static bool
is_fetched(JdgFeed *f)
{
	return pg_atomic_read_u32(&f->fetched) != 0;
}

/* The owners whose workers are to look. */
typedef struct Owners
{
	bool		fetched;		/* there is news for others than workers */
	bool		announce;		/* and it is to be announced */
	int			n;
	bool		overflow;
	Oid			owner[MAX_OWNERS];
} Owners;

static void
add_owner(Owners *o, Oid owner)
{
	for (int i = 0; i < o->n; i++)
	{
		if (o->owner[i] == owner)
			return;
	}
	if (o->n < MAX_OWNERS)
		o->owner[o->n++] = owner;
	else
		o->overflow = true;
}

/* There is news for a feed. */
static void
tell(JdgFeed *f, Owners *o)
{
	bool		ready;

	pg_atomic_fetch_add_u32(&f->news, 1);
	ready = change_state(f, JDG_FEED_QUIET, JDG_FEED_READY);
	if (is_fetched(f))
	{
		o->fetched = true;
		o->announce |= ready;
	}
	else if (ready)
		add_owner(o, f->owner);
}

static void
notify(JdgDb *db, const Owners *o)
{
	uint32		why = o->overflow ? JDG_WAKE_WORK : 0;

	if (pg_atomic_read_u32(&db->paused) != 0)
		return;
	if (o->fetched)
		jdg_db_fetchable(db);
	if (o->announce)
		why |= JDG_WAKE_FEEDS;
	for (int i = 0; i < o->n; i++)
	{
		if (!jdg_pool_notify(db->dboid, o->owner[i]))
			why |= JDG_WAKE_WORK;
	}
	if (why != 0)
		jdg_db_wake(db, why);
}

/* Counts events; returns the topics that have got another CROWD of them. */
static uint64
crowded(JdgDb *db, uint64 topics, int64 events)
{
	uint64		result = 0;

	for (uint64 rest = topics; events > 0 && rest != 0; rest &= rest - 1)
	{
		int			bit = pg_rightmost_one_pos64(rest);
		uint64		before = pg_atomic_fetch_add_u64(&db->published[bit],
													 events);

		if (before / CROWD != (before + events) / CROWD)
			result |= UINT64CONST(1) << bit;
	}
	return result;
}

/* may the feed and the set have a type in common? */
static bool
is_of_types(JdgFeed *f, const JdgTypeBits *types)
{
	for (int i = 0; i < JDG_TYPE_WORDS; i++)
	{
		if ((pg_atomic_read_u64(&f->types[i]) & types->word[i]) == 0)
			return false;
	}
	return true;
}

void
jdg_feeds_publish(JdgDb *db, uint64 topics, const JdgTypeBits *types,
				  int64 events)
{
	Owners		o = {0};
	uint64		all = crowded(db, topics, events);
	int			used = jdg_feeds_used();

	/* pairs with jdg_feed_take(): commit, then count; count, then look */
	pg_memory_barrier();
	/* consumers do not need a feed */
	o.fetched = pg_atomic_read_u32(&db->feeds) != JDG_FEEDS_COMPLETE;
	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		if (f->dboid == db->dboid && state_of(f) != JDG_FEED_FREE &&
			(pg_atomic_read_u64(&f->topics) & topics) != 0 &&
			(is_of_types(f, types) ||
			 (pg_atomic_read_u64(&f->topics) & all) != 0))
			tell(f, &o);
	}
	notify(db, &o);
}

void
jdg_feeds_look(JdgDb *db)
{
	JdgTypeBits all;

	memset(&all, 0xff, sizeof(all));
	jdg_feeds_publish(db, PG_UINT64_MAX, &all, 0);
}

JdgFeed *
jdg_feed_take(Oid dboid, Oid owner, int slotno, uint32 *news)
{
	static int	last = 0;
	int			used = jdg_feeds_used();

	/* the one after the last comes first, so that all have their turn */
	for (int i = 1; i <= used; i++)
	{
		int			n = (last + i) % used;
		JdgFeed    *f = &jdg_feeds[n];

		if (f->dboid != dboid || f->owner != owner || is_fetched(f) ||
			!change_state(f, JDG_FEED_READY, JDG_FEED_TAKEN))
			continue;
		if (f->dboid != dboid || f->owner != owner)
		{
			/* it was given away meanwhile */
			pg_atomic_write_u32(&f->state, JDG_FEED_READY);
			continue;
		}
		last = n;
		f->slotno = slotno;
		*news = pg_atomic_read_u32(&f->news);
		pg_memory_barrier();
		return f;
	}
	return NULL;
}

void
jdg_feed_release(JdgFeed *f, uint32 news, bool more, TimestampTz due,
				 bool hold)
{
	JdgFeedState state = more ? JDG_FEED_READY :
	hold ? JDG_FEED_WAITING : JDG_FEED_QUIET;

	f->slotno = -1;
	pg_atomic_write_u64(&f->due, (uint64) due);
	pg_write_barrier();
	pg_atomic_write_u32(&f->state, state);
	/* pairs with tell(): it counts, then looks at the state */
	pg_memory_barrier();
	if (state != JDG_FEED_READY && pg_atomic_read_u32(&f->news) != news)
		(void) change_state(f, state, JDG_FEED_READY);
}

void
jdg_feed_await_room(JdgFeed *f, int32 queue_id)
{
	pg_atomic_write_u32(&f->queue_id, (uint32) queue_id);
}

/*
 * A feed that is taken may be about to wait: jdg_feed_release() looks at the
 * news after it has changed the state.
 */
void
jdg_feeds_room(Oid dboid, int32 queue_id)
{
	Owners		o = {0};
	int			used = jdg_feeds_used();

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		if (f->dboid != dboid || state_of(f) == JDG_FEED_FREE ||
			is_fetched(f))
			continue;
		pg_atomic_fetch_add_u32(&f->news, 1);
		if (pg_atomic_read_u32(&f->queue_id) == (uint32) queue_id &&
			change_state(f, JDG_FEED_WAITING, JDG_FEED_READY))
			add_owner(&o, f->owner);
	}
	for (int i = 0; o.n > 0 && i < jdg_max_databases; i++)
	{
		if (jdg_dbs[i].dboid == dboid && jdg_dbs[i].state == JDG_DB_ACTIVE)
			notify(&jdg_dbs[i], &o);
	}
}

void
jdg_feeds_release_slot(Oid dboid, int slotno)
{
	int			used = jdg_feeds_used();

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		if (f->dboid != dboid || f->slotno != slotno ||
			state_of(f) != JDG_FEED_TAKEN)
			continue;
		f->slotno = -1;
		pg_write_barrier();
		pg_atomic_write_u32(&f->state, JDG_FEED_READY);
	}
}

int
jdg_feeds_ready(Oid dboid, Oid owner)
{
	int			used = jdg_feeds_used();
	int			n = 0;

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		n += f->dboid == dboid && (!OidIsValid(owner) || f->owner == owner) &&
			!is_fetched(f) && state_of(f) == JDG_FEED_READY;
	}
	return n;
}

TimestampTz
jdg_feeds_due(Oid dboid, TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	int			used = jdg_feeds_used();

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];
		TimestampTz due;

		if (f->dboid != dboid || (state_of(f) != JDG_FEED_WAITING &&
								  state_of(f) != JDG_FEED_QUIET))
			continue;
		due = (TimestampTz) pg_atomic_read_u64(&f->due);
		if (due > now)
			next = Min(next, due);
		else if (!change_state(f, JDG_FEED_WAITING, JDG_FEED_READY))
			(void) change_state(f, JDG_FEED_QUIET, JDG_FEED_READY);
	}
	return next;
}

/* The feed of a shard; NULL: it has none. */
static JdgFeed *
find_feed(Oid dboid, int64 subscription_id, int32 shard)
{
	int			used = jdg_feeds_used();

	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		if (f->dboid == dboid && f->subscription_id == subscription_id &&
			f->shard == shard && state_of(f) != JDG_FEED_FREE)
			return f;
	}
	return NULL;
}

uint32
jdg_feed_news(Oid dboid, int64 subscription_id, int32 shard)
{
	JdgFeed    *f = find_feed(dboid, subscription_id, shard);
	uint32		news = f ? pg_atomic_read_u32(&f->news) : 0;

	/* pairs with jdg_feeds_publish(), like jdg_feed_take() */
	pg_memory_barrier();
	return news;
}

bool
jdg_feed_awaits_room(Oid dboid, int64 subscription_id, int32 shard)
{
	JdgFeed    *f = find_feed(dboid, subscription_id, shard);

	return f != NULL && state_of(f) == JDG_FEED_WAITING &&
		pg_atomic_read_u32(&f->queue_id) != 0;
}

bool
jdg_feed_lacks_room(JdgDb *db, int64 subscription_id, int32 shard)
{
	return pg_atomic_read_u32(&db->feeds) == JDG_FEEDS_LEFT_OUT &&
		find_feed(db->dboid, subscription_id, shard) == NULL;
}

void
jdg_feed_fetched(JdgDb *db, int64 subscription_id, int32 shard, uint32 news)
{
	JdgFeed    *f = find_feed(db->dboid, subscription_id, shard);

	if (f != NULL)
		pg_atomic_write_u32(&f->seen, news);
}

void
jdg_feed_freed(JdgDb *db, int64 subscription_id, int32 shard, bool more)
{
	JdgFeed    *f = find_feed(db->dboid, subscription_id, shard);
	Owners		o = {0};

	/* pairs with tell(), as jdg_feed_release() does */
	pg_memory_barrier();
	if (!more && (f == NULL || pg_atomic_read_u32(&f->news) ==
				  pg_atomic_read_u32(&f->seen)))
		return;
	/* consumers do not need a feed */
	if (f == NULL)
		o.fetched = true;
	else
		tell(f, &o);
	notify(db, &o);
}

static int
compare_news(const void *a, const void *b)
{
	const JdgFeedNews *x = a;
	const JdgFeedNews *y = b;

	return x->subscription_id < y->subscription_id ? -1 :
		x->subscription_id > y->subscription_id;
}

int
jdg_feeds_news(Oid dboid, JdgFeedNews **news)
{
	int			used = jdg_feeds_used();
	int			n = 0;

	*news = palloc(sizeof(JdgFeedNews) * Max(used, 1));
	for (int i = 0; i < used; i++)
	{
		JdgFeed    *f = &jdg_feeds[i];

		if (f->dboid != dboid || !is_fetched(f) ||
			state_of(f) != JDG_FEED_READY)
			continue;
		(*news)[n].feed = f;
		(*news)[n].subscription_id = f->subscription_id;
		(*news)[n++].news = pg_atomic_read_u32(&f->news);
	}
	qsort(*news, n, sizeof(JdgFeedNews), compare_news);
	return n;
}

bool
jdg_feeds_told(const JdgFeedNews *news, int n)
{
	bool		more = false;

	for (int i = 0; i < n; i++)
	{
		JdgFeed    *f = news[i].feed;

		(void) change_state(f, JDG_FEED_READY, JDG_FEED_QUIET);
		/* pairs with tell(): it counts, then looks at the state */
		pg_memory_barrier();
		if (pg_atomic_read_u32(&f->news) != news[i].news)
			more |= change_state(f, JDG_FEED_QUIET, JDG_FEED_READY);
	}
	return more;
}

static int
compare_wanted(const void *a, const void *b)
{
	const JdgFeedWanted *x = a;
	const JdgFeedWanted *y = b;

	if (x->subscription_id != y->subscription_id)
		return x->subscription_id < y->subscription_id ? -1 : 1;
	return x->shard < y->shard ? -1 : x->shard > y->shard;
}

/* Makes an entry for a shard, ready. */
static void
make_feed(JdgFeed *f, Oid dboid, const JdgFeedWanted *w)
{
	f->dboid = dboid;
	f->owner = w->owner;
	f->subscription_id = w->subscription_id;
	f->shard = w->shard;
	f->slotno = -1;
	pg_atomic_write_u32(&f->fetched, w->fetched);
	pg_atomic_write_u64(&f->due, (uint64) DT_NOEND);
	pg_atomic_write_u64(&f->topics, w->topics);
	for (int i = 0; i < JDG_TYPE_WORDS; i++)
		pg_atomic_write_u64(&f->types[i], w->types.word[i]);
	pg_write_barrier();
	pg_atomic_write_u32(&f->state, JDG_FEED_READY);
}

static void
change_feed(JdgFeed *f, const JdgFeedWanted *w)
{
	f->owner = w->owner;
	pg_atomic_write_u32(&f->fetched, w->fetched);
	pg_atomic_write_u64(&f->topics, w->topics);
	for (int i = 0; i < JDG_TYPE_WORDS; i++)
		pg_atomic_write_u64(&f->types[i], w->types.word[i]);
	/* it has been changed: what it waits for may be over */
	pg_atomic_fetch_add_u32(&f->news, 1);
	if (!change_state(f, JDG_FEED_QUIET, JDG_FEED_READY))
		(void) change_state(f, JDG_FEED_WAITING, JDG_FEED_READY);
}

/* Frees an entry; one that a worker has taken goes next time. */
static void
free_feed(JdgFeed *f)
{
	if (change_state(f, JDG_FEED_QUIET, JDG_FEED_FREE) ||
		change_state(f, JDG_FEED_READY, JDG_FEED_FREE) ||
		change_state(f, JDG_FEED_WAITING, JDG_FEED_FREE))
		f->dboid = InvalidOid;
}

bool
jdg_feeds_set(Oid dboid, JdgFeedWanted *wanted, int n)
{
	int			next = 0;		/* the first one that may lack an entry */

	for (int i = 0; i < n; i++)
		wanted[i].found = false;
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	for (int i = 0; i < jdg_feeds_used(); i++)
	{
		JdgFeed    *f = &jdg_feeds[i];
		JdgFeedWanted key = {f->subscription_id, f->shard};
		JdgFeedWanted *w;

		if (f->dboid != dboid || state_of(f) == JDG_FEED_FREE)
			continue;
		w = bsearch(&key, wanted, n, sizeof(key), compare_wanted);
		if (w != NULL)
		{
			w->found = true;
			change_feed(f, w);
		}
		else
			free_feed(f);
	}
	for (int i = 0; i < jdg_max_shards; i++)
	{
		while (next < n && wanted[next].found)
			next++;
		if (next == n)
			break;
		if (state_of(&jdg_feeds[i]) != JDG_FEED_FREE)
			continue;
		make_feed(&jdg_feeds[i], dboid, &wanted[next++]);
		if (i >= jdg_feeds_used())
			pg_atomic_write_u32(&feeds->used, i + 1);
	}
	LWLockRelease(JdgSharedLock);
	while (next < n && wanted[next].found)
		next++;
	return next == n;
}
