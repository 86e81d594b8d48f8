/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  Upkeep of the leaves of the event log, and of message ids.
 *
 * Duties of the scheduler, see base/module.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_UPKEEP_H
#define JDG_EVENT_UPKEEP_H

#include "shared/database.h"

/* makes the next leaf of each topic whose leaf has had its time */
extern TimestampTz jdg_event_roll(JdgDb *db, uint32 why);

/* seals leaves to which nobody writes any more */
extern TimestampTz jdg_event_seal(JdgDb *db, uint32 why);

/* deletes cursors and dead letters of subscriptions that were dropped */
extern TimestampTz jdg_event_forget_subscriptions(JdgDb *db, uint32 why);

/* deletes message ids that are past jadugar.event_dedup_window */
extern TimestampTz jdg_event_forget_messages(JdgDb *db, uint32 why);

#endif							/* JDG_EVENT_UPKEEP_H */
