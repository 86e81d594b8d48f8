/*-------------------------------------------------------------------------
 *
 * advance.h
 *	  Flows as others see them: who settles tasks, who watches the clock, who
 *	  runs a step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_ADVANCE_H
#define JDG_FLOW_RUN_ADVANCE_H

#include "base/module.h"
#include "flow/run/run_row.h"
#include "task/task.h"

/* takes part in the ends of tasks that are steps */
extern const JdgEndFollower jdg_flow_follower;

/*
 * Begin a run whose row's fields are set by the caller, but for what a run
 * itself keeps count of: at once, or at "start_at".  Returns its id, or that of the
 * run that has the same idempotency_key.  In a session's or a task's
 * transaction.  Inside jdg_internal_begin().
 */
extern int64 jdg_flow_begin(JdgFlowRun *run, TimestampTz start_at);

/*
 * For the scheduler, each in a transaction of its own and inside
 * jdg_internal_begin().  Both do at most "max" and return how many they did.
 */
extern int	jdg_flow_do_messages(int max);
extern int	jdg_flow_do_timers(int max);

/* has something not been served since the last call? */
extern bool jdg_flow_gave_up(void);

/* when the next timer is due, DT_NOEND: none */
extern TimestampTz jdg_flow_next_due(void);

#endif							/* JDG_FLOW_RUN_ADVANCE_H */
