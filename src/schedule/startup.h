/*-------------------------------------------------------------------------
 *
 * startup.h
 *	  What the scheduler does about schedules when it starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_STARTUP_H
#define JDG_SCHEDULE_STARTUP_H

#include "shared/database.h"

/* do what is to be done at the start; *pending if it is not all done */
extern void jdg_startup_resume(JdgDb *db, bool *pending);

#endif							/* JDG_SCHEDULE_STARTUP_H */
