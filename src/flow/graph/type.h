/*-------------------------------------------------------------------------
 *
 * type.h
 *	  A flow as text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_TYPE_H
#define JDG_FLOW_GRAPH_TYPE_H

#include "utils/jsonb.h"

/* no name of a flow begins so: a text that does is the flow itself */
#define JDG_FLOW_VALUE_BEGINS '{'

/* VALIDATION_ERROR unless it is an acceptable name of a flow */
extern void jdg_check_flow_name(const char *name);

/* such a text as JSON, not checked to be a flow, or VALIDATION_ERROR */
extern Jsonb *jdg_flow_of_text(const char *text);

#endif							/* JDG_FLOW_GRAPH_TYPE_H */
