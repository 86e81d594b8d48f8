/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  Upkeep of tasks: partitions of the history, retention.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_UPKEEP_H
#define JDG_TASK_UPKEEP_H

#include "shared/database.h"

/* duty of the scheduler, hourly */
extern TimestampTz jdg_task_upkeep(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_UPKEEP_H */
