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
 * All inside jdg_internal_begin().  The depth of a bounded queue is counted
 * up to its bound; "latest": as committed now, whatever the snapshot.  A
 * queue has room, or is made to have it, for n more tasks.  A task is placed by its state, which follows from its
 * dependencies.  A unique key is taken, or the id of its holder returned.
 */
extern int64 jdg_queue_depth(const JdgQueue *queue, bool latest);
extern void jdg_queue_make_room(const JdgQueue *queue, int64 n);
extern void jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
						   Oid role);
extern int64 jdg_unique_key_take(const JdgTask *t, TimestampTz until);

#endif							/* JDG_TASK_ENQUEUE_H */
