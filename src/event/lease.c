/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Leases of shards, see lease.h.
 *
 * Runs in sessions of consumers.  The lock of the cursor's row protects the
 * lease; it is held until the transaction of the caller ends.
 *
 * A token is 'SUBSCRIPTION.SHARD.EPOCH.SECRET'.  The epoch tells which lease
 * of the shard it is.  The secret tells it from the lease of the same epoch in
 * another server that has the same rows, such as one restored from a backup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "access/identity.h"
#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "event/lease.h"
#include "event/notice.h"
#include "event/reader.h"
#include "event/reshard.h"

/* the parts of a token */
typedef struct Token
{
	int64		subscription_id;
	int64		shard;
	int64		epoch;
	uint64		secret;
} Token;

TimestampTz
jdg_lease_until(TimestampTz now, const Interval *lease)
{
	(void) jdg_check_interval("lease", lease, false);
	if (jdg_interval_us(lease) > JDG_LEASE_US_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("lease must not be longer than 12 hours"),
				 errhint("Extend it with jadugar.extend_lease().")));
	return jdg_time_elapsed(now, lease);
}

char *
jdg_lease_token(const JdgCursor *c)
{
	return psprintf("%lld.%d.%lld.%016llx", (long long) c->subscription_id,
					c->shard, (long long) c->lease.epoch,
					(unsigned long long) c->lease.secret);
}

/* Reads a number of digits only, up to the character "end". */
static bool
read_number(const char **text, char end, int64 *number)
{
	const char *at = *text;

	*number = 0;
	while (*at >= '0' && *at <= '9' && *number < PG_INT64_MAX / 100)
		*number = *number * 10 + (*at++ - '0');
	if (at == *text ||*at != end)
		return false;
	*text = at + 1;
	return true;
}

static bool
read_token(const char *text, Token *t)
{
	int			n = 0;

	if (!read_number(&text, '.', &t->subscription_id) ||
		!read_number(&text, '.', &t->shard) ||
		!read_number(&text, '.', &t->epoch) || t->shard > PG_INT32_MAX)
		return false;
	t->secret = 0;
	for (; *text !='\0' && n <= 16; text ++, n++)
	{
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, *text);

		if (digit == NULL)
			return false;
		t->secret = t->secret << 4 | (uint64) (digit - digits);
	}
	return n == 16;
}

JDG_NORETURN static void
raise_lost(void)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_LEASE_LOST),
			 errmsg("the lease has ended"),
			 errdetail("Its events were acknowledged or given up, or another consumer has taken the shard over."),
			 errhint("Roll back what was done for these events, and fetch again.")));
}

/* Who does not own the subscription does not learn its name. */
static void
require_owner(const JdgSubscription *s)
{
	if (!jdg_may_manage(GetUserId(), s->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for the subscription of the token"),
				 errdetail("Role \"%s\" is neither a member of its owner nor an operator.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Act as a member of that role, or as an operator.")));
}

const JdgSubscription *
jdg_lease_hold(const char *token, JdgCursor *c)
{
	const JdgSubscription *s;
	Token		t;

	if (!read_token(token, &t))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid token \"%s\"", jdg_excerpt(token)),
				 errhint("Pass a token that jadugar.fetch_events() has returned.")));
	jdg_require_adopted();
	s = jdg_subscription_get(t.subscription_id);
	if (s == NULL)
		raise_lost();
	require_owner(s);
	if (!jdg_cursor_wait(t.subscription_id, (int32) t.shard, c))
		raise_lost();
	jdg_event_notice_locked(c->subscription_id, c->shard);
	if (s->reshard != NULL)
		jdg_event_notice_resharding(c->subscription_id, c->shard, false);
	if (!c->lease.held || c->lease.epoch != t.epoch ||
		(uint64) c->lease.secret != t.secret)
		raise_lost();
	(void) jdg_subscription_settled(t.subscription_id, true);
	if (!jdg_subscription_is_current(s))
	{
		/* changed by the transaction that had the lock */
		s = jdg_subscription_get(t.subscription_id);
		if (s == NULL)
			raise_lost();
		require_owner(s);
	}
	return s;
}

void
jdg_lease_write(const JdgSubscription *s, const JdgCursor *c, bool more)
{
	TimestampTz next = DT_NOEND;
	JdgParked	due;

	jdg_cursor_write_lease(c);
	if (c->lease.held)
		next = c->lease.until;
	else if (c->retry_at != DT_NOBEGIN)
		next = c->retry_at;
	else if (c->parked > 0 &&
			 jdg_parked_next(c->subscription_id, c->shard, jdg_now(), NULL,
							 &due, &next))
		more = true;
	jdg_event_notice_due(next);
	if (s->reshard != NULL)
		jdg_event_notice_resharding(c->subscription_id, c->shard,
									!c->lease.held &&
									jdg_reshard_is_there(s, c));
	if (more && !c->lease.held)
		jdg_event_notice_more(c->subscription_id, c->shard);
}

void
jdg_lease_begin(JdgCursor *c, const char *consumer, TimestampTz until)
{
	JdgLease   *l = &c->lease;

	Assert(!l->held);
	l->epoch++;
	l->held = true;
	if (!pg_strong_random(&l->secret, sizeof(l->secret)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token")));
	l->consumer = pstrdup(consumer);
	l->until = until;
	l->aside = l->end = false;
	l->ngiven = 0;
	l->given = NULL;
}

void
jdg_lease_end(JdgCursor *c)
{
	int64		epoch = c->lease.epoch;

	memset(&c->lease, 0, sizeof(c->lease));
	c->lease.epoch = epoch;
	c->lease.until = DT_NOBEGIN;
}

/* One event has been handled. */
static void
succeed(const JdgSubscription *s, JdgCursor *c, int64 event_id)
{
	JdgEvent	e = {.event_id = event_id};
	JdgParked	parked;

	if (!c->lease.aside)
	{
		jdg_event_succeeded(s, c, &e, NULL);
		c->after_id = event_id;
	}
	else if (jdg_parked_read(s->subscription_id, event_id, &parked))
		jdg_event_succeeded(s, c, &e, &parked);
}

void
jdg_lease_ack(const JdgSubscription *s, JdgCursor *c, const int64 *up_to)
{
	JdgLease   *l = &c->lease;
	int			n = l->ngiven;

	while (up_to && n > 0 && l->given[n - 1] != *up_to)
		n--;
	if (n == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("event %lld is not one of the lease",
						(long long) *up_to),
				 errdetail("The lease has %d events, from %lld to %lld.",
						   l->ngiven, (long long) l->given[0],
						   (long long) l->given[l->ngiven - 1])));
	for (int i = 0; i < n; i++)
		succeed(s, c, l->given[i]);
	l->given += n;
	l->ngiven -= n;
	if (l->ngiven > 0)
		return;
	if (l->end)
		jdg_reader_finish(c);
	jdg_lease_end(c);
}

/* An event has failed; false: it has been dropped, or was given up. */
static bool
fail(const JdgSubscription *s, JdgCursor *c, int64 event_id,
	 const JdgCallFailure *failure)
{
	JdgParked	parked;
	JdgTopic	topic;
	JdgEvent	e;
	bool		found;

	if (c->lease.aside &&
		!jdg_parked_read(s->subscription_id, event_id, &parked))
		return false;
	PushActiveSnapshot(GetLatestSnapshot());
	found = jdg_parked_read_event(s->subscription_id, event_id, &e, &topic);
	PopActiveSnapshot();
	if (!found)
		return false;
	if (c->lease.aside)
		(void) jdg_event_failed(s, c, &e, &parked, failure);
	else if (jdg_event_failed(s, c, &e, NULL, failure))
		c->after_id = event_id;
	return true;
}

void
jdg_lease_nack(const JdgSubscription *s, JdgCursor *c, int64 event_id,
			   const JdgCallFailure *failure)
{
	if (event_id != c->lease.given[0])
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("event %lld is not the first one of the lease",
						(long long) event_id),
				 errdetail("The first one is %lld.",
						   (long long) c->lease.given[0]),
				 errhint("Acknowledge the events before it with jadugar.ack(), in the same transaction.")));
	(void) fail(s, c, event_id, failure);
	jdg_lease_end(c);
}

/* Counts an attempt of an event that stays where it is. */
static void
charge(const JdgSubscription *s, JdgCursor *c, int64 event_id,
	   const JdgCallFailure *failure)
{
	JdgParked	parked;
	int			attempts;

	if (!c->lease.aside)
	{
		attempts = c->blocked_id == event_id ? c->attempts + 1 : 1;
		if (attempts >= s->max_attempts)
		{
			(void) fail(s, c, event_id, failure);
			return;
		}
		jdg_event_note_error(c, event_id, failure->error);
		c->attempts = attempts;
		c->failed++;
		return;
	}
	if (!jdg_parked_read(s->subscription_id, event_id, &parked))
		return;
	attempts = parked.attempts + 1;
	if (attempts >= s->max_attempts)
	{
		(void) fail(s, c, event_id, failure);
		return;
	}
	parked.attempts = attempts;
	parked.errors = jdg_parked_add_error(parked.errors, failure->error);
	jdg_parked_change(s->subscription_id, &parked);
	c->failed++;
}

void
jdg_lease_expire(const JdgSubscription *s, JdgCursor *c)
{
	JdgLease   *l = &c->lease;
	ErrorData	edata = {0};
	JdgCallFailure failure = {.discarded = true};

	if (l->ngiven == 1)
	{
		edata.sqlerrcode = failure.sqlerrcode = JDG_ERRCODE_LEASE_LOST;
		edata.message = psprintf("the lease of consumer \"%s\" has run out",
								 l->consumer);
		failure.error = jdg_error_to_jsonb(&edata, NULL);
		charge(s, c, l->given[0], &failure);
	}
	else if (c->blocked_id < l->given[l->ngiven - 1])
	{
		c->blocked_id = l->given[l->ngiven - 1];
		c->attempts = 0;
		c->errors = NULL;
	}
	jdg_lease_end(c);
}
