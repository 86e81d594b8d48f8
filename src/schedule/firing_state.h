/*-------------------------------------------------------------------------
 *
 * firing_state.h
 *	  One transaction of the scheduler that fires schedules, as a struct.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_FIRING_STATE_H
#define JDG_SCHEDULE_FIRING_STATE_H

#include "nodes/pg_list.h"

#include "shared/database.h"

/* schedules fired in one transaction, and tasks made of one of them */
#define JDG_FIRE_BATCH	256

/* the first transaction is smaller: workers start while the rest is fired */
#define JDG_FIRE_FIRST	32

/* One transaction that fires schedules. */
typedef struct JdgFiring
{
	JdgDb	   *db;
	TimestampTz now;
	bool		startup;		/* the server has started: not by the clock */
	bool		released;		/* at that time the tenant was paused */
	MemoryContext mcxt;			/* lives as long as the transaction */
	MemoryContext outer;		/* of the caller, lives longer */
	int64		fired;
	int64		skipped;
	int			postponed;		/* schedules to be tried again soon */
	List	   *replaced;		/* running tasks, pointers to int64 */
} JdgFiring;

#endif							/* JDG_SCHEDULE_FIRING_STATE_H */
