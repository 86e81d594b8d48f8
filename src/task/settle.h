/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  What follows when a task ends: the one place where that is decided.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_SETTLE_H
#define JDG_TASK_SETTLE_H

#include "base/module.h"
#include "task/decide.h"
#include "task/follow.h"
#include "task/history.h"
#include "task/task.h"

/*
 * Write what follows from the ends of n tasks, whose rows this transaction
 * has locked: delete or put back the rows, history, dependants, keys,
 * hooks, and what the modules that follow ends write (base/module.h).  What
 * may run at once in this transaction goes to "follow", if that is not NULL.
 * With an active snapshot.  Wake-ups are queued for commit.
 */
extern void jdg_settle(JdgTask *tasks, const JdgOutcome *outcomes, int n,
					   JdgFollow *follow);

/* a task leaves that never ran: cancelled; inside jdg_internal_begin() */
extern void jdg_settle_cancel(JdgTask *task, const char *reason);


#endif							/* JDG_TASK_SETTLE_H */
