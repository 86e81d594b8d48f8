/*-------------------------------------------------------------------------
 *
 * fetchable.h
 *	  Can events of a subscription be fetched?  See lease.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_FETCHABLE_H
#define JDG_EVENT_FETCHABLE_H

#include "event/cursor.h"
#include "event/subscription.h"

/*
 * Raises CONFLICT unless the subscription has delivery => 'fetch', and the
 * database is adopted.
 */
extern void jdg_fetch_check(const JdgSubscription *s);

/* neither the subscription nor all work is paused */
extern bool jdg_fetch_is_active(const JdgSubscription *s);

/*
 * Looks at a shard without a lock: is it free, and may it have an event?
 * Reads its cursor, and opens a window if none is open: *open.  If not, *next
 * becomes the time when that may change without news, unless it is earlier.
 * "mcxt" is reset.
 */
extern bool jdg_fetch_look(const JdgSubscription *s, int32 shard,
						   MemoryContext mcxt, JdgCursor *c, bool *open,
						   TimestampTz *next);

#endif							/* JDG_EVENT_FETCHABLE_H */
