/*-------------------------------------------------------------------------
 *
 * serve.h
 *	  Messages and timers of flows, for the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_SERVE_H
#define JDG_FLOW_RUN_SERVE_H

#include "utils/timestamp.h"

/* a row whose time has come */
typedef struct JdgFlowTimer
{
	int64		run_id;
	int64		step_id;
} JdgFlowTimer;

/*
 * Each in a transaction of its own and inside jdg_internal_begin().  The first
 * serves at most "max" messages; true: there may be more.  The second finds at
 * most "max" timers that are due, and returns the number.  The third serves n
 * timers.
 */
extern bool jdg_flow_do_messages(int max);
extern int	jdg_flow_find_timers(JdgFlowTimer *timer, int max);
extern void jdg_flow_do_timers(const JdgFlowTimer *timer, int n);

/* has serving failed since the last call? */
extern bool jdg_flow_gave_up(void);

/* the same for a message to a task */
extern void jdg_flow_give_up(void);

/* when the next timer is due, DT_NOEND: none */
extern TimestampTz jdg_flow_next_due(void);

#endif							/* JDG_FLOW_RUN_SERVE_H */
