/*-------------------------------------------------------------------------
 *
 * deliver_shard.c
 *	  Handling events of a shard, until there is a reason to commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/settings.h"
#include "worker/deliver.h"

/* calls in one transaction, without subtransactions and with them */
#define FUSED_MAX 4096
#define CALLS_MAX 32

/* tasks of events have a transaction of their own anyway, when they run */
static bool
is_isolated(const JdgSubscription *s)
{
	return s->isolate && s->delivery == JDG_DELIVERY_INLINE;
}

/*
 * May another call follow in this transaction?  A command that is not known to
 * be quick is called alone.
 */
static bool
may_go_on(JdgRound *r, int64 event_id)
{
	int64		window = (int64) (jdg_group_commit_window * 1000);
	int			most = jdg_deliver_one_by_one || is_isolated(r->s) ? 1 :
	jdg_command_is_safe(jdg_deliver_command(r->s)) ? FUSED_MAX : CALLS_MAX;

	if (r->stop || r->calls >= most ||
		jdg_session_ends_group() ||
		GetCurrentTimestamp() - r->start >= window)
		return r->calls == 0 && !r->stop;
	return r->calls == 0 ||
		(jdg_command_is_quick(jdg_deliver_command(r->s)) &&
		 !jdg_must_run_alone(-event_id));
}

/*
 * The shard's turn ends if it is to wait.  What the cursor keeps of the
 * failure must outlive the call.
 */
static void
after_failure(JdgRound *r)
{
	if (r->c.retry_at != DT_NOBEGIN)
		r->stop = true;
	if (r->c.errors != NULL)
	{
		Jsonb	   *copy = MemoryContextAlloc(jdg_group_context,
											  VARSIZE(r->c.errors));

		memcpy(copy, r->c.errors, VARSIZE(r->c.errors));
		r->c.errors = copy;
	}
}

/* Handles one event, set aside before or not.  False: its turn has not come. */
static bool
handle_one(JdgRound *r, JdgPending *p, JdgParked *parked, ErrorData *cast_error)
{
	JdgCallFailure failure = {0};
	int			attempts = parked ? parked->attempts :
	r->c.blocked_id == p->event.event_id ? r->c.attempts : 0;
	JdgCallEnd	end = JDG_CALL_FAILED;

	if (parked == NULL && jdg_event_is_charged(&r->c, &p->event))
	{
		bool		aside = jdg_event_apply_charge(r->s, &r->c, &p->event);

		after_failure(r);
		/* committed before another one can fail likewise and undo it */
		r->stop = r->more = true;
		return aside;
	}
	if (cast_error != NULL)
	{
		failure.sqlerrcode = cast_error->sqlerrcode;
		failure.error = jdg_error_to_jsonb(cast_error, NULL);
	}
	else
		end = jdg_deliver_call(r, p, 1, attempts, &failure);
	switch (end)
	{
		case JDG_CALL_DONE:
			jdg_event_succeeded(r->s, &r->c, &p->event, parked);
			break;
		case JDG_CALL_FAILED:
			if (!jdg_event_failed(r->s, &r->c, &p->event, parked, &failure))
			{
				after_failure(r);
				return false;
			}
			after_failure(r);
			break;
		case JDG_CALL_REFUSED:
			jdg_event_refused(&r->c, &p->event, &failure);
			after_failure(r);
			return false;
		case JDG_CALL_FULL:
		case JDG_CALL_ALONE:
		case JDG_CALL_UNDONE:
			r->stop = true;
			return false;
	}
	JDG_FAULT("delivery-handled");
	return true;
}

/* Reads an event that was set aside; false: it is gone, or not for the owner. */
static bool
is_there(JdgRound *r, int64 event_id, JdgPending *p, ErrorData **failed)
{
	return jdg_parked_read_event(r->c.subscription_id, event_id, &p->event,
								 &p->topic) &&
		jdg_reader_is_for(r->s, p, failed);
}

/* Handles events that were set aside and are due; *next: when others are. */
void
jdg_deliver_parked(JdgRound *r, TimestampTz *next)
{
	MemoryContext old = MemoryContextSwitchTo(r->call_mcxt);
	JdgParked	last = {.next_at = DT_NOBEGIN}; /* handled before */

	while (r->c.parked > 0 && !r->stop)
	{
		JdgParked	parked;
		ErrorData  *failed;
		JdgPending	p;
		bool		found;

		PushActiveSnapshot(GetLatestSnapshot());
		found = jdg_parked_next(r->c.subscription_id, r->c.shard, jdg_now(),
								&last, &parked, next);
		if (found)
		{
			last.next_at = parked.next_at;
			last.event_id = parked.event_id;
		}
		if (found && !may_go_on(r, parked.event_id))
		{
			r->more = r->stop = true;
			found = false;
		}
		else if (found && !is_there(r, parked.event_id, &p, &failed))
		{
			jdg_parked_remove(r->c.subscription_id, parked.event_id);
			r->c.parked--;
			jdg_parked_release(r->c.subscription_id, &parked, jdg_now());
			PopActiveSnapshot();
			continue;
		}
		PopActiveSnapshot();
		if (!found)
			break;
		(void) handle_one(r, &p, &parked, failed);
		MemoryContextReset(r->call_mcxt);
	}
	MemoryContextSwitchTo(old);
}

/* Calls the handler for n events.  *failed: they are to be halved. */
static bool
call_for(JdgRound *r, JdgPending *p, int n, bool *failed)
{
	JdgCallFailure failure = {0};

	*failed = false;
	if (n == 1)
		return handle_one(r, p, NULL, NULL);
	switch (jdg_deliver_call(r, p, n, 0, &failure))
	{
		case JDG_CALL_DONE:
			for (int i = 0; i < n; i++)
				jdg_event_succeeded(r->s, &r->c, &p[i].event, NULL);
			return true;
		case JDG_CALL_FULL:
		case JDG_CALL_ALONE:
		case JDG_CALL_UNDONE:
			r->stop = true;
			return false;
		case JDG_CALL_REFUSED:
		case JDG_CALL_FAILED:
			*failed = true;
			break;
	}
	return false;
}

/* The first of n events that has been charged; n: none. */
static int
find_charged(const JdgRound *r, const JdgPending *p, int n)
{
	int			i = 0;

	while (i < n && !jdg_event_is_charged(&r->c, &p[i].event))
		i++;
	return i;
}

static bool handle_batch(JdgRound *r, JdgPending *p, int n);

/* Handles the first "half" of n events, and then the others. */
static bool
handle_parts(JdgRound *r, JdgPending *p, int half, int n)
{
	if (!handle_batch(r, p, half))
		return false;
	r->c.after_id = p[half - 1].event.event_id;
	return half == n ||
		(!r->stop && handle_batch(r, p + half, n - half));
}

/*
 * Handles n events in one call; halves them if that fails.  Those that are
 * held behind one that was set aside join it when the position moves past
 * them, not earlier: else they would come again after they were handled.
 * False: not all have had their turn, and c.after_id is right.
 */
static bool
handle_batch(JdgRound *r, JdgPending *p, int n)
{
	int			charged = find_charged(r, p, n);
	JdgPending *called;
	JdgEvent  **held;
	int			ncalled = 0;
	int			nheld = 0;
	bool		failed;

	if (n > 1 && charged < n)
		return handle_parts(r, p, Max(charged, 1), n);
	called = palloc(sizeof(JdgPending) * n);
	held = palloc(sizeof(JdgEvent *) * n);
	for (int i = 0; i < n; i++)
	{
		bool		itself;

		if (r->c.parked == 0 ||
			!jdg_parked_holds(r->c.subscription_id, &p[i].event, &itself))
			called[ncalled++] = p[i];
		else if (!itself)
			held[nheld++] = &p[i].event;
	}
	if (ncalled > 0 && !call_for(r, called, ncalled, &failed))
		return failed && handle_parts(r, p, n / 2, n);
	for (int i = 0; i < nheld; i++)
		jdg_event_hold(r->s, &r->c, held[i]);
	after_failure(r);
	return true;
}

/* Handles events of the window until there is a reason to commit. */
void
jdg_deliver_window(JdgRound *r)
{
	MemoryContext old = MemoryContextSwitchTo(r->call_mcxt);
	TimestampTz until = r->start + (int64) (jdg_group_commit_window * 1000);
	bool		end = false;

	jdg_reader_seek(r->c.after_id);
	while (!end && !r->stop)
	{
		JdgGathered g;
		JdgPending *p;
		int64		last;

		PushActiveSnapshot(GetLatestSnapshot());
		jdg_reader_gather(r->s, &r->c, Max(r->s->batch, 1), until, true, &g);
		PopActiveSnapshot();
		if (r->c.retry_at != DT_NOBEGIN)
			r->stop = true;
		end = g.end;
		if (g.n == 0)
			break;
		p = g.pending;
		last = p[g.n - 1].event.event_id;
		if (!may_go_on(r, p[0].event.event_id))
		{
			/* these come again: the window goes back to the position */
			r->stop = true;
			end = false;
		}
		else if (g.failed != NULL && g.n > 1)
		{
			/* the last one alone, next time */
			if (handle_batch(r, p, g.n - 1))
				r->c.after_id = p[g.n - 2].event.event_id;
			r->stop = true;
			end = false;
		}
		else if (g.failed != NULL ? handle_one(r, p, NULL, g.failed) :
				 handle_batch(r, p, g.n))
			r->c.after_id = last;
		else
		{
			r->stop = true;
			end = false;
		}
		MemoryContextReset(r->call_mcxt);
	}
	MemoryContextSwitchTo(old);
	r->more |= !end;
}
