/*-------------------------------------------------------------------------
 *
 * event_waits.h
 *	  The waits that an event of the log is for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EVENT_WAITS_H
#define JDG_FLOW_RUN_EVENT_WAITS_H

#include "event/cursor.h"
#include "event/event.h"

/* what a round of reading has done */
typedef struct JdgEventRound
{
	JdgCursor	c;				/* within its window */
	TimestampTz start;
	int			sent;			/* messages */
	int			passed;			/* events */
} JdgEventRound;

/* has it taken its time, or sent all that it may? */
extern bool jdg_event_round_is_over(const JdgEventRound *r);

/*
 * Another window is read, whose notes are in this memory context; NULL: none
 * is.  The context must live until the next call.
 */
extern void jdg_event_waits_window(MemoryContext mcxt);

/*
 * Sends the event to all waits that it is for; false: the round is over, and
 * the same event is to be sent again.  Inside jdg_internal_begin(), as those
 * below.
 */
extern bool jdg_event_send(JdgEventRound *r, const JdgEvent *e,
						   const JdgTopic *topic);

/* does something wait for an event? */
extern bool jdg_event_is_awaited(void);

/* the types that something waits for, as bits */
extern uint64 jdg_event_awaited_types(void);

#endif							/* JDG_FLOW_RUN_EVENT_WAITS_H */
