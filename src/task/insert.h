/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Steps of inserting a prepared task, see enqueue.c.
 *
 * All inside jdg_internal_begin(), but for jdg_state_without_dependencies(),
 * which only looks at the task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_INSERT_H
#define JDG_TASK_INSERT_H

#include "queue/queue.h"
#include "task/task.h"

extern void jdg_queue_make_room(const JdgQueue *queue, int64 n);
extern void jdg_task_place(JdgTask *t, const int64 *parents, int nparents,
						   Oid role);
extern char jdg_state_without_dependencies(const JdgTask *t);
extern int64 jdg_unique_key_take(const JdgTask *t, TimestampTz until);

#endif							/* JDG_TASK_INSERT_H */
