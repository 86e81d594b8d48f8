/*-------------------------------------------------------------------------
 *
 * happened.h
 *	  Tells modules what happens to runs and steps: shared/happening.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_HAPPENED_H
#define JDG_FLOW_RUN_HAPPENED_H

#include "flow/run/pass.h"

/* the run begins; it has ended with its status */
extern void jdg_run_started(const JdgRunState *rs);
extern void jdg_run_ended(const JdgRunState *rs);

/* the step is in its state now: it begins, has ended or is compensated */
extern void jdg_step_happened(const JdgRunState *rs, const JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_HAPPENED_H */
