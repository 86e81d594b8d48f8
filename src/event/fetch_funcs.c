/*-------------------------------------------------------------------------
 *
 * fetch_funcs.c
 *	  SQL function fetch_events().
 *
 * Runs in the session of a consumer outside the server.  A call looks at the
 * free shards of the subscription without a lock.  The first one that may have
 * something is locked, if no other transaction has locked it, and leased: one
 * event that was set aside and is due, or the next events of the window.  All
 * this commits with the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/spi.h"
#include "event/era.h"
#include "event/fetchable.h"
#include "event/lease.h"
#include "event/notice.h"
#include "event/reader.h"
#include "event/reshard.h"
#include "event/subscribed.h"
#include "shared/database.h"
#include "shared/feed.h"
#include "shared/shmem.h"

/* how long a call passes over events that are not for the subscription */
#define PASSING_US	USECS_PER_SEC

typedef struct FetchArgs
{
	char	   *subscription;
	char	   *consumer;
	int32		max_rows;
	Interval   *lease;
	char	   *ack;
	char	   *owner;
} FetchArgs;

static const JdgArg fetch_args[] = {
	{"subscription", TEXTOID, offsetof(FetchArgs, subscription), JDG_NEEDED},
	{"consumer", TEXTOID, offsetof(FetchArgs, consumer), JDG_NEEDED},
	{"max_rows", INT4OID, offsetof(FetchArgs, max_rows), JDG_NEEDED},
	{"lease", INTERVALOID, offsetof(FetchArgs, lease), JDG_NEEDED},
	{"ack", TEXTOID, offsetof(FetchArgs, ack)},
	{"owner", TEXTOID, offsetof(FetchArgs, owner)},
};

/* a call */
typedef struct Fetch
{
	FetchArgs	a;
	const JdgSubscription *s;
	TimestampTz now;
	TimestampTz until;			/* of the lease */
	ReturnSetInfo *rsinfo;
	TupleDesc	event_desc;
	MemoryContext look;			/* reset often */
} Fetch;

/* Finds the subscription, as it is now; NULL: it has just been dropped. */
static const JdgSubscription *
find_subscription(const Fetch *f)
{
	const JdgSubscription *s =
	jdg_subscription_get(jdg_subscription_id(f->a.subscription,
											 jdg_owner_of_call(f->a.owner)));

	if (s != NULL)
		jdg_fetch_check(s);
	return s;
}

/* Adds an event to the result. */
static void
put_row(Fetch *f, const JdgCursor *c, const char *token, const JdgPending *p,
		int attempts)
{
	Datum		values[4];
	bool		nulls[4] = {0};

	values[0] = CStringGetTextDatum(token);
	values[1] = Int32GetDatum(c->shard);
	values[2] = Int32GetDatum(attempts + 1);
	values[3] = jdg_event_info(f->event_desc, &p->event, &p->topic, true);
	tuplestore_putvalues(f->rsinfo->setResult, f->rsinfo->setDesc, values,
						 nulls);
}

/* Leases the shard with n events. */
static void
give(Fetch *f, JdgCursor *c, const JdgPending *p, int n,
	 const JdgParked *parked, bool end)
{
	char	   *token;

	jdg_lease_begin(c, f->a.consumer, f->until);
	c->lease.aside = parked != NULL;
	c->lease.end = end;
	c->lease.given = palloc(sizeof(int64) * n);
	c->lease.ngiven = n;
	token = jdg_lease_token(c);
	for (int i = 0; i < n; i++)
	{
		int64		id = p[i].event.event_id;

		c->lease.given[i] = id;
		put_row(f, c, token, &p[i], parked ? parked->attempts :
				c->blocked_id == id ? c->attempts : 0);
	}
	if (jdg_audit_is_given(f->s->owner))
		jdg_audit_detail("fetch_events", "subscription", f->s->name,
						 f->s->owner,
						 psprintf("consumer \"%s\", number %d",
								  f->a.consumer, n), NULL);
}

/* An event that could not be cast has failed, without a consumer. */
static bool
fail_cast(Fetch *f, JdgCursor *c, const JdgEvent *e, JdgParked *parked,
		  ErrorData *edata)
{
	JdgCallFailure failure = {edata->sqlerrcode};

	failure.error = jdg_error_to_jsonb(edata, NULL);
	return jdg_event_failed(f->s, c, e, parked, &failure);
}

/* Gives the first event that was set aside and is due; false: none is. */
static bool
give_parked(Fetch *f, JdgCursor *c)
{
	JdgParked	last = {.next_at = DT_NOBEGIN};

	while (c->parked > 0 && c->retry_at == DT_NOBEGIN)
	{
		ErrorData  *failed = NULL;
		TimestampTz next;
		JdgParked	parked;
		JdgPending	p;
		bool		wanted;

		CHECK_FOR_INTERRUPTS();
		if (!jdg_parked_next(c->subscription_id, c->shard, f->now, &last,
							 &parked, &next))
			return false;
		last.next_at = parked.next_at;
		last.event_id = parked.event_id;
		PushActiveSnapshot(GetLatestSnapshot());
		wanted = jdg_parked_read_event(c->subscription_id, parked.event_id,
									   &p.event, &p.topic) &&
			jdg_reader_is_for(f->s, &p, &failed);
		PopActiveSnapshot();
		if (failed != NULL)
			(void) fail_cast(f, c, &p.event, &parked, failed);
		else if (wanted)
		{
			give(f, c, &p, 1, &parked, false);
			return true;
		}
		else
		{
			/* it is gone, or not for the owner any more */
			jdg_parked_remove(c->subscription_id, parked.event_id);
			c->parked--;
			jdg_parked_release(c->subscription_id, &parked, f->now);
		}
	}
	return false;
}

/*
 * Gives the next events of the window; false: there are none.  Then the
 * position may have moved, and *more says that the window was left before its
 * end.
 */
static bool
give_window(Fetch *f, JdgCursor *c, bool old, bool *more)
{
	TimestampTz until = GetCurrentTimestamp() + PASSING_US;

	while (c->retry_at == DT_NOBEGIN && !c->done)
	{
		JdgGathered g;

		jdg_reader_find(f->s, c);
		jdg_reader_seek(c->after_id);
		PushActiveSnapshot(GetLatestSnapshot());
		jdg_reader_gather(f->s, c, f->a.max_rows, until, false, &g);
		PopActiveSnapshot();
		jdg_reader_pause();
		if (g.failed != NULL && g.n == 1)
		{
			const JdgEvent *e = &g.pending[0].event;

			if (fail_cast(f, c, e, NULL, g.failed))
				c->after_id = e->event_id;
		}
		else if (g.n > 0)
		{
			/* the last one comes alone, next time */
			if (g.failed != NULL)
				g.n--;
			give(f, c, g.pending, g.n, NULL, g.end);
			return true;
		}
		else if (!g.end)
		{
			*more = true;
			break;
		}
		else
		{
			bool		last = !old && c->era == jdg_era_now();

			jdg_reader_finish(c);
			/* else its end may be long ago */
			if (last)
				break;
			old = false;
		}
	}
	return false;
}

/*
 * Gives what comes next in a locked shard.  "old": its window was open before.
 * Nothing if new shards are to begin.
 */
static bool
give_next(Fetch *f, JdgCursor *c, bool old)
{
	bool		more = false;
	bool		given = !jdg_reshard_is_ready(f->s) &&
	(give_parked(f, c) || give_window(f, c, old, &more));

	jdg_lease_write(f->s, c, more);
	JDG_FAULT("fetch-leased");
	return given;
}

/* Serves a locked shard, from the position that has been looked at. */
static bool
serve(Fetch *f, JdgCursor *c, JdgXidSet *upto)
{
	bool		old = c->upto != NULL;

	c->retry_at = DT_NOBEGIN;
	if (c->lease.held)
		jdg_lease_expire(f->s, c);
	if (!old && !jdg_reshard_is_there(f->s, c))
		c->upto = upto;
	return give_next(f, c, old);
}

/*
 * Fetches from one shard; false: it has nothing, or belongs to another
 * consumer.
 */
static bool
fetch_shard(Fetch *f, int32 shard)
{
	int64		id = f->s->subscription_id;
	uint32		news = jdg_feed_news(MyDatabaseId, id, shard);
	TimestampTz next = DT_NOEND;
	JdgCursor	seen;
	JdgCursor	c;
	JdgXidSet  *upto;
	bool		open;

	if (!jdg_fetch_look(f->s, shard, f->look, &seen, &open, &next) ||
		!jdg_cursor_lock(id, shard, &c))
		return false;
	/* until it is served */
	jdg_event_notice_more(id, shard);
	if (f->s->reshard != NULL)
		jdg_event_notice_resharding(id, shard, true);
	if (!jdg_subscription_settled(id, false))
		return false;
	if (!jdg_subscription_is_current(f->s))
	{
		/* by the transaction that had the lock, or others: look once more */
		const JdgSubscription *s = find_subscription(f);

		if (s == NULL || s->subscription_id != id)
			return false;
		f->s = s;
		if (s->reshard != NULL)
			jdg_event_notice_resharding(id, shard, true);
		if (!jdg_fetch_is_active(s) || shard >= s->shards ||
			!jdg_fetch_look(f->s, shard, f->look, &seen, &open, &next))
			return false;
	}
	upto = seen.upto;
	if (!open)
		seen.upto = NULL;
	if (!jdg_cursor_same_place(&c, &seen) || c.lost ||
		c.lease.epoch != seen.lease.epoch ||
		c.lease.held != seen.lease.held ||
		c.lease.until != seen.lease.until)
		return false;
	jdg_event_notice_fetched(id, shard, news);
	return serve(f, &c, upto);
}

/*
 * Acknowledges the lease of a token, and leases its shard again if it has
 * more.
 */
static bool
ack_and_go_on(Fetch *f)
{
	JdgCursor	c;
	const JdgSubscription *s = jdg_lease_hold(f->a.ack, &c);

	if (s->subscription_id != f->s->subscription_id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the token of argument \"ack\" belongs to another subscription"),
				 errdetail("It is of subscription \"%s\".", s->name)));
	f->s = s;
	jdg_lease_ack(s, &c, NULL);
	JDG_FAULT("fetch-acked");
	if (c.lost || !jdg_fetch_is_active(s))
	{
		jdg_lease_write(s, &c, false);
		return false;
	}
	jdg_event_notice_fetched(c.subscription_id, c.shard,
							 jdg_feed_news(MyDatabaseId, c.subscription_id,
										   c.shard));
	return give_next(f, &c, c.upto != NULL);
}

/* All shards in turns, beginning with the one after the last. */
static void
fetch(Fetch *f)
{
	static int32 last = 0;

	if (f->a.ack != NULL && ack_and_go_on(f))
		return;
	if (!jdg_fetch_is_active(f->s))
		return;
	for (int i = 1; i <= f->s->shards; i++)
	{
		int32		shard = (last % f->s->shards + i) % f->s->shards;

		if (fetch_shard(f, shard))
		{
			last = shard;
			break;
		}
	}
}

static void
read_args(FunctionCallInfo fcinfo, Fetch *f)
{
	JDG_READ_ARGS("fetch_events", fetch_args, &f->a);
	jdg_check_name("consumer", f->a.consumer);
	if (f->a.max_rows < 1 || f->a.max_rows > JDG_GIVEN_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_rows must be between 1 and %d", JDG_GIVEN_MAX),
				 errdetail("The value is %d.", f->a.max_rows)));
	f->now = jdg_now();
	f->until = jdg_lease_until(f->now, f->a.lease);
}

/* fetch_events(subscription, consumer, ...) */
JDG_FUNCTION(jdg_fetch_events, JDG_LEVEL_USER)
{
	Fetch		f = {0};

	jdg_require_shmem();
	jdg_init_materialized_srf(fcinfo, 0);
	f.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	read_args(fcinfo, &f);
	f.s = find_subscription(&f);
	if (f.s == NULL)
		return (Datum) 0;
	f.event_desc = lookup_rowtype_tupdesc_copy(jdg_event_info_type(), -1);
	f.look = AllocSetContextCreate(CurrentMemoryContext, "jadugar fetch",
								   ALLOCSET_SMALL_SIZES);
	PG_TRY();
	{
		fetch(&f);
	}
	PG_CATCH();
	{
		jdg_reader_forget();
		PG_RE_THROW();
	}
	PG_END_TRY();
	JDG_FAULT("fetch-before-commit");
	return (Datum) 0;
}
