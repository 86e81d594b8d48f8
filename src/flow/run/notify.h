/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  A row has ended: other nodes react.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_NOTIFY_H
#define JDG_FLOW_RUN_NOTIFY_H

#include "flow/run/pass.h"

/* JDG_ACT_ENDED: nodes that name it in "after", then its container */
extern void jdg_step_ended(JdgRunState *rs, JdgFlowStep *step, bool quietly);

/* JDG_ACT_NOTIFY: its container goes on, or the run ends */
extern void jdg_container_notify(JdgRunState *rs, JdgFlowStep *child);

#endif							/* JDG_FLOW_RUN_NOTIFY_H */
