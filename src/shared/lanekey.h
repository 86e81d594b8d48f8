/*-------------------------------------------------------------------------
 *
 * lanekey.h
 *	  What a lane is of, see lane.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_LANEKEY_H
#define JDG_SHARED_LANEKEY_H

/* what the tasks of a lane have in common */
typedef struct JdgLaneKey
{
	Oid			owner;
	int32		queue_id;
	int32		priority;
	int32		lane;			/* task.lane */
} JdgLaneKey;

/*
 * The rest lane of an owner stands for all tasks of which the lanes have found
 * no room: whoever has it reads all queues of the owner from the front.
 */
#define JDG_REST_QUEUE 0

#define JDG_REST_KEY(owner) \
	((JdgLaneKey) {(owner), JDG_REST_QUEUE, PG_INT32_MAX, 0})

/* the tenant of tasks that may be of any */
#define JDG_ANY_TENANT PG_INT32_MAX

/* a lane that does not change its place while it is pinned */
typedef struct JdgLane JdgLane;

#endif							/* JDG_SHARED_LANEKEY_H */
