/*-------------------------------------------------------------------------
 *
 * relane.h
 *	  Moves tasks to other lanes when limits, tenants or the endpoints of
 *	  handlers have changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RELANE_H
#define JDG_TASK_RELANE_H

#include "shared/database.h"

/*
 * Notes that this transaction changes lanes of tasks that exist.  Called inside
 * bookkeeping; the caller wakes the scheduler with JDG_WAKE_LIMITS.
 */
extern void jdg_relane_request(void);

/* a duty of the scheduler */
extern TimestampTz jdg_relane(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_RELANE_H */
