/*-------------------------------------------------------------------------
 *
 * timer.h
 *	  Times of rows: timeouts, and waits without a task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_TIMER_H
#define JDG_FLOW_RUN_TIMER_H

#include "flow/run/pass.h"

/* the row's time is over then, see due.h; the scheduler is woken at commit */
extern void jdg_step_set_due(JdgFlowStep *step, TimestampTz due);

/* when a node that begins now times out; DT_NOBEGIN: never */
extern TimestampTz jdg_step_timeout(JdgRunState *rs, const JdgFlowNode *node);

/* a node that has no task is under way; due: DT_NOBEGIN, or its time */
extern void jdg_step_start_wait(JdgRunState *rs, JdgFlowStep *step,
								TimestampTz due);

#endif							/* JDG_FLOW_RUN_TIMER_H */
