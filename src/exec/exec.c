/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  The task that this process is running, and where it reports.
 *
 * Runs in workers and in any backend that is in run_task().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/exec.h"

JdgCurrentTask *jdg_current_task = NULL;
JdgExecHooks jdg_exec_hooks;
