/*-------------------------------------------------------------------------
 *
 * enqueue.h
 *	  Steps of inserting a prepared task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_ENQUEUE_H
#define JDG_TASK_ENQUEUE_H

#include "task/task.h"

/*
 * All functions run inside jdg_internal_begin().
 *
 * jdg_task_place() sets the task's state, which follows from its
 * dependencies.  It also waits for the end of the task "runs_before",
 * whatever that end is, unless that is 0.
 */
extern void jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
						   int64 runs_before, Oid role);

#endif							/* JDG_TASK_ENQUEUE_H */
