/*-------------------------------------------------------------------------
 *
 * held.h
 *	  Steps that the worker which has just settled the one before may run in
 *	  the same transaction.
 *
 * Such a task is not written: if it ends well, only its history is.  A chain
 * of small steps costs a commit for a group of them then, not for each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_HELD_H
#define JDG_FLOW_RUN_HELD_H

#include "shared/shmem.h"
#include "task/task.h"

typedef struct JdgHeld
{
	bool		(*wanted) (const JdgTask *task);
	MemoryContext mcxt;			/* what the tasks point to is copied there */
	int			max;
	int			n;
	JdgTask		task[JDG_GROUP_MAX];
} JdgHeld;

/*
 * Where tasks that are made by jdg_settle() and that are ready and wanted go
 * instead of the table; NULL: nowhere.  Who sets it runs them, or calls
 * jdg_held_write().
 */
extern JdgHeld *jdg_held;

/* a task has been made: is it held? */
extern bool jdg_held_take(const JdgTask *task);

/* a task that is not needed any more; false: it is not held */
extern bool jdg_held_drop(int64 task_id);

/* it is not run here after all: the table, as if it had never been held */
extern void jdg_held_write(JdgTask *task);

#endif							/* JDG_FLOW_RUN_HELD_H */
