/*-------------------------------------------------------------------------
 *
 * parked.h
 *	  Events that a subscription has set aside, rows of
 *	  jadugar_internal.parked.
 *
 * The lock of the shard's cursor protects them (cursor.h).  All functions run
 * outside jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_PARKED_H
#define JDG_EVENT_PARKED_H

#include "event/event.h"

/* the letters of parked.state */
typedef enum JdgParkedState
{
	JDG_PARKED_RETRYING = 'r',	/* to be tried again at next_at */
	JDG_PARKED_HELD = 'h',		/* behind an earlier event of its key */
	JDG_PARKED_DEAD = 'd'
} JdgParkedState;

typedef struct JdgParked
{
	int64		event_id;
	char	   *type;
	char	   *key;			/* or NULL */
	bool		holds_key;		/* are later events of the key held behind it? */
	JdgParkedState state;
	int			attempts;
	TimestampTz next_at;		/* DT_NOBEGIN: not retrying */
	Jsonb	   *errors;			/* an array */
} JdgParked;

/*
 * Is the event set aside, or held behind an earlier one of its key?  "*itself"
 * says which.
 */
extern bool jdg_parked_holds(int64 subscription_id, const JdgEvent *e,
							 bool *itself);

extern void jdg_parked_add(int64 subscription_id, int32 shard,
						   const JdgParked *p);
extern void jdg_parked_change(int64 subscription_id, const JdgParked *p);
extern void jdg_parked_remove(int64 subscription_id, int64 event_id);

/*
 * The event to be tried next, of those that are due the one that was due
 * first; false: none is.  With "after", of those that come after that one: so
 * a caller that handles many in a transaction does not search among those that
 * it has removed.  *next is when the next one will be, DT_NOEND: none.
 */
extern bool jdg_parked_next(int64 subscription_id, int32 shard,
							TimestampTz now, const JdgParked *after,
							JdgParked *p, TimestampTz *next);

/* reads one; false: it is not set aside */
extern bool jdg_parked_read(int64 subscription_id, int64 event_id,
							JdgParked *p);

/*
 * Once this event has been removed, the first of those that are held behind it
 * is due now.
 */
extern void jdg_parked_release(int64 subscription_id, const JdgParked *p,
							   TimestampTz now);

/* adds an error to the last five of an event; NULL: it has none yet */
extern Jsonb *jdg_parked_add_error(Jsonb *errors, Jsonb *error);

/*
 * Reads an event that may have been set aside, from the log or from its copy;
 * false: it is gone.  With an active snapshot.
 */
extern bool jdg_parked_read_event(int64 subscription_id, int64 event_id,
								  JdgEvent *e, JdgTopic *topic);

/*
 * Before the event leaves the log: copies it, if it is in the log and of this
 * topic.
 */
extern void jdg_parked_copy_event(int64 subscription_id, int64 event_id,
								  int32 topic_id);

#endif							/* JDG_EVENT_PARKED_H */
