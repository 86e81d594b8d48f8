/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  Starting workers where ready tasks find none.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_POOL_H
#define JDG_SCHEDULER_POOL_H

#include "shared/database.h"

/* duty of the scheduler: see to it that ready tasks find workers */
extern TimestampTz jdg_pool_ensure(JdgDb *db, uint32 why);

#endif							/* JDG_SCHEDULER_POOL_H */
