/*-------------------------------------------------------------------------
 *
 * follow.h
 *	  Tasks that follow in the transaction that made them ready.
 *
 * The worker that settles a task may run what follows from it, such as the
 * next step of a flow, in the same transaction.  Such a task is not written
 * to the table: if it ends well, only its history is.  A chain of small steps
 * then costs one commit for a group of them, not one each.
 *
 * A crash or a commit that fails undoes the task before together with those
 * that follow, and makes it ready again.  So no task is lost although it was
 * never written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_FOLLOW_H
#define JDG_TASK_FOLLOW_H

#include "shared/slot.h"
#include "task/task.h"

/* Made by the worker, who runs the tasks or calls jdg_follow_write(). */
typedef struct JdgFollow
{
	bool		(*may_follow) (const JdgTask *task);
	MemoryContext mcxt;			/* what the tasks point to is copied there */
	int			max;
	int			n;
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
 * The task does not run here after all: write it as if it had never been
 * taken.  With an active snapshot.
 */
extern void jdg_follow_write(JdgTask *task);

#endif							/* JDG_TASK_FOLLOW_H */
