/*-------------------------------------------------------------------------
 *
 * start.h
 *	  A run is started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_START_H
#define JDG_FLOW_RUN_START_H

#include "flow/run/run_row.h"

/*
 * Begin a run, at once or at "start_at".  The caller sets the fields of the row,
 * except for the id, the status and the counters.  Returns its id, or that
 * of the run that has the same idempotency_key.  In a session's or a task's
 * transaction.  Inside jdg_internal_begin().
 */
extern int64 jdg_flow_begin(const JdgFlowRun *run, TimestampTz start_at);

#endif							/* JDG_FLOW_RUN_START_H */
