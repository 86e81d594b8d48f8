/*-------------------------------------------------------------------------
 *
 * current.h
 *	  The task that this process runs, for code that only asks whether it
 *	  runs one.  exec/exec.h has the struct.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_CURRENT_H
#define JDG_TASK_CURRENT_H

struct JdgCurrentTask;

/* in a worker or in exec/here.c; NULL: no task is running */
extern struct JdgCurrentTask *jdg_current_task;

#endif							/* JDG_TASK_CURRENT_H */
