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
 * Parse a flow, in the current context.  VALIDATION_ERROR naming the step for
 * what is not a flow: unknown keys, wrong types, duplicate names, bad values,
 * cycles, references to steps that can not have finished, too many steps.
 * whole: it is not to be part of another flow, so names it refers to must be
 * there, and it must have a step.  Pure: reads nothing but the value.
 */
extern JdgFlowGraph *jdg_flow_parse(Jsonb *flow, bool whole);

/*
 * For kinds that are containers: make a child of the value of "key", or
 * children of all elements of an array.  new_block: each time the child is
 * run, it and what is in it has rows of its own.
 */
extern void jdg_parse_child(JdgFlowObject *o, const char *key,
							bool new_block);
extern void jdg_parse_children(JdgFlowObject *o, const char *key);

#endif							/* JDG_FLOW_GRAPH_PARSE_H */
