/*-------------------------------------------------------------------------
 *
 * relane.h
 *	  Moves tasks to lanes of their own when a limit was set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RELANE_H
#define JDG_TASK_RELANE_H

#include "shared/database.h"

/* a duty of the scheduler */
extern TimestampTz jdg_relane(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_RELANE_H */
