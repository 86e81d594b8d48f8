/*-------------------------------------------------------------------------
 *
 * events.h
 *	  Events of the log for runs that wait for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EVENTS_H
#define JDG_FLOW_RUN_EVENTS_H

#include "shared/database.h"

/*
 * For the scheduler, outside a transaction: reads events that have committed,
 * and sends a message to each wait that one of them is for.  "all": also sets
 * anew which types of events wake the scheduler.  False: there is more to read.
 */
extern bool jdg_flow_events_read(JdgDb *db, bool all);

/* did something wait for events when the log was read last? */
extern bool jdg_flow_events_awaited(void);

/*
 * Has the last wait ended since?  The next reading removes what is kept for
 * waits.  Inside jdg_internal_begin().
 */
extern bool jdg_flow_events_are_over(void);

/* the next time, nothing that was read is kept for later */
extern void jdg_flow_events_settle(JdgDb *db);

/*
 * May an event that came in time not have reached a wait with this wait_owner
 * yet?  The duty says whether messages are left that it has not served.
 */
extern void jdg_flow_events_set_behind(bool behind);
extern bool jdg_flow_events_are_behind(Oid wait_owner);

/* before an era begins: the cursor is made that the dump would have got */
extern void jdg_flow_events_adopted(void);

#endif							/* JDG_FLOW_RUN_EVENTS_H */
