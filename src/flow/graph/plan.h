/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  Versions of flows: a graph with all that its tasks are made of.
 *
 * A version never changes, so each process keeps the versions it has read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_PLAN_H
#define JDG_FLOW_GRAPH_PLAN_H

#include "flow/graph/node.h"
#include "flow/graph/queues.h"
#include "task/task.h"

typedef struct JdgFlowPlan
{
	int64		version_id;
	char	   *name;			/* NULL: started as a value */
	int			version;
	JdgFlowGraph *graph;

	/*
	 * By node: the task it runs and the task that undoes it, all fields set
	 * but ids, times, owner and those that the run sets; NULL: none.
	 */
	JdgTask   **task;
	JdgTask   **undo;

	JdgFlowQueues queues;
} JdgFlowPlan;

/*
 * The plan of a version.  It stays valid until the end of the transaction at
 * least, and does not change.
 */
extern const JdgFlowPlan *jdg_flow_plan_get(int64 version_id);

/*
 * Waits for sessions that give this name to a flow or a draft, and keeps others
 * from doing so until the end of the transaction.
 */
extern void jdg_flow_name_lock(Oid owner, const char *name);

/*
 * Make a version of a flow: its commands, handlers, queues and options are
 * checked as the current user, which must be or may act for "owner".  With a
 * name the next version of that, without one the version that has the same
 * graph already.  "*version" is set to the number.  Returns the version_id.
 * Outside jdg_internal_begin().
 */
extern int64 jdg_flow_version_make(Oid owner, const char *name, Jsonb *flow,
								   const char *description, int *version);

#endif							/* JDG_FLOW_GRAPH_PLAN_H */
