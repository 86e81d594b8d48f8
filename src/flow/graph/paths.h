/*-------------------------------------------------------------------------
 *
 * paths.h
 *	  Whose results paths refer to, and whether they can be there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PATHS_H
#define JDG_FLOW_GRAPH_PATHS_H

#include "flow/graph/object.h"

extern void jdg_flow_check_paths(JdgFlowParse *p);

#endif							/* JDG_FLOW_GRAPH_PATHS_H */
