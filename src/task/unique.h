/*-------------------------------------------------------------------------
 *
 * unique.h
 *	  Unique keys: which task has one, and which one waits for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_UNIQUE_H
#define JDG_TASK_UNIQUE_H

#include "shared/database.h"
#include "task/task.h"

/*
 * Takes the unique key of a new task, or returns the id of the task that has
 * it; 0: taken.  "until": the end of unique_for, DT_NOBEGIN if there is none.
 * Waits for a transaction that has taken the same key.  Inside
 * jdg_internal_begin().
 */
extern int64 jdg_unique_key_take(const JdgTask *t, TimestampTz until);

/*
 * The same, but takes the key also from a task that runs, as the task "self"
 * of this process does: then *runs receives its id, else 0.  The new task must
 * wait for it.  A task whose id is returned has not begun, and does not begin
 * before this transaction ends, or it is over and unique_for still holds.
 */
extern int64 jdg_unique_key_take_next(const JdgTask *t, int64 self,
									  TimestampTz until, int64 *runs);

/*
 * The owner's keys are unique across its tenants.  Raises CONFLICT if a confined
 * caller does not see the holder; with "acts", also if it may not act on it.  Of
 * a task that is gone, and whose key still holds, the id says nothing.  Inside
 * jdg_internal_begin().
 */
extern void jdg_unique_key_check(const JdgTask *t, int64 holder, bool acts);

/*
 * A task that has left the table gives its key up, unless unique_for or the
 * other one of two tasks keeps it.  Waits for nobody: a key that another
 * transaction has locked is left to that one, or to the scheduler.
 */
extern void jdg_unique_key_release(const JdgTask *t, TimestampTz now);

/* duty of the scheduler: deletes keys of tasks that are over */
extern TimestampTz jdg_unique_keys_sweep(JdgDb *db, uint32 why);

#endif							/* JDG_TASK_UNIQUE_H */
