/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What follows from the end of a handler's call, see failure.h.
 *
 * Runs in workers, in the scheduler for workers that died, and in sessions of
 * consumers, inside the transaction that has locked the cursor.
 *
 * One event that fails is set aside.  Many in a row are not the events' fault:
 * then the whole shard waits, and tries one event at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "event/failure.h"
#include "event/lifecycle.h"
#include "task/retry.h"

/* failures in a row after which the shard waits, and for how long */
#define IN_A_ROW_MAX	16
#define FIRST_WAIT_US	(5 * USECS_PER_SEC)
#define LONGEST_WAIT_US USECS_PER_HOUR

/* The shard waits after so many failures in a row, twice as long each time. */
static void
wait_after_failures(JdgCursor *c)
{
	int			doublings = Min(Max(c->in_a_row - IN_A_ROW_MAX, 0), 12);

	c->retry_at = jdg_now() +
		Min(FIRST_WAIT_US << doublings, LONGEST_WAIT_US);
}

/* Is the event to be tried again after so many attempts? */
static bool
is_tried_again(const JdgSubscription *s, const JdgCallFailure *f, int attempts)
{
	if (f->snooze_us > 0)
		return true;
	if (f->discarded || attempts >= s->max_attempts)
		return false;
	if (f->crashed)
		return attempts < jdg_max_crashes;
	return f->by_consumer || jdg_retry_wanted(s->retry, f->sqlerrcode, 0);
}

/*
 * Is the error likely not the fault of the event?  Those that are retried are
 * not, nor is one of the handler's code, such as a function that does not
 * exist.
 */
static bool
is_not_its_fault(const JdgSubscription *s, const JdgCallFailure *f)
{
	return !f->discarded &&
		(f->crashed || jdg_retry_wanted(s->retry, f->sqlerrcode, 0) ||
		 ERRCODE_TO_CATEGORY(f->sqlerrcode) ==
		 ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION);
}

/* Forgets what the cursor has noted of an event. */
static void
forget_blocked(JdgCursor *c)
{
	c->blocked_id = 0;
	c->attempts = 0;
	c->charged = 0;
	c->errors = NULL;
}

void
jdg_event_note_error(JdgCursor *c, int64 event_id, Jsonb *error)
{
	if (c->blocked_id != event_id)
		c->errors = NULL;
	c->blocked_id = event_id;
	if (error != NULL)
		c->errors = jdg_parked_add_error(c->errors, error);
}

/* The shard waits for its event, for good if that is not tried again. */
static bool
block(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e, const JdgCallFailure *f, int attempts,
	  bool again, int64 delay)
{
	jdg_event_note_error(c, e->event_id, f->error);
	c->attempts = attempts;
	c->charged = 0;
	c->retry_at = again ? jdg_now() + delay : DT_NOEND;
	if (!again)
		jdg_subscription_happened(JDG_SUBSCRIPTION_BLOCKED, s, c->shard,
								  e->event_id);
	return false;
}

/* Counts a failure; returns the attempts of the event so far. */
static int
count_failure(const JdgSubscription *s, JdgCursor *c, const JdgCallFailure *f,
			  int before, bool *again)
{
	bool		snoozed = f->snooze_us > 0;
	int			attempts = before + !snoozed;

	*again = is_tried_again(s, f, attempts);
	if (!snoozed)
		c->failed++;
	if (!snoozed && is_not_its_fault(s, f))
		c->in_a_row++;
	return attempts;
}

/* Sets an event aside; true. */
static bool
set_aside(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e,
		  const JdgCallFailure *f, int attempts, bool again, int64 delay)
{
	JdgParked	p = {0};

	p.event_id = e->event_id;
	p.type = e->type;
	p.key = e->key;
	p.holds_key = e->key && s->on_failure == JDG_ON_FAILURE_PARK_KEY;
	p.state = again ? JDG_PARKED_RETRYING : JDG_PARKED_DEAD;
	p.attempts = attempts;
	p.next_at = again ? jdg_now() + delay : DT_NOBEGIN;
	p.errors = jdg_parked_add_error(c->blocked_id == e->event_id ?
									c->errors : NULL, f->error);
	jdg_parked_add(s->subscription_id, c->shard, &p);
	c->parked++;
	JDG_FAULT("delivery-parked");
	jdg_subscription_happened(again ? JDG_SUBSCRIPTION_PARKED :
							  JDG_SUBSCRIPTION_DEAD, s, c->shard, e->event_id);
	if (c->blocked_id == e->event_id)
		forget_blocked(c);
	if (c->in_a_row >= IN_A_ROW_MAX || c->parked >= jdg_max_parked)
		wait_after_failures(c);
	return true;
}

bool
jdg_event_failed(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e,
				 JdgParked *parked, const JdgCallFailure *f)
{
	int			before = parked ? parked->attempts :
	c->blocked_id == e->event_id ? c->attempts : 0;
	bool		again;
	int			attempts = count_failure(s, c, f, before, &again);
	int64		delay = f->snooze_us > 0 ? f->snooze_us :
	f->delay_us > 0 ? f->delay_us : jdg_retry_delay(s->retry, attempts);

	if (parked == NULL)
		return s->on_failure == JDG_ON_FAILURE_BLOCK ?
			block(s, c, e, f, attempts, again, delay) :
			set_aside(s, c, e, f, attempts, again, delay);
	parked->state = again ? JDG_PARKED_RETRYING : JDG_PARKED_DEAD;
	parked->attempts = attempts;
	parked->next_at = again ? jdg_now() + delay : DT_NOBEGIN;
	parked->errors = jdg_parked_add_error(parked->errors, f->error);
	jdg_parked_change(s->subscription_id, parked);
	JDG_FAULT("delivery-parked-changed");
	if (!again)
		jdg_subscription_happened(JDG_SUBSCRIPTION_DEAD, s, c->shard,
								  e->event_id);
	if (c->in_a_row >= IN_A_ROW_MAX || c->parked >= jdg_max_parked)
		wait_after_failures(c);
	return true;
}

void
jdg_event_refused(JdgCursor *c, const JdgEvent *e, const JdgCallFailure *f)
{
	/* it may note that another one is charged */
	if (c->charged == 0)
	{
		if (c->blocked_id != e->event_id)
			forget_blocked(c);
		jdg_event_note_error(c, e->event_id, f->error);
	}
	c->failed++;
	c->in_a_row = Max(c->in_a_row + 1, IN_A_ROW_MAX);
	wait_after_failures(c);
}

void
jdg_event_charged(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e,
				  const JdgCallFailure *f)
{
	int			before = c->blocked_id == e->event_id ? c->attempts : 0;
	bool		again;

	c->attempts = count_failure(s, c, f, before, &again);
	jdg_event_note_error(c, e->event_id, f->error);
	c->charged = again ? JDG_PARKED_RETRYING : JDG_PARKED_DEAD;
	c->retry_at = DT_NOBEGIN;
}

void
jdg_event_charged_batch(JdgCursor *c, int64 last_id)
{
	forget_blocked(c);
	c->failed++;
	c->blocked_id = last_id;
	c->retry_at = DT_NOBEGIN;
}

bool
jdg_event_is_charged(const JdgCursor *c, const JdgEvent *e)
{
	return c->charged != 0 && c->blocked_id == e->event_id;
}

bool
jdg_event_apply_charge(const JdgSubscription *s, JdgCursor *c,
					   const JdgEvent *e)
{
	JdgCallFailure f = {0};		/* its error has been noted */
	bool		again = c->charged == JDG_PARKED_RETRYING;
	int64		delay = jdg_retry_delay(s->retry, c->attempts);

	return s->on_failure == JDG_ON_FAILURE_BLOCK ?
		block(s, c, e, &f, c->attempts, again, delay) :
		set_aside(s, c, e, &f, c->attempts, again, delay);
}

void
jdg_event_succeeded(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e,
					const JdgParked *parked)
{
	c->handled++;
	c->in_a_row = 0;
	c->retry_at = DT_NOBEGIN;
	/* another one may have been charged, and its turn comes */
	if (c->blocked_id == e->event_id)
		forget_blocked(c);
	c->last_event_id = e->event_id;
	c->last_handled_at = jdg_now();
	if (parked == NULL)
		return;
	jdg_parked_remove(s->subscription_id, parked->event_id);
	c->parked--;
	jdg_parked_release(s->subscription_id, parked, jdg_now());
}

void
jdg_event_hold(const JdgSubscription *s, JdgCursor *c, const JdgEvent *e)
{
	JdgParked	p = {0};

	p.event_id = e->event_id;
	p.type = e->type;
	p.key = e->key;
	p.holds_key = true;
	p.state = JDG_PARKED_HELD;
	p.next_at = DT_NOBEGIN;
	jdg_parked_add(s->subscription_id, c->shard, &p);
	c->parked++;
	JDG_FAULT("delivery-held");
	if (c->parked >= jdg_max_parked)
		wait_after_failures(c);
}
