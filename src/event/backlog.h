/*-------------------------------------------------------------------------
 *
 * backlog.h
 *	  Events that a shard has not passed yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_BACKLOG_H
#define JDG_EVENT_BACKLOG_H

#include "event/cursor.h"
#include "event/leaf.h"
#include "event/subscription.h"

typedef struct JdgBacklog
{
	int64		events;			/* at most what the caller asked for */
	TimestampTz oldest;			/* of these; DT_NOEND: none */
	bool		cut;			/* there may be more */
} JdgBacklog;

/*
 * Counts events of n topics that the subscription wants, and that the position
 * of a shard has not passed.  Counts "most" of them, and looks at a limited
 * number of others.  topics NULL: those of the subscription.  Events that were
 * set aside do not count.  With an active snapshot, in the current memory
 * context.
 */
extern void jdg_backlog_count(const JdgSubscription *s, const JdgCursor *c,
							  const int32 *topics, int n, int64 most,
							  JdgBacklog *backlog);

/* has the position of a shard passed all events of a sealed leaf? */
extern bool jdg_backlog_has_passed_leaf(const JdgCursor *c,
										const JdgLeaf *leaf);

/* the same for one leaf; the first event ends the search */
extern bool jdg_backlog_has_leaf(const JdgSubscription *s, const JdgCursor *c,
								 const JdgLeaf *leaf);

#endif							/* JDG_EVENT_BACKLOG_H */
