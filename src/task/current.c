/*-------------------------------------------------------------------------
 *
 * current.c
 *	  The task that this process runs, see current.h.
 *
 * Runs in workers, and in any backend that is in run_task().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "task/current.h"

struct JdgCurrentTask *jdg_current_task = NULL;
