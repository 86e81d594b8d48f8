/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of nodes, and where they lie in each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_NAMES_H
#define JDG_FLOW_GRAPH_NAMES_H

#include "flow/graph/node.h"

/* 'step "charge"', for messages */
extern const char *jdg_flow_label(const JdgFlowNode *node);

/* callback of an error context that names the node (arg) */
extern void jdg_flow_error_context(void *arg);

/* sort the names that were given; no two may be the same */
extern void jdg_flow_index_names(JdgFlowGraph *graph);

/* the number of the node that was given a name; -1: none */
extern int	jdg_flow_find_named(const JdgFlowGraph *graph, const char *name,
								int len);

/* the same, "chain#3" too */
extern int	jdg_flow_find(const JdgFlowGraph *graph, const char *name);

/* the innermost container of both, or one of them if it holds the other */
extern int	jdg_flow_common(const JdgFlowGraph *graph, int a, int b);

#endif							/* JDG_FLOW_GRAPH_NAMES_H */
