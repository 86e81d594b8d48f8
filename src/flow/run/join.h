/*-------------------------------------------------------------------------
 *
 * join.h
 *	  May a node begin, by the states of the nodes in its "after"?
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_JOIN_H
#define JDG_FLOW_RUN_JOIN_H

#include "flow/run/pass.h"

typedef enum JdgReady
{
	JDG_READY_WAIT,
	JDG_READY_GO,
	JDG_READY_NEVER
} JdgReady;

/* base: of the block that the node's row is in */
extern JdgReady jdg_step_ready(JdgRunState *rs, const JdgFlowNode *node,
							   int64 base);

#endif							/* JDG_FLOW_RUN_JOIN_H */
