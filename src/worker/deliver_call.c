/*-------------------------------------------------------------------------
 *
 * deliver_call.c
 *	  Calling the handler of a subscription.
 *
 * A call is run like a task that has no row: in a subtransaction or fused,
 * with a deadline and preemption (run.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/settings.h"
#include "event/current.h"
#include "worker/deliver.h"

/* A text that all events of the call have; else NULL. */
static char *
common_text(const JdgPending *p, int n, size_t offset)
{
	char	   *text = *(char **) ((char *) &p[0].event + offset);

	for (int i = 1; i < n && text !=NULL; i++)
	{
		char	   *other = *(char **) ((char *) &p[i].event + offset);

		if (other == NULL || strcmp(text, other) != 0)
			text = NULL;
	}
	return text;
}

/* Shows the call in the slot, so that the scheduler can charge it. */
static void
show_call(const JdgTask *t, const JdgCursor *c, int64 event_id, int64 last_id)
{
	JdgSlotTask *st = &jdg_my_slot->task[0];

	SpinLockAcquire(&jdg_my_slot->mutex);
	memset(st, 0, sizeof(*st));
	st->task_id = t->task_id;
	st->owner = jdg_my_slot->owner;
	st->attempt = t->attempt;
	st->phase = JDG_TASK_CLAIMED;
	st->call.subscription_id = c->subscription_id;
	st->call.event_id = event_id;
	st->call.last_id = last_id;
	st->call.shard = c->shard;
	st->call.attempts = t->attempt;
	jdg_my_slot->ntasks = 1;
	SpinLockRelease(&jdg_my_slot->mutex);
}

static void
failure_of(const JdgOutcome *o, JdgCallFailure *f)
{
	memset(f, 0, sizeof(*f));
	f->sqlerrcode = o->sqlerrcode;
	f->error = o->error;
	f->discarded = o->end == JDG_END_DISCARDED;
	if (o->end == JDG_END_SNOOZED)
		f->snooze_us = Max(o->snooze_us, 1);
	if (o->end == JDG_END_CANCELLED)
		f->sqlerrcode = ERRCODE_QUERY_CANCELED;
}

/*
 * The command whose past the calls have, see quick.c.  Making a task of it is
 * another work than running it.
 */
int64
jdg_deliver_command(const JdgSubscription *s)
{
	return s->delivery == JDG_DELIVERY_TASK ? -s->command_id : s->command_id;
}

/* The end of a call that made a task, or could not. */
static JdgCallEnd
end_of_task(JdgRound *r, const JdgDelivery *d, const JdgOutcome *o,
			JdgCallFailure *failure)
{
	if (o->end == JDG_END_COMPLETED)
	{
		switch (d->task.made)
		{
			case JDG_EVENT_TASK_FULL:
				r->pause = JDG_ROOM_PAUSE;
				r->queue_id = d->task.queue_id;
				return JDG_CALL_FULL;
			case JDG_EVENT_TASK_BUSY:
				r->pause = JDG_LOCKED_PAUSE;
				return JDG_CALL_FULL;
			case JDG_EVENT_TASK_MADE:
				JDG_FAULT("delivery-task-made");
				r->done++;
				return JDG_CALL_DONE;
			case JDG_EVENT_TASK_REFUSED:
			case JDG_EVENT_TASK_FAILED:
				break;
		}
		elog(ERROR, "no task was made of an event");
	}
	failure_of(o, failure);
	return d->task.made == JDG_EVENT_TASK_REFUSED && o->end == JDG_END_FAILED ?
		JDG_CALL_REFUSED : JDG_CALL_FAILED;
}

/* Calls the handler for n events, or makes a task of one. */
JdgCallEnd
jdg_deliver_call(JdgRound *r, const JdgPending *p, int n, int attempts,
				 JdgCallFailure *failure)
{
	int64		window = (int64) (jdg_group_commit_window * 1000);
	const JdgSubscription *s = r->s;
	JdgCurrentEvent current;
	JdgDelivery d = {&current};
	JdgTask		t = {0};
	JdgOutcome	o;
	bool		alone = r->done == 0;	/* what failed has been undone */

	jdg_current_event_set(&current, s, r->c.shard, attempts, p, n);
	t.task_id = -p->event.event_id;
	t.owner = s->owner;
	t.command_id = jdg_deliver_command(s);
	t.attempt = attempts;
	t.transaction = JDG_XACT_COMMITTED;
	t.timeout = s->timeout;
	t.tenant = common_text(p, n, offsetof(JdgEvent, tenant));
	t.trace = common_text(p, n, offsetof(JdgEvent, trace));
	t.started_at = t.scheduled_for = DT_NOBEGIN;
	d.quiet = jdg_subscription_is_quiet(s);
	if (s->delivery == JDG_DELIVERY_TASK)
		d.make_task = s;
	else
	{
		t.settings = s->settings;
		d.data = p->event.data;
		jdg_event_argument(s, p, n, &d.type, &d.value);
	}
	show_call(&t, &r->c, p->event.event_id, p[n - 1].event.event_id);
	r->calls++;
	switch (jdg_run_task(&t, 0, alone ? 0 : r->start + Max(2 * window, 1000),
						 &d, &o))
	{
		case JDG_RUN_ENDED:
			break;
		case JDG_RUN_ALONE:
			jdg_run_alone_next(t.task_id);
			return JDG_CALL_ALONE;
		case JDG_RUN_UNDONE:
			r->undone = r->stop = true;
			return JDG_CALL_UNDONE;
	}
	jdg_run_alone_done(t.task_id);
	if (d.make_task != NULL)
		return end_of_task(r, &d, &o, failure);
	if (o.end == JDG_END_COMPLETED)
	{
		r->done++;
		return JDG_CALL_DONE;
	}
	failure_of(&o, failure);
	return JDG_CALL_FAILED;
}
