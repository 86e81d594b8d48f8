/*-------------------------------------------------------------------------
 *
 * locktask.h
 *	  Locks the row of an unfinished task for a session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_LOCKTASK_H
#define JDG_TASK_LOCKTASK_H

#include "base/compat.h"
#include "shared/slot.h"
#include "task/task.h"

typedef enum JdgHold
{
	JDG_HOLD_LOCKED,			/* its row is locked by this transaction */
	JDG_HOLD_RUNNING,			/* a worker has it */
	JDG_HOLD_GONE				/* not there (any more) */
} JdgHold;

/* inside jdg_internal_begin(); the task in mcxt */
extern JdgHold jdg_task_hold(int64 task_id, JdgTask *task,
							 MemoryContext mcxt);

/* the same, and ask its worker to stop it */
extern JdgHold jdg_task_stop(int64 task_id, JdgCancelKind kind, Oid by, JdgTask *task,
							 MemoryContext mcxt);

/*
 * For the worker that runs a standalone task: locks its row, also if the
 * scheduler holds that for a moment to find out whether it can remove it.
 */
extern void jdg_task_wait_for_row(int64 task_id);

typedef enum JdgTaskLook
{
	JDG_TASK_GONE,				/* no row says anything of it */
	JDG_TASK_HIDDEN,			/* the role may not act on it */
	JDG_TASK_UNFINISHED,		/* *task is set */
	JDG_TASK_FINISHED			/* the history knows it */
} JdgTaskLook;

/* Looks for a task on which the role may act.  Inside jdg_internal_begin(). */
extern JdgTaskLook jdg_task_look(int64 task_id, Oid role, JdgTask *task,
								 MemoryContext mcxt);

/*
 * Find a task for the current role: true and *task if it is unfinished and
 * the role may manage it; false if it has finished (history knows it).
 * TASK_NOT_FOUND otherwise.  Inside jdg_internal_begin().
 */
extern bool jdg_task_find(int64 task_id, Oid role, JdgTask *task,
						  MemoryContext mcxt);

/*
 * What jdg_task_look() has left in *task is hidden from the role: TASK_NOT_FOUND,
 * or FORBIDDEN if a confined role sees an unfinished task.
 */
JDG_NORETURN extern void jdg_task_refuse(int64 task_id, Oid role,
										 const JdgTask *task);

/* TASK_NOT_FOUND with the id */
JDG_NORETURN extern void jdg_task_missing(int64 task_id);

/* CONFLICT with the id */
JDG_NORETURN extern void jdg_task_is_running(int64 task_id);

#endif							/* JDG_TASK_LOCKTASK_H */
