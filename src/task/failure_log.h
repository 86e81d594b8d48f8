/*-------------------------------------------------------------------------
 *
 * failure_log.h
 *	  Failed attempts in the server's log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_FAILURE_LOG_H
#define JDG_TASK_FAILURE_LOG_H

#include "task/decide.h"

/*
 * The name of a schedule; if it was dropped, the one that is kept with its
 * tasks and runs.  Needs a snapshot.
 */
extern const char *jdg_schedule_name(int64 schedule_id, const char *kept);

/* Writes the attempt to the server's log if it failed and the setting says so. */
extern void jdg_failure_log(const JdgTask *t, const JdgOutcome *o,
							const JdgDecision *d);

#endif							/* JDG_TASK_FAILURE_LOG_H */
