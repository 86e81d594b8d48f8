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

/* The name of a schedule; NULL: it was dropped.  Needs a snapshot. */
extern const char *jdg_schedule_name(int64 schedule_id);

/*
 * The same from a copy, for the CONTEXT of log messages: valid until the next
 * call, and may be the name of a schedule that has been dropped since.
 */
extern const char *jdg_schedule_name_copy(int64 schedule_id);

/* Writes the attempt to the server's log if it failed and the setting says so. */
extern void jdg_failure_log(const JdgTask *t, const JdgOutcome *o,
							const JdgDecision *d);

#endif							/* JDG_TASK_FAILURE_LOG_H */
