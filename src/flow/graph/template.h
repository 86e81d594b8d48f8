/*-------------------------------------------------------------------------
 *
 * template.h
 *	  The template of a task of a node, as an element of a plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_TEMPLATE_H
#define JDG_FLOW_GRAPH_TEMPLATE_H

#include "task/task.h"

extern Jsonb *jdg_template_to_jsonb(const JdgTask *task);

/* in the current context */
extern JdgTask *jdg_template_from_jsonb(const Jsonb *element);

#endif							/* JDG_FLOW_GRAPH_TEMPLATE_H */
