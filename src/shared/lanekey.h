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

/*
 * Which processes claim the tasks of a lane.  The lane tells: those of HTTP
 * tasks are at least JDG_LANE_HTTP.
 */
typedef enum JdgCarrier
{
	JDG_CARRIER_WORKER,
	JDG_CARRIER_HTTP
} JdgCarrier;

#define JDG_LANE_HTTP 0x40000000

/* this bit of the lane of an HTTP task: it fails while its breaker is open */
#define JDG_LANE_FAILS 0x20000000

static inline JdgCarrier
jdg_lane_carrier(int32 lane)
{
	return lane >= JDG_LANE_HTTP ? JDG_CARRIER_HTTP : JDG_CARRIER_WORKER;
}

static inline bool
jdg_lane_fails_when_open(int32 lane)
{
	return lane >= JDG_LANE_HTTP && (lane & JDG_LANE_FAILS) != 0;
}

/* the rest lane of an owner's tasks with this carrier */
#define JDG_REST_KEY(owner, carrier) \
	((JdgLaneKey) {(owner), JDG_REST_QUEUE, PG_INT32_MAX, \
		(carrier) == JDG_CARRIER_HTTP ? JDG_LANE_HTTP : 0})

/* the tenant of tasks that may be of any */
#define JDG_ANY_TENANT PG_INT32_MAX

/* a lane that does not change its place while it is pinned */
typedef struct JdgLane JdgLane;

#endif							/* JDG_SHARED_LANEKEY_H */
