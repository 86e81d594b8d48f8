/*-------------------------------------------------------------------------
 *
 * ending.h
 *	  A run ends: cancelling, compensation, final status.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_ENDING_H
#define JDG_FLOW_RUN_ENDING_H

#include "flow/run/pass.h"

/*
 * The run will not complete.  "ending" is its final status if there is nothing
 * to compensate.
 */
extern void jdg_run_fail(JdgRunState *rs, JdgFlowStatus ending, Jsonb *error,
						 const char *reason);

/* the outermost node has ended */
extern void jdg_run_root_ended(JdgRunState *rs, JdgFlowStep *root);

/*
 * Nothing is left on the agenda: if no step is live, the run takes the next step
 * towards its end.
 */
extern void jdg_run_settle(JdgRunState *rs);

/* send a message about its end to the run that it is a step of */
extern void jdg_run_notify_parent(JdgRunState *rs);

/* the compensation of a step has ended for good */
extern void jdg_compensation_ended(JdgRunState *rs, JdgFlowStep *step,
								   bool success, Jsonb *error);

/* stop compensating: the remaining steps count as not compensated */
extern void jdg_run_leave_undone(JdgRunState *rs);

#endif							/* JDG_FLOW_RUN_ENDING_H */
