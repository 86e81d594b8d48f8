/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  Who has to be woken when this transaction commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_WAKEUP_H
#define JDG_TASK_WAKEUP_H

#include "task/task.h"

/*
 * This task was inserted or became runnable: after this transaction commits,
 * wake whoever has to act on it, a worker if it is ready, the scheduler if it
 * is due later or waits.  Every way to become ready passes here, since
 * workers look where it is told to look (marks.c): task_id, owner, queue_id,
 * priority, state and run_at are those of the row.  Never raises an error
 * after commit.
 */
extern void jdg_wake_at_commit(Oid owner, const JdgTask *task);

/* rows of many ready tasks have changed in what the index is made of */
extern void jdg_forget_marks_at_commit(void);

/* more general: JDG_WAKE_* bits for the scheduler of this database */
extern void jdg_wake_scheduler_at_commit(uint32 why);

/* after commit, look again at what waits for a task that this finished */
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

/* after commit, tell those in wait() */
extern void jdg_finished_at_commit(void);

/* after commit of CREATE EXTENSION, start a scheduler */
extern void jdg_start_at_commit(void);

/* n tasks more in the statistics, at commit */
extern void jdg_count_enqueued(int64 n);

/* from _PG_init */
extern void jdg_enqueue_init(void);

#endif							/* JDG_TASK_WAKEUP_H */
