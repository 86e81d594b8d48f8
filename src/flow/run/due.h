/*-------------------------------------------------------------------------
 *
 * due.h
 *	  The time of a row has come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DUE_H
#define JDG_FLOW_RUN_DUE_H

#include "flow/run/pass.h"

extern void jdg_step_due(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_DUE_H */
