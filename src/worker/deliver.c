/*-------------------------------------------------------------------------
 *
 * deliver.c
 *	  Events for the handlers of subscriptions.
 *
 * A worker takes a shard of its role that has news (shared/feed.h).  In one
 * transaction it handles events of the shard's window in order, writes the
 * cursor, and commits: effects, what handlers publish, and the position are
 * one commit.  Each call of a handler has a subtransaction, as tasks have.
 *
 * First the position is read without a lock: a window that has nothing for the
 * shard costs no transaction id.  Then the cursor's row is locked, without
 * waiting, and read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "event/charge.h"
#include "event/era.h"
#include "event/reshard.h"
#include "shared/database.h"
#include "worker/deliver.h"

static JdgRound round_;

bool		jdg_deliver_one_by_one = false;

/* the call of a transaction of one that could not commit, to be charged */
static JdgCall failed_call;		/* subscription_id 0: none */
static int	failed_sqlerrcode;
static Jsonb *failed_error = NULL;	/* in TopMemoryContext */

/*
 * Looks whether there is something to do, without a lock.  False: nothing; the
 * cursor stays as it is.
 */
static bool
has_work(JdgRound *r, TimestampTz *due, bool *hold)
{
	TimestampTz now = jdg_now();

	if (r->c.retry_at != DT_NOBEGIN && r->c.retry_at > now)
	{
		*due = r->c.retry_at;
		*hold = true;
		return false;
	}
	return jdg_reader_has_work(r->s, &r->c, now, r->call_mcxt, due);
}

/* When the shard is to be looked at again, after its turn. */
static void
plan_next(JdgRound *r, TimestampTz *due, bool *hold)
{
	JdgParked	parked;

	if (r->c.retry_at != DT_NOBEGIN || r->pause > 0)
	{
		*due = r->pause > 0 ? jdg_now() + r->pause : r->c.retry_at;
		*hold = true;
		r->more = false;
	}
	else if (r->c.parked > 0 &&
			 jdg_parked_next(r->c.subscription_id, r->c.shard, jdg_now(),
							 NULL, &parked, due))
		r->more = true;
}

/*
 * Locks the cursor, and serves the shard from where it is.  A snapshot is
 * active, as our own SQL needs one.
 */
static void
serve(JdgRound *r, TimestampTz *due, bool *hold)
{
	JdgXidSet  *upto = r->c.upto;
	JdgCursor	seen = r->c;
	bool		old;

	/* a session has locked it, which may roll back and say nothing */
	if (!jdg_cursor_lock(seen.subscription_id, seen.shard, &r->c) ||
		!jdg_subscription_settled(seen.subscription_id, false))
	{
		*due = jdg_now() + JDG_LOCKED_PAUSE;
		return;
	}
	if (r->c.upto == NULL)
		seen.upto = NULL;
	/* it may have been changed since the subscription was read */
	if (!jdg_cursor_same_place(&r->c, &seen) || r->c.lease.held ||
		!jdg_subscription_is_current(r->s))
	{
		r->more = true;
		return;
	}
	old = r->c.upto != NULL || r->c.era < jdg_era_now();
	if (r->c.upto == NULL)
		r->c.upto = upto;
	r->c.retry_at = DT_NOBEGIN;
	JDG_FAULT("delivery-taken");
	jdg_deliver_parked(r, due);
	if (!r->stop && !r->c.done)
		jdg_deliver_window(r);
	if (r->undone)
		return;
	if (!r->c.done)
		jdg_reader_pause();
	if (!r->stop && !r->more && !r->c.done)
	{
		jdg_reader_finish(&r->c);
		/* news was read later than an old window was taken, or an old era */
		r->more = old && !r->c.done;
	}
	jdg_cursor_write(&r->c);
	r->ended = (r->c.done && r->c.parked == 0) ||
		jdg_reshard_is_there(r->s, &r->c);
	plan_next(r, due, hold);
	JDG_FAULT("delivery-cursor-written");
}

/* Gives the shard back after a commit. */
static void
release(JdgRound *r, TimestampTz due, bool hold)
{
	jdg_feed_await_room(r->feed, r->queue_id);
	jdg_feed_release(r->feed, r->news, r->more, due, hold);
	r->feed = NULL;
	if (due != DT_NOEND)
		jdg_db_wake(jdg_my_db(), JDG_WAKE_FEEDS);
}

/* Charges the event of a transaction that could not commit. */
static void
charge_failed_commit(void)
{
	JdgCall		call = failed_call;

	/* if this fails too, the event is tried again, uncharged */
	failed_call.subscription_id = 0;
	jdg_group_begin(XACT_READ_COMMITTED);
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_event_charge_commit(&call, failed_sqlerrcode, failed_error);
	PopActiveSnapshot();
	JDG_FAULT("delivery-commit-charged");
	CommitTransactionCommand();
	jdg_db_delivered(jdg_my_db());
	if (failed_error != NULL)
		pfree(failed_error);
	failed_error = NULL;
	jdg_feed_release(round_.feed, round_.news, true, DT_NOEND, false);
	round_.feed = NULL;
}

/*
 * The transaction was aborted by the error of a fused call.  Nothing of it is
 * charged: the shard is ready again, and the calls run in subtransactions next
 * time.
 */
static void
undo_round(JdgRound *r)
{
	JDG_FAULT("delivery-undone");
	jdg_reader_forget();
	jdg_slot_clear(jdg_my_slot);
	r->more = true;
	release(r, DT_NOEND, false);
	jdg_session_reset_group(true);
	pgstat_report_stat(false);
}

bool
jdg_deliver(void)
{
	JdgRound   *r = &round_;
	TimestampTz due = DT_NOEND;
	bool		hold = false;
	bool		temp_used;

	if (failed_call.subscription_id != 0)
	{
		charge_failed_commit();
		return true;
	}
	if (pg_atomic_read_u32(&jdg_my_db()->paused) != 0)
		return false;
	MemoryContextReset(jdg_group_context);
	memset(r, 0, sizeof(*r));
	r->feed = jdg_feed_take(MyDatabaseId, jdg_my_slot->owner,
							(int) (jdg_my_slot - jdg_slots), &r->news);
	if (r->feed == NULL)
		return false;
	jdg_group_begin(XACT_READ_COMMITTED);
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->state = JDG_SLOT_BUSY;
	SpinLockRelease(&jdg_my_slot->mutex);
	r->start = GetCurrentTimestamp();
	r->call_mcxt = AllocSetContextCreate(jdg_group_context, "jadugar call",
										 ALLOCSET_DEFAULT_SIZES);
	r->s = jdg_subscription_get(r->feed->subscription_id);
	if (r->s != NULL && r->s->active &&
		r->s->delivery != JDG_DELIVERY_FETCH &&
		r->s->owner == jdg_my_slot->owner &&
		jdg_cursor_read(r->feed->subscription_id, r->feed->shard, &r->c) &&
		!r->c.lost &&
		has_work(r, &due, &hold))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		serve(r, &due, &hold);
		if (r->undone)
		{
			undo_round(r);
			return true;
		}
		PopActiveSnapshot();
	}
	temp_used = (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0;
	JDG_FAULT("delivery-before-commit");
	r->committing = true;
	CommitTransactionCommand();
	r->committing = false;
	JDG_FAULT("delivery-committed");
	jdg_db_delivered(jdg_my_db());
	if (r->calls > 0)
		jdg_deliver_one_by_one = false;
	jdg_slot_clear(jdg_my_slot);
	release(r, due, hold);
	/* it needs no feed any more, or gives way to other shards */
	if (r->ended)
		jdg_db_wake(jdg_my_db(), JDG_WAKE_EVENTS);
	jdg_session_reset_group(temp_used);
	pgstat_report_stat(false);
	return true;
}

/*
 * The error of the commit of a transaction with one call is that event's: it
 * is charged next, before another worker may take the shard.  After one with
 * more, they run one by one.  An error of our own statements charges nobody.
 * Returns whether one is to be charged.
 */
static bool
note_failed(ErrorData *edata)
{
	const JdgCall *call = &jdg_my_slot->task[0].call;
	Jsonb	   *error;

	if (round_.calls != 1 || !round_.committing || jdg_my_slot->ntasks == 0 ||
		call->subscription_id == 0)
	{
		jdg_deliver_one_by_one = true;
		return false;
	}
	failed_call = *call;
	failed_sqlerrcode = edata->sqlerrcode;
	error = jdg_error_to_jsonb(edata, NULL);
	/* there is one if the one before could not be charged */
	if (failed_error != NULL)
		pfree(failed_error);
	failed_error = MemoryContextAlloc(TopMemoryContext, VARSIZE(error));
	memcpy(failed_error, error, VARSIZE(error));
	round_.calls = 0;
	round_.committing = false;
	return true;
}

bool
jdg_deliver_failed(ErrorData *edata)
{
	bool		charge;

	jdg_reader_forget();
	if (round_.feed == NULL)
		return false;
	charge = round_.calls > 0 && note_failed(edata);
	jdg_slot_clear(jdg_my_slot);
	if (!charge)
	{
		/* the shard is free, so another worker may try this event, uncharged */
		failed_call.subscription_id = 0;
		jdg_feed_release(round_.feed, round_.news, true, DT_NOEND, false);
		round_.feed = NULL;
	}
	return charge || round_.committing;
}
