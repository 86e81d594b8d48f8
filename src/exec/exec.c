/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  The running task, and the callbacks through which it reports.
 *
 * Runs in workers, and in any backend that is in run_task().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/exec.h"

JdgCurrentTask *jdg_current_task = NULL;
JdgExecHooks jdg_exec_hooks;
