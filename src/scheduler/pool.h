/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  Starts workers for ready tasks that find none.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_POOL_H
#define JDG_SCHEDULER_POOL_H

#include "shared/database.h"

/*
 * Duty of the scheduler: makes sure that ready tasks find workers.  Returns
 * the next instant at which to look again; DT_NOEND: when woken.
 */
extern TimestampTz jdg_pool_ensure(JdgDb *db, uint32 why);

#endif							/* JDG_SCHEDULER_POOL_H */
