/*-------------------------------------------------------------------------
 *
 * tell.h
 *	  A row has ended: who has to know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_TELL_H
#define JDG_FLOW_RUN_TELL_H

#include "flow/run/pass.h"

/* JDG_ACT_ENDED: those whose "after" names it, then its container */
extern void jdg_step_ended(JdgRunState *rs, JdgFlowStep *step, bool quietly);

/* JDG_ACT_TELL: its container goes on, or the run ends */
extern void jdg_container_tell(JdgRunState *rs, JdgFlowStep *child);

#endif							/* JDG_FLOW_RUN_TELL_H */
