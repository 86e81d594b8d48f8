/*-------------------------------------------------------------------------
 *
 * awaited.h
 *	  Tasks whose command is a flow: each ends with the run that it started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_AWAITED_H
#define JDG_FLOW_RUN_AWAITED_H

#include "flow/run/message.h"
#include "flow/run/run_row.h"
#include "task/task.h"

/* The run has ended: tells its task.  Inside jdg_internal_begin(). */
extern void jdg_awaited_ended(const JdgFlowRun *run);

/*
 * Send a message to the unfinished run of a task, for the role "by" or for
 * none.  Inside bookkeeping.
 */
extern void jdg_awaited_message(const JdgTask *task, JdgMessageKind kind,
								const char *name, Oid by);

/* The task is not wanted any more: aborts its run.  See base/module.h. */
extern void jdg_awaited_stop(const JdgTask *task, Oid by);

#endif							/* JDG_FLOW_RUN_AWAITED_H */
