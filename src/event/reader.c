/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading the events that a shard gets next, see reader.h.
 *
 * Runs in workers, and in sessions of consumers.
 *
 * The ids of a window's events are kept from one transaction to the next, as
 * long as the shard's cursor has the same window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/objects.h"
#include "base/subxact.h"
#include "event/convert.h"
#include "event/failure.h"
#include "event/grant.h"
#include "event/lifecycle.h"
#include "event/reader.h"
#include "event/versions.h"
#include "event/window.h"

/* foreign events after which a cursor is written though nothing was handled */
#define PASSED_MAX 256

/* bytes of the data of a batch */
#define BATCH_BYTES_MAX (16 * 1024 * 1024)

/* age in microseconds of an event with which a shard is behind */
#define BEHIND_AGE (10 * USECS_PER_SEC)

/* windows that are kept at the same time */
#define MAX_KEPT 16

/* the window of a shard that this process reads */
typedef struct KeptWindow
{
	int64		subscription_id;
	int32		shard;
	JdgWindow  *window;			/* NULL: unused */
	MemoryContext mcxt;
	uint64		used;			/* greater: later */
	uint64		epoch;			/* of the configuration: it has the topics and
								 * types; 0: may have others */
	TimestampTz opened_in;		/* start of the transaction that has opened
								 * it, up to the present; 0: another, or not
								 * so */
} KeptWindow;

static KeptWindow windows[MAX_KEPT];
static KeptWindow *kept = NULL; /* that of jdg_reader_find(); or NULL */

static void
forget(KeptWindow *k)
{
	if (k->mcxt != NULL)
		MemoryContextDelete(k->mcxt);
	memset(k, 0, sizeof(*k));
}

void
jdg_reader_forget(void)
{
	if (kept != NULL)
		forget(kept);
	kept = NULL;
}

/* The place of the shard's window: its own, an unused, or the least used. */
static KeptWindow *
place_of(int64 subscription_id, int32 shard)
{
	KeptWindow *place = &windows[0];

	for (int i = 0; i < MAX_KEPT; i++)
	{
		KeptWindow *k = &windows[i];

		if (k->window != NULL && k->subscription_id == subscription_id &&
			k->shard == shard)
			return k;
		if (k->used < place->used)
			place = k;
	}
	return place;
}

void
jdg_reader_find(const JdgSubscription *s, JdgCursor *c)
{
	static uint64 uses = 0;
	uint64		epoch = jdg_config_epoch_latest();
	JdgEra		era = jdg_era_get(c->era);
	JdgWindowSpec spec = {0};
	bool		to_now = c->upto == NULL && c->era == jdg_era_now() &&
	s->reshard == NULL;
	MemoryContext old;

	kept = place_of(c->subscription_id, c->shard);
	if (kept->window != NULL && kept->subscription_id == c->subscription_id &&
		kept->shard == c->shard && epoch != 0 && kept->epoch == epoch &&
		jdg_window_is_between(kept->window, era, c->base, c->upto))
	{
		kept->used = ++uses;
		return;
	}
	forget(kept);
	if (c->upto == NULL)
		c->upto = c->era < jdg_era_now() ? jdg_xidset_all() :
			s->reshard ? jdg_xidset_copy(s->reshard) : jdg_xidset_take();
	/* later than "upto", or it would not show all that this has seen */
	PushActiveSnapshot(GetLatestSnapshot());
	kept->subscription_id = c->subscription_id;
	kept->shard = c->shard;
	kept->used = ++uses;
	/* it may have been changed since the caller has read it */
	kept->epoch = jdg_subscription_is_current(s) ? epoch : 0;
	kept->opened_in = to_now ? GetCurrentTransactionStartTimestamp() : 0;
	kept->mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar window",
									   ALLOCSET_DEFAULT_SIZES);
	spec.era = era;
	spec.base = c->base;
	spec.upto = c->upto;
	spec.after_id = c->after_id;
	spec.until_id = s->until_id;
	spec.topics = s->topics;
	spec.ntopics = s->ntopics;
	spec.types = s->types;
	spec.ntypes = s->ntypes;
	spec.shard = c->shard;
	spec.shards = s->shards;
	old = MemoryContextSwitchTo(kept->mcxt);
	kept->window = jdg_window_find(&spec);
	MemoryContextSwitchTo(old);
	PopActiveSnapshot();
	JDG_FAULT("delivery-window-found");
}

void
jdg_reader_seek(int64 after_id)
{
	jdg_window_seek(kept->window, after_id);
}

void
jdg_reader_pause(void)
{
	jdg_window_pause(kept->window);
}

/* The shard has no events to come. */
static void
catch_up(JdgCursor *c)
{
	const JdgSubscription *s = jdg_subscription_get(c->subscription_id);

	c->behind = false;
	if (s != NULL)
		jdg_subscription_happened(JDG_SUBSCRIPTION_CAUGHT_UP, s, c->shard, 0);
}

void
jdg_reader_finish(JdgCursor *c)
{
	KeptWindow *place = place_of(c->subscription_id, c->shard);

	if (c->behind && place->subscription_id == c->subscription_id &&
		place->shard == c->shard &&
		place->opened_in == GetCurrentTransactionStartTimestamp())
		catch_up(c);
	jdg_cursor_end_window(c);
	/* what is noted of an event that has not come is void */
	c->blocked_id = 0;
	c->attempts = 0;
	c->charged = 0;
	c->errors = NULL;
	if (place->subscription_id == c->subscription_id &&
		place->shard == c->shard)
	{
		forget(place);
		if (kept == place)
			kept = NULL;
	}
}

/*
 * Is there an event in the window that the subscription may get, or very many
 * that it does not get?
 */
static bool
has_some(const JdgSubscription *s, const JdgCursor *c, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		found = false;
	int			looks = 0;
	JdgWindowStep step;
	JdgEvent	e;
	JdgTopic	topic;

	PushActiveSnapshot(GetLatestSnapshot());
	jdg_window_seek(kept->window, c->after_id);
	while (!found &&
		   (step = jdg_window_next(kept->window, &e, &topic)) != JDG_WINDOW_END)
	{
		CHECK_FOR_INTERRUPTS();
		/* so many that the cursor is to move anyway */
		found = step == JDG_WINDOW_PASSED || ++looks > PASSED_MAX ||
			jdg_subscription_wants(s, &e);
		MemoryContextReset(mcxt);
	}
	jdg_window_pause(kept->window);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	return found;
}

bool
jdg_reader_has_work(const JdgSubscription *s, JdgCursor *c, TimestampTz now,
					MemoryContext mcxt, TimestampTz *due)
{
	bool		open = c->upto != NULL;
	bool		found = false;
	JdgParked	parked;

	if (c->parked > 0)
	{
		PushActiveSnapshot(GetLatestSnapshot());
		found = jdg_parked_next(c->subscription_id, c->shard, now, NULL,
								&parked, due);
		PopActiveSnapshot();
	}
	if (c->done)
		return found;
	jdg_reader_find(s, c);
	/* a window that was left before its end ends, though it has no more */
	return found || has_some(s, c, mcxt) ||
		(c->behind && s->reshard == NULL) ||
		jdg_window_passed(kept->window) >= PASSED_MAX || c->base == NULL ||
		open || c->era < jdg_era_now() ||
		(s->reshard != NULL && !jdg_xidset_equal(c->base, s->reshard));
}

/* arguments of cast_and_filter() */
typedef struct Casting
{
	const JdgSubscription *s;
	const JdgEventType *type;
	JdgEvent   *e;
	int			to;
	bool		passes;
} Casting;

static void
cast_and_filter(void *arg)
{
	Casting    *c = arg;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (c->to != c->e->version)
	{
		c->e->data = jdg_event_cast(c->type, c->e->version, c->to, c->e->data);
		c->e->version = c->to;
	}
	c->passes = jdg_event_passes(c->s->filter, c->e);
	PopActiveSnapshot();
}

bool
jdg_reader_is_for(const JdgSubscription *s, JdgPending *p, ErrorData **failed)
{
	JdgEvent   *e = &p->event;
	const JdgEventType *type;
	Casting		c = {s, NULL, e, e->version, true};

	*failed = NULL;
	if (!jdg_subscription_wants(s, e) ||
		jdg_event_access(s->owner, &p->topic, e) != JDG_EVENT_WHOLE)
		return false;
	type = e->version > 0 ? jdg_event_type(e->type) : NULL;
	if (jdg_event_type_covers(type, p->topic.topic_id, e->version,
							  e->published_at))
	{
		c.type = type;
		c.to = jdg_event_version_wanted(s->versions, type);
	}
	if (c.to == e->version && s->filter == NULL)
		return true;
	*failed = jdg_in_subxact(cast_and_filter, &c, CurrentMemoryContext);
	return *failed != NULL || c.passes;
}

/* Is the event set aside, or held behind one that is? */
static bool
is_held(const JdgSubscription *s, const JdgCursor *c, const JdgEvent *e,
		bool *itself)
{
	return c->parked > 0 &&
		jdg_parked_holds(s->subscription_id, e, itself);
}

/*
 * Moves the position past an event that is not for the subscription, or is
 * held behind an earlier one.
 */
static bool
passes_over(const JdgSubscription *s, JdgCursor *c, JdgPending *p,
			ErrorData **failed)
{
	bool		itself;

	if (jdg_reader_is_for(s, p, failed))
	{
		if (!is_held(s, c, &p->event, &itself))
			return false;
		if (!itself)
			jdg_event_hold(s, c, &p->event);
		*failed = NULL;
	}
	c->after_id = p->event.event_id;
	return true;
}

void
jdg_reader_gather(const JdgSubscription *s, JdgCursor *c, int max,
				  TimestampTz until, bool held, JdgGathered *g)
{
	int64		bytes = 0;
	int			room = 16;
	int			passed = 0;
	bool		itself;

	if (c->in_a_row > 0 || c->after_id < c->blocked_id)
		max = 1;
	memset(g, 0, sizeof(*g));
	g->pending = palloc(sizeof(JdgPending) * room);
	while (g->n < max && bytes < BATCH_BYTES_MAX && g->failed == NULL)
	{
		JdgPending *p;
		JdgWindowStep step;

		CHECK_FOR_INTERRUPTS();
		if (g->n == room)
			g->pending = repalloc(g->pending, sizeof(JdgPending) * (room *= 2));
		p = &g->pending[g->n];
		step = jdg_window_next(kept->window, &p->event, &p->topic);
		if (step == JDG_WINDOW_END)
		{
			g->end = true;
			break;
		}
		if (step == JDG_WINDOW_PASSED)
		{
			if (g->n == 0)
				c->after_id = p->event.event_id;
			if (GetCurrentTimestamp() >= until)
				break;
			continue;
		}
		/* those that are passed over take memory, too */
		bytes += VARSIZE(p->event.data);
		if (g->n == 0 && passes_over(s, c, p, &g->failed))
		{
			if (c->retry_at != DT_NOBEGIN ||
				(++passed % 256 == 0 && GetCurrentTimestamp() >= until))
				break;
		}
		else if (g->n == 0 || jdg_reader_is_for(s, p, &g->failed))
		{
			if (g->n > 0 && !held && is_held(s, c, &p->event, &itself))
			{
				g->failed = NULL;
				break;
			}
			g->n++;
		}
	}
	if (g->n > 0 && !c->behind)
		c->behind = jdg_now() - g->pending[0].event.published_at > BEHIND_AGE;
}
