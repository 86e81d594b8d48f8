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

/* a lane that does not change its place while it is pinned */
typedef struct JdgLane JdgLane;

#endif							/* JDG_SHARED_LANEKEY_H */
