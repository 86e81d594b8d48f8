/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  Leaves of the event log that are past their retention.
 *
 * Duties of the scheduler, see base/module.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_EXPIRE_H
#define JDG_EVENT_EXPIRE_H

#include "shared/database.h"

/* drops or archives leaves past the retention of their topic, and drops those
 * of no topic */
extern TimestampTz jdg_event_expire(JdgDb *db, uint32 why);

/* drops leaves of a subscriber whose rows the publisher has deleted */
extern TimestampTz jdg_event_expire_copied(JdgDb *db, uint32 why);

#endif							/* JDG_EVENT_EXPIRE_H */
