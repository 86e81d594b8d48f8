/*-------------------------------------------------------------------------
 *
 * read.h
 *	  Reading the event log by id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_READ_H
#define JDG_EVENT_READ_H

#include "base/compat.h"
#include "event/event.h"

typedef struct JdgEventRange
{
	const int32 *topics;		/* NULL: all */
	int			ntopics;
	const char *key;			/* NULL: any */
	int64		from;			/* ids, both ends included */
	int64		to;
	bool		newest_first;
} JdgEventRange;

typedef struct JdgEventScan JdgEventScan;

/*
 * Read the events of a range in order of their ids, with the active snapshot
 * of jdg_events_open().  Privileges are not checked.  jdg_events_next() reads
 * in the current memory context; false: there are no more.  The scan is in the
 * context of jdg_events_open(), keeps its snapshot, and ends with
 * jdg_events_close() or with the (sub)transaction.  Outside
 * jdg_internal_begin().
 */
extern JdgEventScan *jdg_events_open(const JdgEventRange *range);
extern bool jdg_events_next(JdgEventScan *scan, JdgEvent *e, JdgTopic *topic);

/*
 * The same in two steps, for a caller that passes over many events: the first
 * sets event_id, xid and slot and allocates nothing.
 */
extern bool jdg_events_advance(JdgEventScan *scan, JdgEvent *head);
extern void jdg_events_read(JdgEventScan *scan, JdgEvent *e, JdgTopic *topic);

/* only the type of that event, see jdg_event_read_type() */
extern void jdg_events_type(JdgEventScan *scan, char *type);

extern void jdg_events_close(JdgEventScan *scan);

/* reads one event; topic_id 0: of any topic.  False: it is not in the log */
extern bool jdg_event_get(int64 event_id, int32 topic_id, JdgEvent *e,
						  JdgTopic *topic);

/* raises NOT_FOUND */
JDG_NORETURN extern void jdg_event_missing(int64 event_id);

#endif							/* JDG_EVENT_READ_H */
