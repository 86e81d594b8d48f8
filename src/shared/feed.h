/*-------------------------------------------------------------------------
 *
 * feed.h
 *	  Feeds: the shards of subscriptions, and whether there is news for them.
 *
 * A feed has no contents: the event log has all events, and the cursor of a
 * shard its position.  A feed only says that looking may be worth while, and
 * which worker looks.
 *
 *	 quiet -- news --> ready -- a worker --> taken -- end --> quiet, or ready
 *	                     ^                     |                 if news came
 *	                     +---- timer <-- waiting
 *
 * Consumers outside the server take no feeds: with "fetched", ready means that
 * the scheduler has to announce the news.
 *
 * Publishers add to "news" after their commit, and a worker reads it before
 * it takes its snapshot and again when it is done: at least one of the two
 * sees the other.  Functions that publishers call use atomic operations only
 * and cannot fail.  Entries are made and removed by the scheduler of their
 * database, under JdgSharedLock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_FEED_H
#define JDG_SHARED_FEED_H

#include "datatype/timestamp.h"
#include "port/atomics.h"

#include "base/module.h"
#include "shared/database.h"

typedef enum JdgFeedState
{
	JDG_FEED_FREE,				/* entry unused */
	JDG_FEED_QUIET,
	JDG_FEED_READY,
	JDG_FEED_TAKEN,
	JDG_FEED_WAITING			/* until "due", whatever comes */
} JdgFeedState;

/*
 * A set of types.  Each type has a bit in each word, by another part of its
 * hash.  So two sets may have a type in common if they have a bit in common in
 * each word.
 */
#define JDG_TYPE_WORDS 2

typedef struct JdgTypeBits
{
	uint64		word[JDG_TYPE_WORDS];
} JdgTypeBits;

typedef struct JdgFeed
{
	pg_atomic_uint32 state;		/* a JdgFeedState */
	pg_atomic_uint32 news;		/* changes with every commit of interest */
	pg_atomic_uint64 due;		/* TimestampTz: when to look without news;
								 * DT_NOEND: never */
	pg_atomic_uint64 types[JDG_TYPE_WORDS]; /* JdgTypeBits; all: patterns */
	pg_atomic_uint64 topics;	/* bits of topics */
	pg_atomic_uint32 queue_id;	/* it waits for room in this queue; 0: none */
	pg_atomic_uint32 fetched;	/* 1: for consumers outside the server */
	pg_atomic_uint32 seen;		/* news of the last fetch */
	/* set while the entry is made, before its state */
	Oid			dboid;
	Oid			owner;
	int64		subscription_id;
	int32		shard;
	/* of the worker that has taken it, or -1 */
	int			slotno;
} JdgFeed;

/* all entries, jadugar.max_shards of them; entries from jdg_feeds_used() on
 * have never been used */
extern JdgFeed *jdg_feeds;
extern int	jdg_feeds_used(void);

extern const JdgShmemPart jdg_feeds_shmem;

/* the bit of a topic, and in a word of types */
extern uint64 jdg_feed_bit(uint32 hash);

/*
 * So many events of these topics and types were published by a transaction
 * that has committed.  That is news for the feeds of the types.  For the other
 * feeds of a topic it is each time that the topic has got very many events, so
 * that what their shards have to pass over stays small.  Notifies the workers
 * of the owners concerned, or the scheduler.  Never fails.
 */
extern void jdg_feeds_publish(JdgDb *db, uint64 topics,
							  const JdgTypeBits *types, int64 events);

/* every feed of a database is to be looked at.  Never fails */
extern void jdg_feeds_look(JdgDb *db);

/*
 * For a worker: takes a ready feed of the role.  *news is for
 * jdg_feed_release().  NULL: there is none.
 */
extern JdgFeed *jdg_feed_take(Oid dboid, Oid owner, int slotno, uint32 *news);

/*
 * Gives a feed back.  Ready if "more" or if news came, else quiet; quiet until
 * "due" at most, DT_NOEND if only news matters.  With "hold", later news does
 * not matter: it waits until "due".  What came while it was taken may be the
 * end of that wait, so there is one more look.
 */
extern void jdg_feed_release(JdgFeed *feed, uint32 news, bool more,
							 TimestampTz due, bool hold);

/* before that: the wait is for room in a queue; 0: it is not */
extern void jdg_feed_await_room(JdgFeed *feed, int32 queue_id);

/* for views: does a shard wait for room in a queue? */
extern bool jdg_feed_awaits_room(Oid dboid, int64 subscription_id,
								 int32 shard);

/* for views: does a shard lack a feed because all are in use? */
extern bool jdg_feed_lacks_room(JdgDb *db, int64 subscription_id, int32 shard);

/*
 * There may be room in a queue for which feeds of the database wait.  Never
 * fails.
 */
extern void jdg_feeds_room(Oid dboid, int32 queue_id);

/* gives back all feeds of a worker that has ended, as ready */
extern void jdg_feeds_release_slot(Oid dboid, int slotno);

/*
 * For sessions of consumers: the news of a shard, before the snapshot with
 * which it is read; 0 if it has no feed.
 */
extern uint32 jdg_feed_news(Oid dboid, int64 subscription_id, int32 shard);

/*
 * The shard has been read with that, in a transaction that has committed.
 * Never fails.
 */
extern void jdg_feed_fetched(JdgDb *db, int64 subscription_id, int32 shard,
							 uint32 news);

/*
 * The shard has become free in a transaction that has committed.  If it may
 * have more ("more": it has), that is news.  Never fails.
 */
extern void jdg_feed_freed(JdgDb *db, int64 subscription_id, int32 shard,
						   bool more);

/* a shard with news that the scheduler has to announce */
typedef struct JdgFeedNews
{
	JdgFeed    *feed;
	int64		subscription_id;
	uint32		news;
} JdgFeedNews;

/*
 * For the scheduler: the shards with news for consumers outside the server, in
 * order of their subscriptions, palloc'd.  Returns their number.
 */
extern int	jdg_feeds_news(Oid dboid, JdgFeedNews **news);

/* they have been announced; true: there is more news already */
extern bool jdg_feeds_told(const JdgFeedNews *news, int n);

/* number of ready feeds of a role, for workers; InvalidOid: of all roles of the database */
extern int	jdg_feeds_ready(Oid dboid, Oid owner);

/*
 * For the scheduler: makes feeds that are due ready; returns when the next one
 * is, DT_NOEND if none.
 */
extern TimestampTz jdg_feeds_due(Oid dboid, TimestampTz now);

/* a shard that is to have a feed */
typedef struct JdgFeedWanted
{
	int64		subscription_id;
	int32		shard;
	Oid			owner;
	bool		fetched;
	uint64		topics;
	JdgTypeBits types;
	bool		found;			/* it has one */
} JdgFeedWanted;

/*
 * For the scheduler: the feeds of a database become those of n shards, which
 * are in order of their ids.  New and changed ones are ready.  One that is not
 * wanted stays as long as a worker has taken it.  False: there is no room for
 * all.
 */
extern bool jdg_feeds_set(Oid dboid, JdgFeedWanted *wanted, int n);

#endif							/* JDG_SHARED_FEED_H */
