/*-------------------------------------------------------------------------
 *
 * notice.c
 *	  Tells feeds and waits what was published, see notice.h.
 *
 * Runs in the publisher's process.  Types and topics are gathered as bits
 * while the transaction runs; the commit callback passes them on.  It must not
 * fail, so the entry of the database is looked up before.  A subtransaction
 * that is rolled back leaves a notice too many, never one too few.  For a
 * prepared transaction, the scheduler looks at all feeds and reads for all
 * waits after its end.
 *
 * A consumer passes over a shard that another transaction has locked, and
 * sleeps.  So each transaction of a session that locks a shard notes that, and
 * ends the sleep: after its commit if the shard is free and has more, after a
 * rollback in any case.  A rollback to a savepoint ends locks, too, so each
 * note has the level of the subtransaction.  The end of a lease or of a wait
 * is announced by the scheduler (announce.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"

#include "base/fault.h"
#include "event/notice.h"
#include "shared/database.h"
#include "shared/feed.h"

static JdgDb *noticed_db = NULL;	/* NULL: nothing to tell */
static JdgTypeBits noticed_types;
static uint64 noticed_topics = 0;
static int64 noticed_events = 0;
static bool noticed_limited = false;

/* shards that are noted one by one; for others, all feeds are looked at */
#define MOVED_MAX 64

/* a shard that this transaction has locked */
typedef struct Moved
{
	int64		subscription_id;
	int32		shard;
	int			level;			/* of the subtransaction */
	bool		more;
	bool		resharding;		/* the scheduler looks after a rollback */
	bool		fetched;
	uint32		news;			/* if fetched */
} Moved;

static Moved moved[MOVED_MAX];
static int	nmoved = 0;
static int	others_level = 0;	/* other shards were locked at this level, and
								 * maybe at lower ones; 0: none */
static TimestampTz noticed_due = DT_NOEND;
static bool noticed_there = false;	/* the scheduler looks after the commit */

static void
need_db(void)
{
	if (noticed_db == NULL)
		noticed_db = jdg_my_db();
}

/* Tells of shards that were fetched from. */
static void
tell_moved(void)
{
	for (int i = 0; i < nmoved; i++)
	{
		Moved	   *m = &moved[i];

		if (m->fetched)
			jdg_feed_fetched(noticed_db, m->subscription_id, m->shard,
							 m->news);
		jdg_feed_freed(noticed_db, m->subscription_id, m->shard, m->more);
	}
	if (others_level > 0)
		jdg_feeds_look(noticed_db);
	jdg_db_delivered(noticed_db);
}

/*
 * The locks that were taken at this level or deeper have ended with a
 * rollback.  Others may have found these shards locked, and wait.
 */
static void
tell_not_moved(int level)
{
	bool		resharding = false;
	int			kept = 0;

	for (int i = 0; i < nmoved; i++)
	{
		if (moved[i].level < level)
		{
			moved[kept++] = moved[i];
			continue;
		}
		resharding |= moved[i].resharding;
		jdg_feed_freed(noticed_db, moved[i].subscription_id, moved[i].shard,
					   true);
	}
	nmoved = kept;
	if (others_level > 0 && others_level >= level)
	{
		others_level = level - 1;
		resharding = true;
		jdg_feeds_look(noticed_db);
	}
	if (resharding)
		jdg_db_wake(noticed_db, JDG_WAKE_EVENTS);
}

/* Adds what is noted of a shard to an earlier note of it. */
static void
merge(Moved *into, const Moved *from)
{
	if (from->fetched)
	{
		into->fetched = true;
		into->news = from->news;
		into->more = false;
	}
	into->more |= from->more;
	into->resharding |= from->resharding;
}

/* The notes of a subtransaction become those of its parent. */
static void
keep_for_parent(int level)
{
	int			kept = 0;

	others_level = Min(others_level, level - 1);
	for (int i = 0; i < nmoved; i++)
	{
		Moved	   *same = NULL;

		if (moved[i].level >= level)
			moved[i].level = level - 1;
		for (int k = 0; k < kept && same == NULL; k++)
		{
			if (moved[k].subscription_id == moved[i].subscription_id &&
				moved[k].shard == moved[i].shard &&
				moved[k].level == moved[i].level)
				same = &moved[k];
		}
		if (same != NULL)
			merge(same, &moved[i]);
		else
			moved[kept++] = moved[i];
	}
	nmoved = kept;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	if (noticed_db == NULL || (nmoved == 0 && others_level == 0))
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		tell_not_moved(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		keep_for_parent(GetCurrentTransactionNestLevel());
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (noticed_db == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			JDG_FAULT("delivery-telling");
			if (noticed_events > 0)
				jdg_feeds_publish(noticed_db, noticed_topics, &noticed_types,
								  noticed_events);
			if (noticed_events > 0 &&
				jdg_wanted_publish(&noticed_db->wanted, noticed_types.word[0],
								   noticed_events))
				jdg_db_wake(noticed_db, JDG_WAKE_WAITS);
			if (noticed_limited &&
				pg_atomic_exchange_u32(&noticed_db->limited_news, 1) == 0)
				jdg_db_wake(noticed_db, JDG_WAKE_BACKLOG);
			if (nmoved > 0 || others_level > 0)
				tell_moved();
			if (noticed_there)
				jdg_db_wake(noticed_db, JDG_WAKE_EVENTS);
			if (jdg_db_lower_fetch_due(noticed_db, noticed_due))
				jdg_db_wake(noticed_db, JDG_WAKE_FEEDS);
			break;
		case XACT_EVENT_ABORT:
			tell_not_moved(0);
			jdg_db_delivered(noticed_db);
			break;
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	noticed_db = NULL;
	memset(&noticed_types, 0, sizeof(noticed_types));
	noticed_topics = 0;
	noticed_events = 0;
	noticed_limited = false;
	nmoved = 0;
	others_level = 0;
	noticed_due = DT_NOEND;
	noticed_there = false;
}

void
jdg_event_notice_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

void
jdg_event_add_type(JdgTypeBits *types, const char *type)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) type,
										   strlen(type), 0);

	types->word[0] |= jdg_feed_bit((uint32) hash);
	types->word[1] |= jdg_feed_bit((uint32) (hash >> 32));
}

uint64
jdg_event_type_bit(const char *type)
{
	JdgTypeBits bits = {{0}};

	jdg_event_add_type(&bits, type);
	return bits.word[0];
}

uint64
jdg_event_topic_bit(int32 topic_id)
{
	return jdg_feed_bit((uint32) topic_id);
}

void
jdg_event_notice_others(void)
{
	need_db();
	others_level = Max(others_level, GetCurrentTransactionNestLevel());
}

/* The note of a shard; if there are too many, one that nobody reads. */
static Moved *
notice_of(int64 subscription_id, int32 shard)
{
	static Moved unread;
	int			level = GetCurrentTransactionNestLevel();

	need_db();
	for (int i = 0; i < nmoved; i++)
	{
		if (moved[i].subscription_id == subscription_id &&
			moved[i].shard == shard && moved[i].level == level)
			return &moved[i];
	}
	if (nmoved == MOVED_MAX)
	{
		jdg_event_notice_others();
		return &unread;
	}
	memset(&moved[nmoved], 0, sizeof(Moved));
	moved[nmoved].subscription_id = subscription_id;
	moved[nmoved].shard = shard;
	moved[nmoved].level = level;
	return &moved[nmoved++];
}

void
jdg_event_notice_locked(int64 subscription_id, int32 shard)
{
	(void) notice_of(subscription_id, shard);
}

void
jdg_event_notice_more(int64 subscription_id, int32 shard)
{
	notice_of(subscription_id, shard)->more = true;
}

void
jdg_event_notice_fetched(int64 subscription_id, int32 shard, uint32 news)
{
	Moved	   *m = notice_of(subscription_id, shard);

	m->fetched = true;
	m->news = news;
	m->more = false;
}

void
jdg_event_notice_resharding(int64 subscription_id, int32 shard, bool there)
{
	notice_of(subscription_id, shard)->resharding = true;
	noticed_there |= there;
}

void
jdg_event_notice_due(TimestampTz due)
{
	need_db();
	noticed_due = Min(noticed_due, due);
}

void
jdg_event_notice(const char *type, int32 topic_id)
{
	need_db();
	jdg_event_add_type(&noticed_types, type);
	noticed_topics |= jdg_event_topic_bit(topic_id);
	noticed_events++;
}

void
jdg_event_notice_limited(void)
{
	need_db();
	noticed_limited = true;
}
