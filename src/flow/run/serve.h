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

/*
 * Each in a transaction of its own and inside jdg_internal_begin().  Both do
 * at most "max" and return how many they did.
 */
extern int	jdg_flow_do_messages(int max);
extern int	jdg_flow_do_timers(int max);

/* has serving failed since the last call? */
extern bool jdg_flow_gave_up(void);

/* the same for a message to a task */
extern void jdg_flow_give_up(void);

/* when the next timer is due, DT_NOEND: none */
extern TimestampTz jdg_flow_next_due(void);

#endif							/* JDG_FLOW_RUN_SERVE_H */
