/*-------------------------------------------------------------------------
 *
 * signal.h
 *	  Signals, and decisions on approvals, that have arrived.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_SIGNAL_H
#define JDG_FLOW_RUN_SIGNAL_H

#include "flow/run/pass.h"

/* take one that has arrived for this wait, which ends it; false: none */
extern bool jdg_take_signal(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_SIGNAL_H */
