/*-------------------------------------------------------------------------
 *
 * ending.h
 *	  A run ends: what is left is cancelled, what was done may be undone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_ENDING_H
#define JDG_FLOW_RUN_ENDING_H

#include "flow/run/pass.h"

/*
 * The run will not complete.  "ending" is the status it ends with where there
 * is nothing to undo.
 */
extern void jdg_run_fail(JdgRunState *rs, JdgFlowStatus ending, Jsonb *error,
						 const char *reason);

/* the outermost node has ended */
extern void jdg_run_root_ended(JdgRunState *rs, JdgFlowStep *root);

/*
 * Nothing is left on the agenda: is the run over, or what comes next at its
 * end?
 */
extern void jdg_run_settle(JdgRunState *rs);

/* send the end of the run to the run that it is a step of */
extern void jdg_run_tell_parent(JdgRunState *rs);

/* the compensation of a step has ended for good */
extern void jdg_compensation_ended(JdgRunState *rs, JdgFlowStep *step,
								   bool success, Jsonb *error);

/* nothing more is undone: manually, or not at all */
extern void jdg_run_leave_undone(JdgRunState *rs);

#endif							/* JDG_FLOW_RUN_ENDING_H */
