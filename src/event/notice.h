/*-------------------------------------------------------------------------
 *
 * notice.h
 *	  Tells the feeds of subscriptions, at commit, what was published and
 *	  what was fetched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_NOTICE_H
#define JDG_EVENT_NOTICE_H

#include "datatype/timestamp.h"

#include "shared/feed.h"

/* called once, by _PG_init */
extern void jdg_event_notice_init(void);

/* this transaction has published an event of this type and topic */
extern void jdg_event_notice(const char *type, int32 topic_id);

/* this transaction has published in a topic that has a max_backlog */
extern void jdg_event_notice_limited(void);

/*
 * This transaction has locked a shard, and may have moved its position.
 * Consumers that wait for events look at it when the lock ends, if there is
 * news then.
 */
extern void jdg_event_notice_locked(int64 subscription_id, int32 shard);

/* The same of shards that are not named. */
extern void jdg_event_notice_others(void);

/* the same of a named one, and it will be free and have more for other consumers */
extern void jdg_event_notice_more(int64 subscription_id, int32 shard);

/*
 * The same, and it has read the shard with that news (jdg_feed_news()), as far
 * as it is not said of it later that it has more.
 */
extern void jdg_event_notice_fetched(int64 subscription_id, int32 shard,
									 uint32 news);

/*
 * The same of a subscription whose number of shards may be changing: the
 * scheduler looks again after a rollback, and "there": also after the commit.
 */
extern void jdg_event_notice_resharding(int64 subscription_id, int32 shard,
										bool there);

/* a lease or a wait that this transaction has begun ends then */
extern void jdg_event_notice_due(TimestampTz due);

/* adds a type to a set, for feeds */
extern void jdg_event_add_type(JdgTypeBits *types, const char *type);

/* the bit of a type for waits, and that of a topic in a feed */
extern uint64 jdg_event_type_bit(const char *type);
extern uint64 jdg_event_topic_bit(int32 topic_id);

#endif							/* JDG_EVENT_NOTICE_H */
