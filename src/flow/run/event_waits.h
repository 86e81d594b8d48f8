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

/* what is kept while a window is read */
typedef struct JdgWaitNotes JdgWaitNotes;

/* what a turn has done for a role */
typedef struct JdgWaitShare
{
	Oid			owner;			/* hash key */
	int			looked;			/* waits that were looked at */
	int			sent;			/* messages */
	int64		us;				/* time that these have taken */
} JdgWaitShare;

/* a turn of reading, in one transaction */
typedef struct JdgEventTurn
{
	JdgCursor	c;				/* within its window */
	Oid			only;			/* the waits of this role; InvalidOid: of all
								 * roles but those */
	const Oid  *except;			/* in ascending order */
	int			nexcept;
	TimestampTz end;			/* the turn is over then, */
	int			most_sent;		/* and after so many messages */
	bool		careful;		/* an error has ended the turn before: a wait
								 * that cannot be served is passed over */
	int			looked;			/* waits that were looked at */
	int			sent;			/* messages */
	int			passed;			/* events */
	HTAB	   *shares;			/* JdgWaitShare, if all roles are served */
} JdgEventTurn;

/*
 * Begins a turn of so many microseconds.  "only" or "except" is set afterwards,
 * and "careful".
 */
extern void jdg_event_turn_begin(JdgEventTurn *t, int us, int most_sent);

/* has it taken its time, looked at or sent all that it may? */
extern bool jdg_event_turn_is_over(const JdgEventTurn *t);

/*
 * The role that has taken the most of a turn; InvalidOid: none has taken so
 * much that others should not wait for it.
 */
extern Oid	jdg_event_turn_greedy(const JdgEventTurn *t);

/* makes the notes of a window, in its memory context */
extern JdgWaitNotes *jdg_wait_notes(MemoryContext mcxt);

/*
 * Sends the event to all waits that it is for; false: the turn is over, and
 * the same event is to be sent again.  Inside jdg_internal_begin(), as those
 * below.
 */
extern bool jdg_event_send(JdgEventTurn *t, JdgWaitNotes *notes,
						   const JdgEvent *e, const JdgTopic *topic);

/* does something wait for an event? */
extern bool jdg_event_is_awaited(void);

/* the types that something waits for, as bits */
extern uint64 jdg_event_awaited_types(void);

#endif							/* JDG_FLOW_RUN_EVENT_WAITS_H */
