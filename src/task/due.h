/*-------------------------------------------------------------------------
 *
 * due.h
 *	  Makes scheduled tasks ready when their run_at is reached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_DUE_H
#define JDG_TASK_DUE_H

#include "shared/database.h"

/* duty of the scheduler: makes them ready, returns when the next is due */
extern TimestampTz jdg_promote(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_DUE_H */
