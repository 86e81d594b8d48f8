/*-------------------------------------------------------------------------
 *
 * gatetable.c
 *	  The table of gates, and what a gate allows; see gatetable.h.
 *
 * One table for all databases, of jadugar.max_gates entries.  A role has a share
 * of it (share.h): a limit counts to the owner of the thing that it limits.  Of
 * keys and names a role may have any number, so they may take a part of its
 * share only, and its other limits find room.  What finds no room waits, or is
 * refused: no limit is ever exceeded.
 *
 * Gates that say nothing are forgotten while others are made: each new gate
 * looks at a few entries, and at more of them if its role has its share.  So
 * nobody looks through the whole table under the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/gatetable.h"
#include "shared/lane.h"

/* entries that are looked at for a new gate; for one beyond a share */
#define SWEEP		8
#define SWEEP_FULL	512

JdgGates   *jdg_gates = NULL;
JdgShares  *jdg_gate_shares = NULL;
static JdgPlace *list;			/* by hash */

static Size
table_size(void)
{
	return MAXALIGN(offsetof(JdgGates, gate) +
					mul_size(jdg_max_gates, sizeof(JdgGate)));
}

static Size
gates_size(void)
{
	return add_size(add_size(table_size(), jdg_shares_size(jdg_max_gates)),
					mul_size(jdg_max_gates, sizeof(JdgPlace)));
}

static void
gates_init(void *at, bool found)
{
	jdg_gates = at;
	jdg_gate_shares = (JdgShares *) ((char *) at + table_size());
	list = (JdgPlace *) ((char *) jdg_gate_shares +
						 jdg_shares_size(jdg_max_gates));
	if (found)
		return;
	memset(at, 0, gates_size());
	jdg_shares_init(jdg_gate_shares, jdg_max_gates);
	dlist_init(&jdg_gates->waiting);
	for (int i = 0; i < jdg_max_gates; i++)
	{
		list[i] = JDG_PLACE_NONE;
		jdg_gates->gate[i].next = i + 1 < jdg_max_gates ? i + 1 : JDG_PLACE_NONE;
		SpinLockInit(&jdg_gates->gate[i].mutex);
	}
}

const JdgShmemPart jdg_gates_shmem = {
	"jadugar gates", gates_size, gates_init
};

void
jdg_limit_set_rate(JdgLimit *limit, int32 rate, int64 per, int32 burst)
{
	/* rounded up: never too many */
	int64		interval = (per * 1000 + rate - 1) / rate;
	double		tolerance = (double) interval * (burst - 1);

	Assert(rate > 0 && per > 0 && burst > 0);
	limit->interval = Min(interval, JDG_RATE_MAX_NS);
	limit->tolerance = tolerance < JDG_RATE_MAX_NS ?
		interval * (burst - 1) : JDG_RATE_MAX_NS;
}

/* --- the table; the caller holds JdgGatesLock, exclusively for changes --- */

static JdgPlace *
list_of(Oid dboid, const JdgLimit *l)
{
	uint32		hash = hash_combine(murmurhash32(dboid),
									murmurhash32(l->scope));

	hash = hash_combine(hash, hash_bytes((const unsigned char *) l->id,
										 sizeof(l->id)));
	return &list[hash % jdg_max_gates];
}

JdgGate *
jdg_gate_find(Oid dboid, const JdgLimit *l)
{
	for (JdgPlace i = *list_of(dboid, l); i != JDG_PLACE_NONE;
		 i = jdg_gates->gate[i].next)
	{
		JdgGate    *g = &jdg_gates->gate[i];

		if (g->dboid == dboid && g->limit.scope == l->scope &&
			memcmp(g->limit.id, l->id, sizeof(l->id)) == 0)
			return g;
	}
	return NULL;
}

int32
jdg_gate_in_use(JdgGate *g)
{
	int32		n;

	SpinLockAcquire(&g->mutex);
	n = g->in_use;
	SpinLockRelease(&g->mutex);
	return n;
}

/* Is the limit of a key or a name, of which a role may have any number? */
static bool
is_own(const JdgLimit *l)
{
	return l->scope == JDG_SCOPE_KEY || l->scope == JDG_SCOPE_NAME;
}

/* A gate that was reset after a crash says more than a new one. */
bool
jdg_gate_is_full(const JdgGate *g, int64 now)
{
	return g->due <= now &&
		(g->limit.interval == 0 || jdg_gate_first_due(&g->limit) <= now);
}

/*
 * Says a gate nothing that a new one does not say?  Entries are needed
 * ("pressed"): then the past of a breaker is forgotten too, but not that it is
 * open.
 */
static bool
says_nothing(JdgGate *g, int64 now, bool pressed)
{
	bool		nothing;

	if (g->nparked > 0 || g->call == jdg_gates->calls ||
		!jdg_gate_is_full(g, now))
		return false;
	SpinLockAcquire(&g->mutex);
	nothing = g->in_use == 0 && g->hold_until <= now / 1000 &&
		(!g->guarded ||
		 (pressed ? jdg_breaker_is_idle(&g->breaker, &g->options, now / 1000) :
		  jdg_breaker_is_quiet(&g->breaker, &g->options, now / 1000)));
	SpinLockRelease(&g->mutex);
	return nothing;
}

/* Takes a gate out of the table. */
static void
forget(JdgGate *g)
{
	JdgPlace	i = g - jdg_gates->gate;
	JdgPlace   *at;

	at = list_of(g->dboid, &g->limit);
	while (*at != i)
		at = &jdg_gates->gate[*at].next;
	*at = g->next;
	g->dboid = InvalidOid;
	g->next = jdg_gates->free;
	jdg_gates->free = i;
	jdg_share_let_go(jdg_gate_shares, g->share);
	jdg_share_remove(jdg_gate_shares, g->share);
}

bool
jdg_gate_forget(JdgGate *g, int64 now, bool gone)
{
	if (!gone && !says_nothing(g, now, false))
		return false;
	forget(g);
	return true;
}

/* Forgets those of the next n entries that say nothing. */
static void
sweep(int n, int64 now, bool pressed)
{
	for (n = Min(n, jdg_max_gates); n > 0; n--)
	{
		JdgGate    *g = &jdg_gates->gate[jdg_gates->hand];

		jdg_gates->hand = (jdg_gates->hand + 1) % jdg_max_gates;
		if (OidIsValid(g->dboid) && says_nothing(g, now, pressed))
			forget(g);
	}
}

bool
jdg_gate_may_make(const JdgLimit *l)
{
	if (jdg_gates->free == JDG_PLACE_NONE || !OidIsValid(l->owner))
		return jdg_gates->free != JDG_PLACE_NONE;
	return jdg_share_may(jdg_gate_shares, l->owner, is_own(l) ? 2 : 1);
}

/* An entry that may be used for a limit; NULL: there is none. */
static JdgGate *
free_gate(const JdgLimit *l, int64 now)
{
	JdgGate    *g;

	sweep(SWEEP, now, false);
	if (!jdg_gate_may_make(l))
		sweep(SWEEP_FULL, now, true);
	if (!jdg_gate_may_make(l))
	{
		jdg_share_refuse(jdg_gate_shares, l->owner, now / 1000);
		return NULL;
	}
	g = &jdg_gates->gate[jdg_gates->free];
	jdg_gates->free = g->next;
	return g;
}

/* A gate counts to this role from now on. */
static void
set_share(JdgGate *g, Oid owner)
{
	g->share = jdg_share_add(jdg_gate_shares, owner);
	jdg_share_hold(jdg_gate_shares, g->share);
}

/* A gate has a breaker with these options, or none. */
static void
set_breaker(JdgGate *g, const JdgBreakerOptions *o)
{
	SpinLockAcquire(&g->mutex);
	if (o != NULL)
		g->options = *o;
	/* what is known ended when the server crashed: it begins with its ramp */
	if (o != NULL && !g->guarded && jdg_gates->empty_at > 0)
		jdg_breaker_start(&g->breaker, o, jdg_gates->empty_at / 1000);
	else if (o != NULL && !g->guarded)
		memset(&g->breaker, 0, sizeof(g->breaker));
	g->guarded = o != NULL;
	SpinLockRelease(&g->mutex);
}

/* The limit as it is configured now. */
static void
set_limit(JdgGate *g, const JdgLimit *l)
{
	g->limit = *l;
	/* it points into this process */
	g->limit.breaker = NULL;
	if (l->breaker != NULL || g->guarded)
		set_breaker(g, l->breaker);
}

/* Puts a limit into a free entry. */
static void
put(JdgGate *g, Oid dboid, const JdgLimit *l)
{
	JdgPlace   *at = list_of(dboid, l);

	g->dboid = dboid;
	g->due = 0;
	g->call = 0;
	g->parked.ph_compare = jdg_lane_compare_parked;
	g->parked.ph_root = NULL;
	g->nparked = 0;
	g->timed = false;
	SpinLockAcquire(&g->mutex);
	g->in_use = g->promised = 0;
	g->waiting = false;
	g->hold = JDG_HOLD_NONE;
	g->hold_from = g->hold_until = 0;
	g->guarded = false;
	SpinLockRelease(&g->mutex);
	set_limit(g, l);
	set_share(g, l->owner);
	g->next = *at;
	*at = g - jdg_gates->gate;
}

bool
jdg_gate_restore(Oid dboid, const JdgLimit *l, int64 due)
{
	JdgGate    *g;

	if (jdg_gates->free == JDG_PLACE_NONE)
		return false;
	g = &jdg_gates->gate[jdg_gates->free];
	jdg_gates->free = g->next;
	put(g, dboid, l);
	g->due = due;
	return true;
}

JdgGate *
jdg_gate_get(const JdgLimit *l, int64 now)
{
	JdgGate    *g = jdg_gate_find(MyDatabaseId, l);

	if (g == NULL)
	{
		g = free_gate(l, now);
		if (g == NULL)
			return NULL;
		put(g, MyDatabaseId, l);
		if (jdg_gates->empty_at < 0)
			jdg_gates->empty_at = now;
		if (l->interval > 0)
			g->due = jdg_gate_first_due(l);
	}
	else if (g->share->role != l->owner)
	{
		jdg_share_let_go(jdg_gate_shares, g->share);
		jdg_share_remove(jdg_gate_shares, g->share);
		set_share(g, l->owner);
	}
	set_limit(g, l);
	g->call = jdg_gates->calls;
	jdg_gate_correct(g);
	return g;
}

int64
jdg_gate_first_due(const JdgLimit *l)
{
	return jdg_gates->empty_at <= 0 ? 0 :
		jdg_gates->empty_at + l->tolerance + l->interval;
}

/* --- the rules ----------------------------------------------------------- */

/*
 * A gate is never further ahead than one that is used up now.  It may be after
 * the limit has changed, or the clock was set back.  The caller may have read
 * the clock a while ago, and others have begun tasks since.
 */
void
jdg_gate_correct(JdgGate *g)
{
	int64		now = jdg_now() * 1000;

	g->due = Min(g->due, now + g->limit.tolerance + g->limit.interval);
	if (g->hold_until == 0)
		return;
	SpinLockAcquire(&g->mutex);
	if (now / 1000 < g->hold_from)
	{
		g->hold_until -= g->hold_from - now / 1000;
		g->hold_from = now / 1000;
	}
	SpinLockRelease(&g->mutex);
}

/* the time that a gate goes by */
int64
jdg_gate_due_of(const JdgGate *g, int64 now)
{
	return Min(Max(g->due, now),
			   now + g->limit.tolerance + g->limit.interval);
}

/* how many tasks may begin now, by the rate */
int64
jdg_gate_tokens(const JdgGate *g, int64 now)
{
	int64		ahead = jdg_gate_due_of(g, now) - now;

	if (g->limit.interval == 0)
		return PG_INT32_MAX;
	if (ahead > g->limit.tolerance)
		return 0;
	return (g->limit.tolerance - ahead) / g->limit.interval + 1;
}

/* tokens of tasks that have been claimed and have not begun */
static int32
promised(const JdgGate *g)
{
	JdgGate    *gate = (JdgGate *) g;
	int32		n;

	SpinLockAcquire(&gate->mutex);
	n = gate->promised;
	SpinLockRelease(&gate->mutex);
	return n;
}

int64
jdg_gate_room(JdgGate *g, int64 now)
{
	int64		room = jdg_gate_tokens(g, now);

	if (jdg_scope_is_closed(g->limit.scope))
		return 0;
	SpinLockAcquire(&g->mutex);
	room -= g->promised;
	if (g->limit.max > 0)
		room = Min(room, g->limit.max - g->in_use);
	if (g->hold_until > now / 1000)
		room = 0;
	if (g->guarded)
		room = Min(room, jdg_breaker_room(&g->breaker, &g->options, now / 1000,
										  g->in_use));
	SpinLockRelease(&g->mutex);
	return Max(room, 0);
}

TimestampTz
jdg_gate_next(const JdgGate *g, int64 now)
{
	int64		due = jdg_gate_due_of(g, now);
	int64		ahead = g->limit.interval == 0 ? 0 :
	g->limit.tolerance / g->limit.interval;
	int64		n = promised(g);

	/* no more tokens come than the tolerance holds */
	if (g->limit.interval == 0 || n > ahead)
		return DT_NOEND;
	return (due - g->limit.tolerance + n * g->limit.interval + 999) / 1000;
}

TimestampTz
jdg_gate_opens_at(JdgGate *g, int64 now)
{
	TimestampTz at = DT_NOBEGIN;
	TimestampTz us = now / 1000;

	if (jdg_gate_tokens(g, now) <= promised(g))
		at = jdg_gate_next(g, now);
	SpinLockAcquire(&g->mutex);
	if (g->hold_until > us)
		at = Max(at, g->hold_until);
	if (g->guarded &&
		jdg_breaker_room(&g->breaker, &g->options, us, g->in_use) == 0)
		at = Max(at, jdg_breaker_next(&g->breaker, &g->options, us));
	SpinLockRelease(&g->mutex);
	return at == DT_NOBEGIN ? DT_NOEND : at;
}

TimestampTz
jdg_gate_wake(JdgGate *g, int64 now)
{
	TimestampTz at = jdg_gate_opens_at(g, now);

	if (at == DT_NOEND || jdg_scope_is_closed(g->limit.scope))
		return DT_NOEND;
	return at + Min(JDG_TOGETHER_US, g->limit.tolerance / 1000);
}

void
jdg_gate_begin(JdgGate *g, int64 now, int32 n)
{
	if (g->limit.interval > 0)
		g->due = jdg_gate_due_of(g, now) + n * g->limit.interval;
}
