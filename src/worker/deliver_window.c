/*-------------------------------------------------------------------------
 *
 * deliver_window.c
 *	  The window of the shard that a worker serves, and its next events.
 *
 * The addresses of a window's events are kept from one round to the next, as
 * long as the shard's cursor has the same window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/json.h"
#include "base/objects.h"
#include "base/settings.h"
#include "base/subxact.h"
#include "event/convert.h"
#include "event/grant.h"
#include "event/window.h"
#include "worker/deliver.h"

/* foreign events after which a cursor is written though nothing was handled */
#define PASSED_MAX 256

/* bytes of the data of a batch */
#define BATCH_BYTES_MAX (16 * 1024 * 1024)

/* windows that are kept at the same time */
#define MAX_KEPT 16

/* the window of a shard that this worker serves */
typedef struct KeptWindow
{
	int64		subscription_id;
	int32		shard;
	JdgWindow  *window;			/* NULL: unused */
	MemoryContext mcxt;
	uint64		used;			/* greater: later */
	uint64		epoch;			/* of the configuration: it has the topics */
} KeptWindow;

static KeptWindow windows[MAX_KEPT];
static KeptWindow *kept = NULL; /* that of the round; or NULL */

static void
forget(KeptWindow *k)
{
	if (k->mcxt != NULL)
		MemoryContextDelete(k->mcxt);
	memset(k, 0, sizeof(*k));
}

void
jdg_deliver_forget_window(void)
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
jdg_deliver_find_window(JdgRound *r)
{
	static uint64 uses = 0;
	uint64		epoch = jdg_config_epoch_latest();
	JdgCursor  *c = &r->c;
	JdgEra		era = jdg_era_get(c->era);
	JdgWindowSpec spec = {0};
	MemoryContext old;

	kept = place_of(c->subscription_id, c->shard);
	if (kept->window != NULL && kept->subscription_id == c->subscription_id &&
		kept->shard == c->shard && kept->epoch == epoch &&
		jdg_window_is_between(kept->window, era, c->base, c->upto))
	{
		kept->used = ++uses;
		return;
	}
	forget(kept);
	if (c->upto == NULL)
	{
		old = MemoryContextSwitchTo(jdg_group_context);
		c->upto = c->era < jdg_era_now() ? jdg_xidset_all() :
			jdg_xidset_take();
		MemoryContextSwitchTo(old);
	}
	/* later than "upto", or it would not show all that this has seen */
	PushActiveSnapshot(GetLatestSnapshot());
	kept->subscription_id = c->subscription_id;
	kept->shard = c->shard;
	kept->used = ++uses;
	kept->epoch = epoch;
	kept->mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar window",
									   ALLOCSET_DEFAULT_SIZES);
	spec.era = era;
	spec.base = c->base;
	spec.upto = c->upto;
	spec.after_id = c->after_id;
	spec.topics = r->s->topics;
	spec.ntopics = r->s->ntopics;
	spec.shard = c->shard;
	spec.shards = r->s->shards;
	old = MemoryContextSwitchTo(kept->mcxt);
	kept->window = jdg_window_find(&spec);
	MemoryContextSwitchTo(old);
	PopActiveSnapshot();
}

void
jdg_deliver_seek(int64 after_id)
{
	jdg_window_seek(kept->window, after_id);
}

void
jdg_deliver_pause(void)
{
	jdg_window_pause(kept->window);
}

bool
jdg_deliver_has_passed(void)
{
	return jdg_window_passed(kept->window) >= PASSED_MAX;
}

/*
 * The window is done: the next one begins where it ends.  The last one of an
 * earlier era has all its transactions.  Behind it come all events of later
 * eras, in order of ids.
 */
void
jdg_deliver_finish_window(JdgRound *r)
{
	if (jdg_xidset_is_all(r->c.upto))
	{
		r->c.base = NULL;
		r->c.after_id = Max(r->c.after_id, jdg_era_get(r->c.era).end - 1);
		r->c.era = jdg_era_now();
	}
	else
	{
		r->c.base = r->c.upto;
		r->c.after_id = 0;
	}
	r->c.upto = NULL;
	/* what is noted of an event that has not come is void */
	r->c.blocked_id = 0;
	r->c.attempts = 0;
	r->c.charged = 0;
	r->c.error = NULL;
	jdg_deliver_forget_window();
}

/* Is there an event in the window that the subscription may get? */
bool
jdg_deliver_window_has_some(JdgRound *r)
{
	MemoryContext old = MemoryContextSwitchTo(r->call_mcxt);
	bool		found = false;
	int			looks = 0;
	JdgEvent	e;
	JdgTopic	topic;

	jdg_deliver_find_window(r);
	PushActiveSnapshot(GetLatestSnapshot());
	jdg_window_seek(kept->window, r->c.after_id);
	while (!found && jdg_window_next(kept->window, &e, &topic))
	{
		CHECK_FOR_INTERRUPTS();
		/* so many that the cursor is to move anyway */
		found = ++looks > PASSED_MAX || jdg_subscription_wants(r->s, &e);
		MemoryContextReset(r->call_mcxt);
	}
	jdg_window_pause(kept->window);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	return found;
}

/* The version in which the subscription wants events of a type. */
static int
wanted_version(const JdgSubscription *s, const JdgEventType *type)
{
	int64		version = s->versions ?
	jdg_json_get_int64(s->versions, type->name) : 0;

	return version >= 1 && version <= type->latest ? (int) version :
		type->latest;
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

/*
 * Does the event go to the subscription?  Puts its data into the version that
 * is wanted; an error of that is returned in *failed.
 */
bool
jdg_deliver_is_for(JdgRound *r, JdgPending *p, ErrorData **failed)
{
	const JdgSubscription *s = r->s;
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
		c.to = wanted_version(s, type);
	}
	if (c.to == e->version && s->filter == NULL)
		return true;
	*failed = jdg_in_subxact(cast_and_filter, &c, CurrentMemoryContext);
	return *failed != NULL || c.passes;
}

/*
 * Gathers the next events of the window for one call.  Returns their number;
 * *end: the window has no more.  Events that are not for the subscription are
 * passed over.  One whose data cannot be cast comes alone, with *failed.
 */
int
jdg_deliver_gather(JdgRound *r, JdgPending **batch, bool *end, ErrorData **failed)
{
	int			max = r->c.in_a_row > 0 || r->c.after_id < r->c.blocked_id ?
	1 : Max(r->s->batch, 1);
	int			n = 0;
	int64		bytes = 0;
	int			room = 16;
	int			passed = 0;

	*end = false;
	*failed = NULL;
	*batch = palloc(sizeof(JdgPending) * room);
	while (n < max && bytes < BATCH_BYTES_MAX)
	{
		JdgPending *p;

		CHECK_FOR_INTERRUPTS();
		if (n == room)
			*batch = repalloc(*batch, sizeof(JdgPending) * (room *= 2));
		p = &(*batch)[n];
		if (!jdg_window_next(kept->window, &p->event, &p->topic))
		{
			*end = true;
			break;
		}
		/* those that are passed over take memory, too */
		bytes += VARSIZE(p->event.data);
		if (!jdg_deliver_is_for(r, p, failed) ||
			(n == 0 && jdg_deliver_is_held(r, &p->event)))
		{
			*failed = NULL;
			/* the position is not here yet */
			if (n > 0)
				continue;
			r->c.after_id = p->event.event_id;
			if (r->c.retry_at != DT_NOBEGIN)
			{
				r->stop = true;
				break;
			}
			if (++passed % 256 == 0 && GetCurrentTimestamp() - r->start >=
				(int64) (jdg_group_commit_window * 1000))
				break;
			continue;
		}
		n++;
		if (*failed != NULL)
			break;
	}
	return n;
}
