/*-------------------------------------------------------------------------
 *
 * window.h
 *	  Windows of the event log: the events that one snapshot has seen and an
 *	  earlier one had not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_WINDOW_H
#define JDG_EVENT_WINDOW_H

#include "event/era.h"
#include "event/event.h"
#include "event/xidset.h"

typedef struct JdgWindow JdgWindow;

/* which events a window has */
typedef struct JdgWindowSpec
{
	JdgEra		era;			/* of both sets; later events are not wanted */
	const JdgXidSet *base;		/* had not seen them; NULL: it has seen none */
	const JdgXidSet *upto;		/* has seen them */
	int64		after_id;		/* their ids are above this */
	int64		until_id;		/* and not above this */
	const int32 *topics;		/* NULL: all but "jadugar" */
	int			ntopics;
	char	  **types;			/* patterns; NULL: all */
	int			ntypes;
	int32		shard;			/* slot mod shards = shard */
	int32		shards;
} JdgWindowSpec;

/*
 * Finds the events of a window.  The result is in the current memory context,
 * which may live longer than the transaction; it has no resources of it.  The
 * caller has set an active snapshot that is not older than "upto".
 */
extern JdgWindow *jdg_window_find(const JdgWindowSpec *spec);

/* what jdg_window_next() has found */
typedef enum JdgWindowStep
{
	JDG_WINDOW_END,				/* there are no more */
	JDG_WINDOW_EVENT,
	JDG_WINDOW_PASSED			/* a number of events that are not wanted, the
								 * last of which is event_id */
} JdgWindowStep;

/*
 * Reads the next event in order of ids, in the current memory context, with
 * the active snapshot.  Its topic is *topic.  Passes over events of other
 * shards and types, and returns after each so many of them.
 */
extern JdgWindowStep jdg_window_next(JdgWindow *w, JdgEvent *e,
									 JdgTopic *topic);

/* is it the window between these two, in that era? */
extern bool jdg_window_is_between(const JdgWindow *w, JdgEra era,
								  const JdgXidSet *base,
								  const JdgXidSet *upto);

/* goes back or forward to the first event with an id above this */
extern void jdg_window_seek(JdgWindow *w, int64 after_id);

/* closes relations that jdg_window_next() keeps open; before the commit */
extern void jdg_window_pause(JdgWindow *w);

/* number of events of other shards and types that have been passed over */
extern int64 jdg_window_passed(const JdgWindow *w);

#endif							/* JDG_EVENT_WINDOW_H */
