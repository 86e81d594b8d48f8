/*-------------------------------------------------------------------------
 *
 * charge.c
 *	  Charges an event whose worker died, see charge.h.
 *
 * Runs in the scheduler, and in the worker for a transaction that could not
 * commit.  The position stays where the last commit left it, which may be
 * before events that come earlier than this one.  So an event that is not set
 * aside yet is only noted in the cursor: it would come again after it had been
 * retried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "event/charge.h"
#include "event/failure.h"

/* Applies on_failure, if the event and its subscription still exist. */
static void
charge(const JdgCall *call, const JdgCallFailure *failure)
{
	const JdgSubscription *s;
	JdgParked	parked;
	JdgTopic	topic;
	JdgCursor	c;
	JdgEvent	e;

	/* else a session changes it, and the event comes again */
	if (!jdg_subscription_settled(call->subscription_id, false))
		return;
	/* shards may have been divided anew */
	s = jdg_subscription_get(call->subscription_id);
	if (s == NULL ||
		!jdg_parked_read_event(call->subscription_id, call->event_id, &e,
							   &topic) ||
		!jdg_cursor_lock(call->subscription_id, e.slot % s->shards, &c))
		return;
	if (jdg_parked_read(call->subscription_id, call->event_id, &parked))
	{
		if (parked.attempts != call->attempts)
			return;				/* its worker has committed before it died */
		(void) jdg_event_failed(s, &c, &e, &parked, failure);
	}
	else if (c.last_event_id == call->last_id)
		return;
	else if (call->last_id != call->event_id)
		jdg_event_charged_batch(&c, call->last_id);
	else
		jdg_event_charged(s, &c, &e, failure);
	jdg_cursor_write(&c);
}

void
jdg_event_charge(const JdgCall *call)
{
	ErrorData	edata = {0};
	JdgCallFailure failure = {0};

	edata.sqlerrcode = JDG_ERRCODE_WORKER_CRASHED;
	edata.message = "the worker process ended while it handled the event";
	failure.sqlerrcode = edata.sqlerrcode;
	failure.error = jdg_error_to_jsonb(&edata, NULL);
	failure.crashed = true;
	charge(call, &failure);
}

void
jdg_event_charge_commit(const JdgCall *call, int sqlerrcode, Jsonb *error)
{
	JdgCallFailure failure = {sqlerrcode, error};

	charge(call, &failure);
}
