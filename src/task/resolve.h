/*-------------------------------------------------------------------------
 *
 * resolve.h
 *	  Waiting tasks: dependencies and concurrency keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RESOLVE_H
#define JDG_TASK_RESOLVE_H

#include "nodes/pg_list.h"

#include "task/task.h"

/* how the tasks ended that this transaction has just taken out */
typedef struct JdgFinished
{
	int64		task_id;
	bool		success;
} JdgFinished;

/* all inside jdg_internal_begin() */
extern void jdg_task_set_state(JdgTask *t, JdgTaskState state);
extern void jdg_task_pause(JdgTask *t, Oid by);

/* may anything wait for them?  with an active snapshot */
extern bool jdg_has_dependants(const JdgFinished *done, int n);

/* ids (int64 *) of waiting tasks that the caller must cancel */
extern List *jdg_resolve_finished(const JdgFinished *done, int n);
extern bool jdg_has_dependencies(int64 task_id);

/* a task that had failed comes back: its dependants wait for it again */
extern void jdg_parent_retried(int64 parent_id);

/* the result of examining a waiting task */
typedef enum JdgWaiting
{
	JDG_WAITING_DONE,			/* nothing is left to do */
	JDG_WAITING_WATCH,			/* look again after a worker's next commit */
	JDG_WAITING_CANCEL			/* to be cancelled: its dependency failed */
} JdgWaiting;

/*
 * For the scheduler: look at one task that waits for others, which is read
 * into "task".  "running" are the ids held by workers, in order, read before
 * this transaction's snapshot.  JDG_WAITING_WATCH: *blocker receives the task
 * whose worker must commit first, 0 if it may be any.
 */
extern JdgWaiting jdg_resolve_waiting(int64 task_id, const int64 *running,
									  int nrunning, int64 *blocker,
									  JdgTask *task);
extern int	jdg_compare_ids(const void *a, const void *b);
extern bool jdg_is_running(int64 id, const int64 *running, int n);

#endif							/* JDG_TASK_RESOLVE_H */
