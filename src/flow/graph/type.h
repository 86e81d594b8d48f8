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

/* no name of a flow begins so: what does is the flow itself */
#define JDG_FLOW_VALUE_BEGINS '{'

/* such a text as JSON, not checked to be a flow, or VALIDATION_ERROR */
extern Jsonb *jdg_flow_of_text(const char *text);

#endif							/* JDG_FLOW_GRAPH_TYPE_H */
