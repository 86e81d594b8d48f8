/*-------------------------------------------------------------------------
 *
 * retention.h
 *	  Retention of single rows of the history, logs and unique keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RETENTION_H
#define JDG_TASK_RETENTION_H

#include "shared/database.h"

/* duties of the scheduler, hourly */
extern TimestampTz jdg_retention_history(JdgDb *db, uint32 why);
extern TimestampTz jdg_retention_unkept(JdgDb *db, uint32 why);
extern TimestampTz jdg_retention_logs(JdgDb *db, uint32 why);
extern TimestampTz jdg_retention_keys(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_RETENTION_H */
