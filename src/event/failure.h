/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  What follows from the end of a handler's call for an event.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_FAILURE_H
#define JDG_EVENT_FAILURE_H

#include "event/cursor.h"
#include "event/parked.h"
#include "event/subscription.h"

/* how a call for an event has ended without success */
typedef struct JdgCallFailure
{
	int			sqlerrcode;
	Jsonb	   *error;			/* or NULL */
	bool		crashed;		/* its worker died */
	bool		discarded;		/* by discard(): no retry */
	int64		snooze_us;		/* by snooze(): later, uncharged; or 0 */
	bool		by_consumer;	/* by nack(): the policy does not judge it */
	int64		delay_us;		/* before the next attempt; 0: by the policy */
} JdgCallFailure;

/*
 * Applies on_failure to an event: sets it aside, or lets the shard wait.
 * "parked" is its row if it is set aside already, else NULL.  Changes the
 * cursor, which the caller has locked and will write, but not its position.
 * Returns true if the event is set aside, so that the position may move past
 * it.  Where c->retry_at is set, the shard is to wait until then.
 */
extern bool jdg_event_failed(const JdgSubscription *s, JdgCursor *c,
							 const JdgEvent *e, JdgParked *parked,
							 const JdgCallFailure *failure);

/*
 * Notes an event that has failed and stays where it is, with its error or
 * NULL, beside the last ones of the same event.
 */
extern void jdg_event_note_error(JdgCursor *c, int64 event_id, Jsonb *error);

/*
 * No event of the subscription could be delivered: the shard waits before this
 * one, which is not charged.
 */
extern void jdg_event_refused(JdgCursor *c, const JdgEvent *e,
							  const JdgCallFailure *failure);

/*
 * The same for an event whose turn is unknown: its transaction is gone, and
 * the position is at it or before it.  The cursor notes what becomes of it.
 */
extern void jdg_event_charged(const JdgSubscription *s, JdgCursor *c,
							  const JdgEvent *e, const JdgCallFailure *failure);

/*
 * The same for a batch, one of whose events has to do with it: they are
 * handled one by one up to this event.
 */
extern void jdg_event_charged_batch(JdgCursor *c, int64 last_id);

/* is that noted of the event? */
extern bool jdg_event_is_charged(const JdgCursor *c, const JdgEvent *e);

/* does what is noted, now that the position is at it; like jdg_event_failed() */
extern bool jdg_event_apply_charge(const JdgSubscription *s, JdgCursor *c,
								   const JdgEvent *e);

/* the same for success: the event does not come again */
extern void jdg_event_succeeded(const JdgSubscription *s, JdgCursor *c,
								const JdgEvent *e, const JdgParked *parked);

/*
 * Sets aside an event behind an earlier one of its key.  Where c->retry_at is
 * set, the shard is to wait until then.
 */
extern void jdg_event_hold(const JdgSubscription *s, JdgCursor *c,
						   const JdgEvent *e);

#endif							/* JDG_EVENT_FAILURE_H */
