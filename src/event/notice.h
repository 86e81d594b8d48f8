/*-------------------------------------------------------------------------
 *
 * notice.h
 *	  Tells the feeds of subscriptions, at commit, what was published.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_NOTICE_H
#define JDG_EVENT_NOTICE_H

#include "postgres_ext.h"

/* called once, by _PG_init */
extern void jdg_event_notice_init(void);

/* this transaction has published an event of this type and topic */
extern void jdg_event_notice(const char *type, int32 topic_id);

/* this transaction has published in a topic that has a max_backlog */
extern void jdg_event_notice_limited(void);

/* the bits of a type and of a topic in a feed */
extern uint64 jdg_event_type_bit(const char *type);
extern uint64 jdg_event_topic_bit(int32 topic_id);

#endif							/* JDG_EVENT_NOTICE_H */
