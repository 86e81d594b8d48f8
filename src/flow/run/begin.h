/*-------------------------------------------------------------------------
 *
 * begin.h
 *	  A node begins.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_BEGIN_H
#define JDG_FLOW_RUN_BEGIN_H

#include "flow/run/pass.h"

/* a node is reached: it gets a row, and begins as soon as it may */
extern void jdg_node_begin(JdgRunState *rs, const JdgFlowNode *node,
						   int64 parent, int64 base, int idx, Jsonb *item);

/* the outermost node of a run */
extern void jdg_run_begin(JdgRunState *rs);

/* JDG_ACT_BEGIN, JDG_ACT_RECHECK */
extern void jdg_step_begin(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_step_recheck(JdgRunState *rs, JdgFlowStep *step);

/* a row that waits for nothing, or for nothing more: it is under way */
extern void jdg_step_start(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_BEGIN_H */
