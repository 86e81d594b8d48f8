/*-------------------------------------------------------------------------
 *
 * depth.h
 *	  Places of bounded queues that this transaction takes and frees.
 *
 * A task takes its place when it is enqueued, and frees it when the
 * transaction that ends it commits.  A (sub)transaction that is rolled back
 * gives back what it has taken, and frees nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_DEPTH_H
#define JDG_TASK_DEPTH_H

#include "shared/depth.h"

/*
 * Takes places for n tasks that are about to be inserted into a queue.  Tasks
 * of the queue that this transaction has ended make room for its own ones.
 * False: the queue is full, or not counted yet.
 */
extern bool jdg_depth_reserve(int32 queue_id, int64 n, int64 max_depth);

/*
 * Has this transaction filled the queue, so that it is to tell that?  See
 * jdg_depth_tells().
 */
extern bool jdg_depth_fills(int32 queue_id, int64 max_depth);

/*
 * n tasks that count were inserted: into places that are reserved, else into
 * additional ones, whatever the bound is.  n tasks that counted end with this
 * transaction, or count no more.
 */
extern void jdg_depth_inserted(int32 queue_id, int64 n);
extern void jdg_depth_freed(int32 queue_id, int64 n);

/* the gauge of the queue, for the rest of this (sub)transaction */
extern JdgDepth *jdg_depth_of(int32 queue_id);

/*
 * The number of places that this transaction has taken, and how many more it
 * would have to take for n tasks.
 */
extern int64 jdg_depth_mine(int32 queue_id);
extern int64 jdg_depth_needs(int32 queue_id, int64 n);

/*
 * May this transaction wait in the queue, or go on waiting, for room for n
 * tasks?  If so, it is noted that it waits, until jdg_depth_wait_end(); false:
 * the room would not come, and nothing is noted.  Of transactions that wait
 * for each other, the last one may not wait.  Both take JdgSharedLock.
 */
extern bool jdg_depth_may_wait(JdgDepth *depth, int32 queue_id, int64 n,
							   int64 max_depth);
extern void jdg_depth_wait_end(void);

/* from the module's init */
extern void jdg_depth_init(void);

#endif							/* JDG_TASK_DEPTH_H */
