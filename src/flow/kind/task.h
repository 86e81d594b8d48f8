/*-------------------------------------------------------------------------
 *
 * task.h
 *	  The task of a node, and the one that undoes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_TASK_H
#define JDG_FLOW_KIND_TASK_H

#include "lib/stringinfo.h"

#include "flow/graph/object.h"
#include "task/prepare.h"

/* the command of a node and the other options of its task */
extern void jdg_node_task_options(const JdgFlowNode *node, JdgTaskOptions *o);

/* keys of a step that are about its task; and the options they make */
extern void jdg_parse_task(JdgFlowObject *o);
extern void jdg_task_of_step(const JdgFlowNode *node, JdgTaskOptions *o);

/* compensate and compensate_retry: of a step or a sub_flow */
extern void jdg_parse_compensation(JdgFlowObject *o);

/* check a command and its options as enqueue() would; as the current user */
extern void jdg_check_command(const JdgFlowNode *node);

/* for explain_flow() */
extern void jdg_explain_task(const JdgFlowNode *node, StringInfo line);

#endif							/* JDG_FLOW_KIND_TASK_H */
