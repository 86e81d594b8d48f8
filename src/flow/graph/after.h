/*-------------------------------------------------------------------------
 *
 * after.h
 *	  The order that "after" makes, checked when all nodes are there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_AFTER_H
#define JDG_FLOW_GRAPH_AFTER_H

#include "flow/graph/object.h"

/* resolve "after" of all nodes, and refuse an order that cannot happen */
extern void jdg_flow_check_after(JdgFlowParse *p);

#endif							/* JDG_FLOW_GRAPH_AFTER_H */
