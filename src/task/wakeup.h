/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  Wakes the processes that must act when this transaction commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_WAKEUP_H
#define JDG_TASK_WAKEUP_H

#include "task/task.h"

/*
 * This task was inserted or became runnable.  After this transaction commits,
 * wakes a worker if the task is ready, and the scheduler if it is due later
 * or waits.  Every task that becomes ready passes here, since workers read
 * the index only from the marks on (shared/marks.c).  The row's task_id,
 * owner, queue_id, priority, state and run_at must be set.  Never raises an
 * error after commit.
 */
extern void jdg_wake_at_commit(Oid owner, const JdgTask *task);

/* rows of many ready tasks have changed in columns of the index */
extern void jdg_forget_marks_at_commit(void);

/* more general: JDG_WAKE_* bits for the scheduler of this database */
extern void jdg_wake_scheduler_at_commit(uint32 why);

/* examines a waiting task after commit, or the dependants of a finished one */
extern void jdg_recheck_at_commit(int64 task_id, bool finished);

/*
 * This session's transaction has locked the row of a task.  A worker may pass
 * over the task meanwhile: if it is still ready in the end, also because of a
 * rollback, it needs a worker again.
 */
extern void jdg_row_held(void);

/*
 * This transaction has locked the row of a task and leaves the task as it is.
 * Without this, a ready task that a worker passed over would stay where it is.
 */
extern void jdg_task_unchanged(const JdgTask *task);

/* after commit, notifies backends in wait() */
extern void jdg_finished_at_commit(void);

/* after commit, sessions that wait for room in a queue look at it again */
extern void jdg_room_changed_at_commit(void);

/* after commit of CREATE EXTENSION, start a scheduler */
extern void jdg_start_at_commit(void);

/* n tasks more in the statistics, at commit */
extern void jdg_count_enqueued(int64 n);

/* from _PG_init */
extern void jdg_enqueue_init(void);

#endif							/* JDG_TASK_WAKEUP_H */
