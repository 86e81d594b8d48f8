/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  The lane of a task: task.lane.
 *
 * A lane is 0 for tasks without tenant, -tenant_id for those of a tenant that
 * has been created, and a positive hash for those of another tenant.  Tasks of a
 * handler with a limit, and those of a concurrency key with a rate, have lanes
 * of their own: a positive hash of all of that.  So have HTTP tasks, for each
 * endpoint or host: a hash from JDG_LANE_HTTP on (shared/lanekey.h).  Then what waits for the limit
 * is not in the way of others.  Two things with the same hash share a lane and
 * its turn, nothing else.
 *
 * The lane is set when a task is written.  Tasks that were there before a limit
 * or a tenant was made are moved by the scheduler (relane.c).  Until then the
 * limits count, but the tasks are passed over one by one, and they take the turn
 * of their old lane.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_LANES_H
#define JDG_TASK_LANES_H

/*
 * The lane of a task with these columns; endpoint_id is 0 and host is NULL if it
 * has none.  It may read configuration.
 */
extern int32 jdg_lane_of(Oid owner, const char *tenant, int64 command_id,
						 const char *concurrency_key, int32 endpoint_id,
						 const char *host);

#endif							/* JDG_TASK_LANES_H */
