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

/*
 * Fires held schedules whose tenant is not paused.  Returns false if rows are
 * left.
 */
extern bool jdg_startup_release(JdgDb *db);

#endif							/* JDG_SCHEDULE_STARTUP_H */
