/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  Writes everything that follows when a task ends; no other place
 *	  decides it.
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
 * Writes everything that follows from the ends of n tasks.  This transaction
 * has locked their rows.  Deletes or puts back the rows; writes history,
 * dependants, keys, hooks, and the parts of the modules that follow ends
 * (base/module.h).  A successor that may run at once in this transaction is
 * added to "follow", if that is not NULL.  With an active snapshot.  Wake-ups
 * are queued for commit.
 */
extern void jdg_settle(JdgTask *tasks, const JdgOutcome *outcomes, int n,
					   JdgFollow *follow);

/*
 * A task leaves that never ran: cancelled, with the cleanup of its handler;
 * inside jdg_internal_begin().
 */
extern void jdg_settle_cancel(JdgTask *task, const char *reason, Oid by);

/*
 * The same without cleanup, which would be one more task: for a full queue,
 * for a role whose tasks are dropped, and in a copy of a database, whose tasks
 * are still to come in the original.
 */
extern void jdg_settle_drop(JdgTask *task, const char *reason, Oid by);

#endif							/* JDG_TASK_SETTLE_H */
