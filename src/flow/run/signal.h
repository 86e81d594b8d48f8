/*-------------------------------------------------------------------------
 *
 * signal.h
 *	  Signals, and decisions on approvals, that have come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_SIGNAL_H
#define JDG_FLOW_RUN_SIGNAL_H

#include "flow/run/pass.h"

/* is there one for this wait?  Then the wait takes it, and has ended */
extern bool jdg_take_signal(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_SIGNAL_H */
