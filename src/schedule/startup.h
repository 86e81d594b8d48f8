/*-------------------------------------------------------------------------
 *
 * startup.h
 *	  Fires and recomputes schedules when the scheduler starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_STARTUP_H
#define JDG_SCHEDULE_STARTUP_H

#include "shared/database.h"

/* does the work of a start; sets *pending if some of it is left */
extern void jdg_startup_resume(JdgDb *db, bool *pending);

#endif							/* JDG_SCHEDULE_STARTUP_H */
