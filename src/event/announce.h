/*-------------------------------------------------------------------------
 *
 * announce.h
 *	  The duty of the scheduler that notifies consumers outside the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_ANNOUNCE_H
#define JDG_EVENT_ANNOUNCE_H

#include "shared/database.h"

extern TimestampTz jdg_event_announce(JdgDb *db, uint32 why);

#endif							/* JDG_EVENT_ANNOUNCE_H */
