/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  Upkeep of the partitions of the history.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_UPKEEP_H
#define JDG_TASK_UPKEEP_H

#include "shared/database.h"

/* duties of the scheduler, hourly */
extern TimestampTz jdg_upkeep_new_partitions(JdgDb *db, uint32 why);
extern TimestampTz jdg_upkeep_old_partitions(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_UPKEEP_H */
