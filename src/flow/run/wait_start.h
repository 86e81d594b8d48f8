/*-------------------------------------------------------------------------
 *
 * wait_start.h
 *	  Transactions in which waits for events begin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_WAIT_START_H
#define JDG_FLOW_RUN_WAIT_START_H

#include "event/cursor.h"
#include "event/event.h"

/* called once, by _PG_init */
extern void jdg_wait_start_init(void);

/*
 * A wait for events of this type begins.  Returns flow_step.wait_start for it,
 * which is the same for all waits of a transaction.
 */
extern int64 jdg_wait_start(const char *type);

/*
 * Is the event for waits with this start?  It is unless it had committed when
 * the transaction of the waits began to commit, or unless the end of the
 * window to which the event belongs has not seen that transaction.  "c" is the
 * cursor within that window.  Inside jdg_internal_begin(), as those below.
 */
extern bool jdg_wait_start_reaches(int64 start_id, const JdgEvent *e,
								   const JdgCursor *c);

/*
 * Sets the position of a cursor that is behind no event for any wait: that of
 * the earliest start.  False: there is no start.
 */
extern bool jdg_wait_start_first(JdgCursor *c);

/* deletes the starts that a cursor has passed which has read up to "seen" */
extern void jdg_wait_starts_passed(int32 era, const JdgXidSet *seen);

#endif							/* JDG_FLOW_RUN_WAIT_START_H */
