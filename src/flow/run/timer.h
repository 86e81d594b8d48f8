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

/* set the end of its time, see due.h; wakes the scheduler at commit */
extern void jdg_step_set_due(JdgFlowStep *step, TimestampTz due);

/* when a node that begins now times out; DT_NOBEGIN: never */
extern TimestampTz jdg_step_timeout(JdgRunState *rs, const JdgFlowNode *node);

/* a node without a task is under way; due: its time, or DT_NOBEGIN */
extern void jdg_step_start_wait(JdgRunState *rs, JdgFlowStep *step,
								TimestampTz due);

#endif							/* JDG_FLOW_RUN_TIMER_H */
