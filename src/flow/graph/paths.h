/*-------------------------------------------------------------------------
 *
 * paths.h
 *	  The steps whose results paths refer to: can those exist by then?
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PATHS_H
#define JDG_FLOW_GRAPH_PATHS_H

#include "flow/graph/object.h"

extern void jdg_flow_check_paths(JdgFlowParse *p);

#endif							/* JDG_FLOW_GRAPH_PATHS_H */
