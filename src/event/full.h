/*-------------------------------------------------------------------------
 *
 * full.h
 *	  The duty of the scheduler that finds topics that are full.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_FULL_H
#define JDG_EVENT_FULL_H

#include "shared/database.h"

extern TimestampTz jdg_event_find_full(JdgDb *db, uint32 why);

#endif							/* JDG_EVENT_FULL_H */
