/*-------------------------------------------------------------------------
 *
 * event_reader.h
 *	  Reading the event log for waits, window by window.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EVENT_READER_H
#define JDG_FLOW_RUN_EVENT_READER_H

#include "event/window.h"
#include "flow/run/event_waits.h"

/* the window of a cursor, kept between turns; all zero: none is */
typedef struct JdgEventReader
{
	MemoryContext mcxt;			/* of the others */
	JdgWindow  *window;
	JdgWaitNotes *notes;
} JdgEventReader;

/*
 * Sends the next events of the window of t->c, whose "upto" is set; false: the
 * window has more.  In a transaction of the scheduler.
 */
extern bool jdg_event_reader_send(JdgEventReader *r, JdgEventTurn *t);

extern void jdg_event_reader_forget(JdgEventReader *r);

#endif							/* JDG_FLOW_RUN_EVENT_READER_H */
