/*-------------------------------------------------------------------------
 *
 * follow.h
 *	  Tasks that follow in the transaction that made them ready.
 *
 * The worker that settles a task may run its successor, such as the next step
 * of a flow, in the same transaction.  Such a task is not written to the
 * table: if it succeeds, only its history is.  A chain of small steps then
 * costs one commit for a group of them instead of one each.
 *
 * A crash or a failed commit rolls back the predecessor together with its
 * successors, and the predecessor is ready again.  So no task is lost
 * although it was never written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_FOLLOW_H
#define JDG_TASK_FOLLOW_H

#include "shared/slot.h"
#include "task/task.h"

/* Made by the worker, which runs the tasks or calls jdg_follow_write(). */
typedef struct JdgFollow
{
	bool		(*may_follow) (const JdgTask *task);
	MemoryContext mcxt;			/* holds copies of the tasks' values */
	int			max;
	int			n;
	int			wanted;			/* tasks that might have followed, with or
								 * without room */
	JdgTask		task[JDG_GROUP_MAX];
} JdgFollow;

/*
 * A task has been made by jdg_settle() and is not written yet.  True: it is
 * ready, and follows; false also if "follow" is NULL.
 */
extern bool jdg_follow_take(JdgFollow *follow, const JdgTask *task);

/* a task that is not needed any more; false: it does not follow */
extern bool jdg_follow_drop(JdgFollow *follow, int64 task_id);

/*
 * The task does not run here after all: writes it as if it had never been
 * taken.  With an active snapshot.
 */
extern void jdg_follow_write(JdgTask *task);

#endif							/* JDG_TASK_FOLLOW_H */
