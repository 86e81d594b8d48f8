/*-------------------------------------------------------------------------
 *
 * enqueue.h
 *	  Steps of inserting a prepared task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_ENQUEUE_H
#define JDG_TASK_ENQUEUE_H

#include "queue/queue.h"
#include "task/task.h"

/*
 * All functions run inside jdg_internal_begin().
 *
 * jdg_queue_depth() counts the tasks of a bounded queue, up to its bound;
 * with "latest" as committed now, regardless of the snapshot.
 * jdg_queue_make_room() returns when the queue has room for n more tasks, or
 * raises QUEUE_FULL.  jdg_task_place() sets the task's state, which follows
 * from its dependencies.  It also waits for the end of the task "runs_before",
 * whatever that end is, unless that is 0.
 */
extern int64 jdg_queue_depth(const JdgQueue *queue, bool latest);
extern void jdg_queue_make_room(const JdgQueue *queue, int64 n);
extern void jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
						   int64 runs_before, Oid role);

#endif							/* JDG_TASK_ENQUEUE_H */
