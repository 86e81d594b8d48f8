/*-------------------------------------------------------------------------
 *
 * reshard.h
 *	  A new number of shards for a subscription.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_RESHARD_H
#define JDG_EVENT_RESHARD_H

#include "event/cursor.h"
#include "event/subscription.h"

/*
 * From here on the shards run to the transactions that have ended now, and
 * then n others begin.  The present number ends a change that has not taken
 * place.  The caller has locked the subscription and its cursors, inside
 * jdg_internal_begin(), and wakes the scheduler at commit.
 */
extern void jdg_reshard_begin(int64 subscription_id, int32 n);

/*
 * All cursors, which the caller has locked, are at the same position: the new
 * shards begin there, if some are wanted.  Inside jdg_internal_begin().
 */
extern void jdg_reshard_here(int64 subscription_id);

/* Has a shard come to where the others begin, with no window open? */
extern bool jdg_reshard_is_there(const JdgSubscription *s, const JdgCursor *c);

/*
 * Have all shards of a subscription with delivery => 'fetch' come there?  Then
 * no consumer gets an event before the new shards begin.  Reads with the
 * latest snapshot, without locks.
 */
extern bool jdg_reshard_is_ready(const JdgSubscription *s);

/*
 * For the scheduler: lets the new shards begin where all old ones have come.
 * Returns whether a subscription is on its way or has come.
 */
extern bool jdg_reshard_duty(void);

/* an era ends: what was begun is given up.  Inside jdg_internal_begin() */
extern void jdg_reshard_give_up(void);

#endif							/* JDG_EVENT_RESHARD_H */
