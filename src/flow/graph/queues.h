/*-------------------------------------------------------------------------
 *
 * queues.h
 *	  The queues of a version of a flow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_QUEUES_H
#define JDG_FLOW_GRAPH_QUEUES_H

#include "task/task.h"

/* the queues of all tasks of a version but for the default one, ascending */
typedef struct JdgFlowQueues
{
	int			n;
	int32	   *ids;
} JdgFlowQueues;

/* what jdg_flow_queues_use() has found */
typedef enum JdgFlowQueuesFound
{
	JDG_QUEUES_EXIST,
	JDG_QUEUES_GONE,			/* one has been dropped */
	JDG_QUEUES_BUSY				/* one may be dropped: look again later */
} JdgFlowQueuesFound;

/* the queues of n tasks, some of them NULL; in the current context */
extern void jdg_flow_queues_add(JdgFlowQueues *q, JdgTask *const *tasks,
								int n);

/*
 * Do they exist?  If not, a new version of the same graph may find queues of
 * the same names.
 */
extern bool jdg_flow_queues_exist(const JdgFlowQueues *q);

/*
 * For a run that will use them: they cannot be dropped before this
 * transaction ends; from then on the run keeps them.  Waits for a
 * drop_queue() that has not committed.  A process that must not wait passes
 * wait false; the answer is then JDG_QUEUES_BUSY.
 */
extern JdgFlowQueuesFound jdg_flow_queues_use(const JdgFlowQueues *q,
											  bool wait);

#endif							/* JDG_FLOW_GRAPH_QUEUES_H */
