/*-------------------------------------------------------------------------
 *
 * feeds.h
 *	  The duty of the scheduler that keeps a feed for each shard.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_FEEDS_H
#define JDG_EVENT_FEEDS_H

#include "shared/database.h"

extern TimestampTz jdg_event_feeds(JdgDb *db, uint32 why);

#endif							/* JDG_EVENT_FEEDS_H */
