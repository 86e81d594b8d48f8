/*-------------------------------------------------------------------------
 *
 * parse.h
 *	  From the value of a flow to numbered nodes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PARSE_H
#define JDG_FLOW_GRAPH_PARSE_H

#include "flow/graph/object.h"

/*
 * Parse a flow, in the current context.  If the value is not
 * a flow, raises a VALIDATION_ERROR that names the node: unknown keys, wrong
 * types, duplicate names, bad values, cycles, references to steps that cannot
 * have finished, too many steps.  whole: the flow will not become part of
 * another one, so the names that it refers to must exist.  Pure: reads nothing but the value.
 */
extern JdgFlowGraph *jdg_flow_parse(Jsonb *flow, bool whole);

/*
 * For kinds that are containers: make a child of the value of "key", or
 * children of all elements of an array.  new_block: each time the child
 * runs, it and the nodes within it get new rows.
 */
extern void jdg_parse_child(JdgFlowObject *o, const char *key,
							bool new_block);
extern void jdg_parse_children(JdgFlowObject *o, const char *key);

#endif							/* JDG_FLOW_GRAPH_PARSE_H */
