/*-------------------------------------------------------------------------
 *
 * await.h
 *	  Sleeping until a task, or a run of a flow, has finished.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_AWAIT_H
#define JDG_TASK_AWAIT_H

#include "datatype/timestamp.h"

#include "shared/database.h"

/*
 * The entry of this database in shared memory.  Raises CONFLICT if there is no
 * room for it.
 */
extern JdgDb *jdg_await_db(void);

/*
 * Sleeps until unfinished(arg) returns false, or "until" has passed.  Returns
 * whether it has returned false.  The process holds no snapshot and no lock of
 * this code while asleep; unfinished() may commit.
 */
extern bool jdg_await(JdgDb *db, bool (*unfinished) (void *arg), void *arg,
					  TimestampTz until);

#endif							/* JDG_TASK_AWAIT_H */
