/*-------------------------------------------------------------------------
 *
 * advance.h
 *	  Ends of tasks that are steps move their runs on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_ADVANCE_H
#define JDG_FLOW_RUN_ADVANCE_H

#include "base/module.h"

/* takes part in the ends of tasks that are steps */
extern const JdgEndFollower jdg_flow_follower;

#endif							/* JDG_FLOW_RUN_ADVANCE_H */
