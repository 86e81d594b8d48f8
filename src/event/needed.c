/*-------------------------------------------------------------------------
 *
 * needed.c
 *	  Is a sealed leaf needed, see needed.h.
 *
 * Runs in the scheduler.  Nobody writes to the leaf, and positions move
 * forward.  So the rows that a search has looked at in vain need no second
 * look, in whatever transaction it goes on.  A position that a session moves
 * back is noticed at the end.
 *
 * Cursors are locked without waiting, and only when they are about to be lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "event/backlog.h"
#include "event/lost.h"
#include "event/needed.h"
#include "event/notice.h"

/* rows and shards of a step */
#define LOOKS 5000
#define SHARDS 100

/* a shard that the topic's events may concern, and where it was */
typedef struct Shard
{
	int64		subscription_id;
	int32		shard;
	bool		asked;			/* the rest is set */
	uint64		base_xmax;
	int64		after_id;
} Shard;

/* the question */
static MemoryContext context = NULL;
static Shard *shards;			/* in order; the last one is that of flows */
static int	nshards;
static int	next;				/* where the next step begins */
static JdgBacklogPlace place;	/* the same in the leaf */

static int64
list_shards(const JdgLeaf *leaf)
{
	static JdgQuery q = {
		"SELECT c.subscription_id, c.shard "
		"FROM jadugar_internal.subscription s, "
		"LATERAL (SELECT c.subscription_id, c.shard "
		"FROM jadugar_internal.event_cursor c "
		"WHERE c.subscription_id = s.subscription_id OFFSET 0) c "
		"WHERE s.topics IS NULL OR $1 = ANY (s.topics) ORDER BY 1, 2",
		1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(leaf->topic_id)};

	return jdg_run_latest(&q, v, NULL);
}

static void
start_over(void)
{
	next = 0;
	memset(&place, 0, sizeof(place));
}

void
jdg_need_begin(const JdgLeaf *leaf)
{
	JdgInternal in;
	int64		n;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext,
										"jadugar needed leaf",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	start_over();
	nshards = 0;
	jdg_internal_begin(&in);
	n = list_shards(leaf);
	shards = MemoryContextAllocZero(context, sizeof(Shard) * (n + 1));
	for (int64 i = 0; i < n; i++)
	{
		shards[i].subscription_id = jdg_col_int64(i, 1, 0);
		shards[i].shard = jdg_col_int32(i, 2, 0);
	}
	shards[n].subscription_id = JDG_CURSOR_FLOWS;
	nshards = (int) n + 1;
	jdg_internal_end(&in);
}

static const JdgSubscription *
subscription_of(const Shard *x)
{
	static char *any[] = {"*"};
	static const JdgSubscription flows = {
		.ntypes = 1,.types = any,.shards = 1,.until_id = PG_INT64_MAX
	};

	return x->subscription_id == JDG_CURSOR_FLOWS ? &flows :
		jdg_subscription_get(x->subscription_id);
}

/* Has the shard no need of the leaf any more, without a look at its rows? */
static bool
is_past(const JdgCursor *c, const JdgLeaf *leaf)
{
	return c->lost || jdg_backlog_has_passed_leaf(c, leaf);
}

static uint64
base_xmax(const JdgCursor *c)
{
	return c->base != NULL ? c->base->xmax : 0;
}

static void
note_position(Shard *x, const JdgCursor *c)
{
	x->asked = true;
	x->base_xmax = base_xmax(c);
	x->after_id = c->after_id;
}

/* Goes on with the search for an event that one of the cursors needs. */
static JdgBacklogStep
search(const JdgSubscription *s, const JdgCursor *cursors, int n,
	   const JdgLeaf *leaf, int64 *looks)
{
	JdgLeaf		copy = *leaf;
	int64	   *events = palloc0(sizeof(int64) * n);
	JdgBacklogParty p = {
		.s = s,.cursors = cursors,.ncursors = n,.events = events
	};
	JdgBacklogSearch b = {
		.parties = &p,.nparties = 1,.from = PG_UINT64_MAX,
		.until_id = PG_INT64_MAX,.most = 1,.looks = *looks,.place = place
	};
	JdgBacklogStep step;

	for (int i = 0; i < n; i++)
		b.from = Min(b.from, jdg_backlog_from(&cursors[i]));
	PushActiveSnapshot(GetLatestSnapshot());
	step = jdg_backlog_search(&b, &copy, 1);
	PopActiveSnapshot();
	place = b.place;
	*looks = b.looks;
	return step;
}

/*
 * A step of a question, for some shards from "next" on.  Sets *end behind them.
 * JDG_NEED_NONE: these are done.
 */
typedef JdgNeed (*Step) (const JdgLeaf *leaf, int *end, int64 *looks);

/* Takes steps for all shards, as many as one transaction may. */
static JdgNeed
take_steps(Step step, const JdgLeaf *leaf)
{
	int64		looks = LOOKS;
	int			first = next;

	while (next < nshards)
	{
		JdgNeed		need;
		int			end;

		if (next - first >= SHARDS || looks <= 0)
			return JDG_NEED_UNKNOWN;
		need = step(leaf, &end, &looks);
		if (need != JDG_NEED_NONE)
			return need;
		next = end;
		memset(&place, 0, sizeof(place));
	}
	start_over();
	return JDG_NEED_NONE;
}

/* A step of the search, for all shards of a subscription. */
static JdgNeed
look_for(const JdgLeaf *leaf, int *end, int64 *looks)
{
	const JdgSubscription *s = subscription_of(&shards[next]);
	bool		begins = place.leaf == 0;
	JdgBacklogStep step = JDG_BACKLOG_LESS;
	JdgCursor  *cursors;
	int			n = 0;

	*end = next + 1;
	while (*end < nshards && shards[*end].subscription_id ==
		   shards[next].subscription_id)
		(*end)++;
	cursors = palloc(sizeof(JdgCursor) * (*end - next));
	for (int i = next; s != NULL && i < *end; i++)
	{
		JdgCursor  *c = &cursors[n];

		if (!jdg_cursor_read(shards[i].subscription_id, shards[i].shard, c))
			continue;
		if (begins)
			note_position(&shards[i], c);
		if (!is_past(c, leaf))
			n++;
	}
	if (n > 0)
		step = search(s, cursors, n, leaf, looks);
	switch (step)
	{
		case JDG_BACKLOG_UNKNOWN:
			return JDG_NEED_UNKNOWN;
		case JDG_BACKLOG_MOST:
			return JDG_NEED_SOME;
		case JDG_BACKLOG_LESS:
			break;
	}
	return JDG_NEED_NONE;
}

JdgNeed
jdg_need_look(const JdgLeaf *leaf)
{
	JdgNeed		need = take_steps(look_for, leaf);

	if (need == JDG_NEED_SOME)
		start_over();
	return need;
}

/*
 * A step for one shard.  The event that was found is looked at once more when
 * the cursor is locked: a worker may have handled it.
 */
static JdgNeed
lose_shard(const JdgLeaf *leaf, int *end, int64 *looks)
{
	Shard	   *x = &shards[next];
	const JdgSubscription *s = subscription_of(x);
	JdgBacklogStep step;
	JdgCursor	c;

	*end = next + 1;
	/* flows lose nothing that they know */
	if (x->subscription_id == JDG_CURSOR_FLOWS)
		return JDG_NEED_NONE;
	if (s == NULL || !jdg_cursor_read(x->subscription_id, x->shard, &c))
		return JDG_NEED_NONE;
	if (place.leaf == 0)
		note_position(x, &c);
	if (is_past(&c, leaf))
		return JDG_NEED_NONE;
	step = search(s, &c, 1, leaf, looks);
	if (step == JDG_BACKLOG_MOST)
	{
		if (!jdg_cursor_lock(x->subscription_id, x->shard, &c))
			return JDG_NEED_HELD;
		jdg_event_notice_locked(x->subscription_id, x->shard);
		if (!jdg_subscription_settled(x->subscription_id, false))
			return JDG_NEED_HELD;
		s = jdg_subscription_get(x->subscription_id);
		if (s == NULL)
			return JDG_NEED_NONE;
		place.event_id--;
		*looks = LOOKS;
		step = is_past(&c, leaf) ? JDG_BACKLOG_LESS :
			search(s, &c, 1, leaf, looks);
	}
	if (step == JDG_BACKLOG_UNKNOWN)
		return JDG_NEED_UNKNOWN;
	if (step == JDG_BACKLOG_MOST)
		jdg_shard_lose(s, x->shard, JDG_LOST_EXPIRED);
	return JDG_NEED_NONE;
}

JdgNeed
jdg_need_lose(const JdgLeaf *leaf)
{
	return take_steps(lose_shard, leaf);
}

static int
compare_shards(const void *a, const void *b)
{
	const Shard *x = a;
	const Shard *y = b;

	if (x->subscription_id != y->subscription_id)
		return x->subscription_id < y->subscription_id ? -1 : 1;
	return x->shard < y->shard ? -1 : x->shard > y->shard;
}

static const Shard *
find_shard(int64 subscription_id, int32 shard)
{
	Shard		x = {.subscription_id = subscription_id,.shard = shard};

	return bsearch(&x, shards, nshards - 1, sizeof(Shard), compare_shards);
}

/* Was the answer for a shard given at its position, or before it? */
static bool
holds_for(int64 subscription_id, int32 shard, const JdgLeaf *leaf)
{
	const Shard *x = find_shard(subscription_id, shard);
	JdgCursor	c;

	if (!jdg_cursor_read(subscription_id, shard, &c) || is_past(&c, leaf))
		return true;
	return x != NULL && x->asked &&
		(base_xmax(&c) > x->base_xmax ||
		 (base_xmax(&c) == x->base_xmax && c.after_id >= x->after_id));
}

bool
jdg_need_none_still(const JdgLeaf *leaf)
{
	JdgInternal in;
	int64		n;
	int64	   *ids;
	int64	   *numbers;
	bool		holds = true;

	jdg_internal_begin(&in);
	n = list_shards(leaf);
	ids = jdg_col_int64s(n, 1, CurrentMemoryContext);
	numbers = palloc(sizeof(int64) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
		numbers[i] = jdg_col_int32(i, 2, 0);
	for (int64 i = 0; i < n && holds; i++)
		holds = holds_for(ids[i], (int32) numbers[i], leaf);
	jdg_internal_end(&in);
	return holds;
}
