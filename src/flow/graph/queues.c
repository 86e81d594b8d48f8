/*-------------------------------------------------------------------------
 *
 * queues.c
 *	  The queues of a version of a flow, see queues.h.
 *
 * A version keeps the ids of its queues.  drop_queue() refuses to drop a queue
 * that the newest version of a flow or an unfinished run uses (flow/uses.h).
 *
 * Locks: JDG_LOCK_QUEUE_USE, shared, in ascending order of the ids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/qunique.h"

#include "flow/graph/queues.h"
#include "queue/queue.h"

static int
compare(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return x < y ? -1 : x > y;
}

void
jdg_flow_queues_add(JdgFlowQueues *q, JdgTask *const *tasks, int n)
{
	int32	   *ids = palloc(sizeof(int32) * (q->n + n));

	if (q->n > 0)
		memcpy(ids, q->ids, sizeof(int32) * q->n);
	q->ids = ids;
	for (int i = 0; i < n; i++)
	{
		if (tasks[i] != NULL && tasks[i]->queue_id != JDG_DEFAULT_QUEUE)
			q->ids[q->n++] = tasks[i]->queue_id;
	}
	qsort(q->ids, q->n, sizeof(int32), compare);
	q->n = qunique(q->ids, q->n, sizeof(int32), compare);
}

bool
jdg_flow_queues_exist(const JdgFlowQueues *q)
{
	JdgQueue	queue;

	for (int i = 0; i < q->n; i++)
	{
		if (!jdg_queue_by_id(q->ids[i], &queue))
			return false;
	}
	return true;
}

JdgFlowQueuesFound
jdg_flow_queues_use(const JdgFlowQueues *q, bool wait)
{
	JdgFlowQueuesFound found = JDG_QUEUES_EXIST;
	JdgQueue	queue;
	bool		busy = false;

	for (int i = 0; i < q->n; i++)
	{
		if (wait ? jdg_queue_use_by_id(q->ids[i], &queue) :
			jdg_queue_try_use_by_id(q->ids[i], &queue, &busy))
			continue;
		if (busy)
			return JDG_QUEUES_BUSY;
		found = JDG_QUEUES_GONE;
	}
	return found;
}
