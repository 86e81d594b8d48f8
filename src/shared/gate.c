/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  Gates, see gate.h.
 *
 * Runs in any process.
 *
 * Who takes places holds JdgGatesLock exclusively, tests all gates of a task,
 * and then takes from all.  Who gives a place back takes the spinlock of its
 * gate alone, and looks whether lanes are parked there; a gate with a place
 * that is taken is not forgotten.  Tokens that are promised belong to places.  A lane is parked under the same spinlock as
 * the last test, so one of the two always sees the other.
 *
 * A gate makes as many lanes active as there is room for, those of the parties
 * first that have had least.  The lanes try again.  When one has been read, the
 * gate opens again if there is room (jdg_gate_reopen()): it may have used
 * nothing, because it was empty, locked or refused elsewhere.  When the tokens
 * of a rate are promised, the scheduler looks at the gate when there is another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/gate.h"
#include "shared/gatetable.h"
#include "shared/database.h"
#include "shared/shmem.h"

/* delay of the next try if there are more gates than room for them */
#define NO_ROOM_US 100000

/* how long after the latest end of a call its ticket is taken for lost */
#define TICKET_US (5 * USECS_PER_SEC)

/*
 * The first limit without room, or -1; gates that are missing are made.  The
 * gates go to "at", NULL for one that there is no room for.
 */
static int
first_refusing(const JdgLimits *limits, int64 now, bool rates_only, JdgGate **at)
{
	jdg_gates->calls++;
	for (int i = 0; i < limits->n; i++)
	{
		at[i] = jdg_gate_get(&limits->limit[i], now);
		if (at[i] == NULL || (rates_only ? jdg_gate_tokens(at[i], now) :
							  jdg_gate_room(at[i], now)) == 0)
			return i;
	}
	return -1;
}

/* Lets the scheduler look at the gates at this instant, or before. */
static void
look_at(JdgDb *db, TimestampTz at)
{
	uint64		due = pg_atomic_read_u64(&db->gates_due);

	while ((uint64) at < due)
	{
		if (pg_atomic_compare_exchange_u64(&db->gates_due, &due, (uint64) at))
		{
			jdg_db_wake(db, JDG_WAKE_GATES);
			break;
		}
	}
}

/* Lets the scheduler look at a gate when time lets its lanes through. */
static void
look_later(JdgDb *db, JdgGate *g, int64 now)
{
	TimestampTz at = jdg_gate_wake(g, now);

	g->timed |= at != DT_NOEND;
	look_at(db, at);
}

/*
 * Takes a place of a gate with room, and a token that is promised if it has a
 * rate; false: its breaker has changed meanwhile.
 */
static bool
take_place(JdgGate *g, TimestampTz now, JdgPlaces *places, int i)
{
	bool		token = g->limit.interval > 0;
	bool		ok = true;

	SpinLockAcquire(&g->mutex);
	if (g->guarded)
		ok = jdg_breaker_begin(&g->breaker, &g->options, now,
							   JDG_BREAKER_NEVER, g->in_use, &places->call[i]);
	if (ok)
	{
		g->in_use++;
		g->promised += token;
	}
	SpinLockRelease(&g->mutex);
	if (ok)
	{
		places->at[i] = g - jdg_gates->gate;
		places->tokens |= (uint32) token << i;
	}
	return ok;
}

int
jdg_gates_take(const JdgLimits *limits, TimestampTz now, JdgPlaces *places)
{
	JdgGate    *at[JDG_LIMITS_MAX];
	int			refusing;

	memset(places, 0, sizeof(JdgPlaces));
	for (int i = 0; i < JDG_LIMITS_MAX; i++)
		places->at[i] = JDG_PLACE_NONE;
	if (limits->n == 0)
		return -1;
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	refusing = first_refusing(limits, now * 1000, false, at);
	for (int i = 0; i < limits->n && refusing < 0; i++)
	{
		if (!take_place(at[i], now, places, i))
			refusing = i;
	}
	LWLockRelease(JdgGatesLock);
	if (refusing >= 0)
		jdg_gates_give(places);
	return refusing;
}

/*
 * A task that holds a place goes on, if the breaker of the gate still allows it.
 * Its ticket expires some time after the task cannot run any more.
 */
static bool
go_on(JdgGate *g, TimestampTz now, int64 longest, JdgBreakerCall *call)
{
	int64		expires = longest > 0 ? now + longest + TICKET_US :
	JDG_BREAKER_NEVER;
	bool		ok = true;

	SpinLockAcquire(&g->mutex);
	if (g->guarded)
		ok = jdg_breaker_go_on(&g->breaker, &g->options, now, expires, call);
	SpinLockRelease(&g->mutex);
	return ok;
}

int
jdg_gates_begin(const JdgLimits *limits, TimestampTz now, JdgPlaces *places)
{
	JdgGate    *at[JDG_LIMITS_MAX];
	JdgDb	   *db = jdg_my_db();
	int			refusing;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	refusing = first_refusing(limits, now * 1000, true, at);
	for (int i = 0; i < limits->n && refusing < 0; i++)
	{
		if (places->at[i] == at[i] - jdg_gates->gate &&
			!go_on(at[i], now, limits->longest, &places->call[i]))
			refusing = i;
	}
	for (int i = 0; i < limits->n && refusing < 0; i++)
	{
		jdg_gate_begin(at[i], now * 1000, 1);
		if ((places->tokens & (1u << i)) != 0)
		{
			Assert(places->at[i] == at[i] - jdg_gates->gate);
			SpinLockAcquire(&at[i]->mutex);
			at[i]->promised--;
			SpinLockRelease(&at[i]->mutex);
			places->tokens &= ~(1u << i);
		}
		/* for lanes that wait for the next one */
		if (at[i]->nparked > 0)
			look_later(db, at[i], now * 1000);
	}
	LWLockRelease(JdgGatesLock);
	return refusing;
}

int
jdg_gates_room(const JdgLimits *limits, TimestampTz now, int most)
{
	if (limits->n == 0)
		return most;
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	jdg_gates->calls++;
	for (int i = 0; i < limits->n; i++)
	{
		JdgGate    *g = jdg_gate_get(&limits->limit[i], now * 1000);

		most = g == NULL ? 0 : Min(most, jdg_gate_room(g, now * 1000));
	}
	LWLockRelease(JdgGatesLock);
	return most;
}

/* --- lanes that are parked ----------------------------------------------- */

/* the database of a gate; NULL: it is gone */
static JdgDb *
db_of(const JdgGate *g)
{
	for (int i = 0; i < jdg_max_databases; i++)
	{
		if (jdg_dbs[i].dboid == g->dboid)
			return &jdg_dbs[i];
	}
	return NULL;
}

static void
wake_scheduler(const JdgGate *g)
{
	JdgDb	   *db = db_of(g);

	if (db != NULL)
		jdg_db_wake(db, JDG_WAKE_WORK);
}

/* Who gives a place of the gate back from here on sees that something waits. */
static void
start_waiting(JdgGate *g)
{
	SpinLockAcquire(&g->mutex);
	g->waiting = true;
	SpinLockRelease(&g->mutex);
}

/* Nothing waits for places of the gate any more; false: nothing did. */
static bool
stop_waiting(JdgGate *g)
{
	bool		waited;

	SpinLockAcquire(&g->mutex);
	waited = g->waiting;
	g->waiting = false;
	SpinLockRelease(&g->mutex);
	return waited;
}

/* Makes the next lane of a gate active; the scheduler finds a worker for it. */
static void
unpark_one(JdgGate *g)
{
	jdg_lane_unpark(pairingheap_remove_first(&g->parked));
	if (--g->nparked == 0)
	{
		dlist_delete(&g->node);
		(void) stop_waiting(g);
	}
	wake_scheduler(g);
}

/* Makes as many lanes active as have room. */
static void
open_gate(JdgGate *g, int64 now)
{
	int64		room = jdg_gate_room(g, now);

	if (room > 0)
		g->timed = false;
	while (room-- > 0 && g->nparked > 0)
		unpark_one(g);
}

uint32
jdg_gates_epoch(JdgDb *db)
{
	return pg_atomic_read_u32(&db->gates_epoch);
}

static void
add_parked(JdgGate *g, pairingheap_node *node)
{
	pairingheap_add(&g->parked, node);
	if (g->nparked++ == 0)
		dlist_push_tail(&jdg_gates->waiting, &g->node);
}

/*
 * Parks a lane at a gate.  The caller holds JdgGatesLock.  False: the gate has
 * room now.  A lane that has changed since the look is left as it is.
 */
static bool
park_at(JdgGate *g, const JdgLaneLook *look, JdgDb *db, int64 now)
{
	pairingheap_node *node;

	/* before the test */
	start_waiting(g);
	if (jdg_gate_room(g, now) > 0)
		return false;
	if (look->lane == NULL)
	{
		/* it has no lane to be parked: who is woken reads all */
		look_at(db, Max(jdg_gate_wake(g, now), now / 1000 + JDG_TOGETHER_US));
	}
	else if ((node = jdg_lane_park(look, g - jdg_gates->gate)) != NULL)
	{
		add_parked(g, node);
		look_later(db, g, now);
	}
	return true;
}

void
jdg_gates_park(const JdgLaneLook *look, const JdgLimits *limits,
			   TimestampTz now, uint32 epoch)
{
	JdgGate    *at[JDG_LIMITS_MAX];
	JdgDb	   *db = jdg_my_db();
	int			refusing;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	refusing = first_refusing(limits, now * 1000, false, at);
	if (refusing >= 0 && at[refusing] == NULL)
		look_at(db, now + NO_ROOM_US);
	else if (refusing < 0 || epoch != jdg_gates_epoch(db) ||
			 !park_at(at[refusing], look, db, now * 1000))
	{
		/* who made room, or changed the limit, did not see that it waits */
		jdg_db_wake(db, JDG_WAKE_WORK);
	}
	LWLockRelease(JdgGatesLock);
}

/* The same of one gate, of this database.  The caller holds JdgGatesLock. */
static bool
yield_at(JdgGate *g, const JdgLaneLook *look, int64 now)
{
	int64		room = jdg_gate_room(g, now);
	pairingheap_node *node;

	while (room > 0 && g->nparked > 0 &&
		   jdg_lane_had_more(look, pairingheap_first(&g->parked)))
	{
		unpark_one(g);
		room--;
	}
	if (room > 0 || (node = jdg_lane_park(look, g - jdg_gates->gate)) == NULL)
		return false;
	/* who gives a place back meanwhile may not see it; the lanes let in do */
	start_waiting(g);
	add_parked(g, node);
	return true;
}

bool
jdg_gates_yield(const JdgLaneLook *look, const JdgLimits *limits,
				TimestampTz now, uint32 epoch)
{
	JdgDb	   *db = jdg_my_db();
	bool		yielded = false;

	if (limits->n == 0 || look->lane == NULL)
		return false;
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < limits->n && !yielded && epoch == jdg_gates_epoch(db); i++)
	{
		JdgGate    *g = jdg_gate_find(db->dboid, &limits->limit[i]);

		yielded = g != NULL && g->nparked > 0 &&
			yield_at(g, look, now * 1000);
	}
	LWLockRelease(JdgGatesLock);
	return yielded;
}

void
jdg_gates_give(const JdgPlaces *places)
{
	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		JdgBreakerCall call = places->call[i];
		TimestampTz now = call.counts ? jdg_now() : 0;
		JdgGate    *g;
		bool		waiting;

		if (places->at[i] == JDG_PLACE_NONE)
			continue;
		g = &jdg_gates->gate[places->at[i]];
		SpinLockAcquire(&g->mutex);
		Assert(g->in_use > 0);
		g->in_use--;
		if ((places->tokens & (1u << i)) != 0)
		{
			Assert(g->promised > 0);
			g->promised--;
		}
		if (g->guarded && call.counts)
			jdg_breaker_end(&g->breaker, &g->options, now,
							JDG_BREAKER_RETURNED, &call);
		waiting = g->waiting;
		SpinLockRelease(&g->mutex);
		if (waiting)
			jdg_gate_reopen(places->at[i]);
	}
}

void
jdg_gate_reopen(JdgPlace gate)
{
	JdgGate    *g = &jdg_gates->gate[gate];
	int64		now = jdg_now() * 1000;
	JdgDb	   *db;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	db = OidIsValid(g->dboid) ? db_of(g) : NULL;
	if (db != NULL && jdg_gate_room(g, now) == 0)
	{
		/* its breaker may have opened since the lanes were parked */
		look_later(db, g, now);
	}
	else if (db != NULL && g->nparked > 0)
		open_gate(g, now);
	else if (db != NULL && stop_waiting(g))
		wake_scheduler(g);
	LWLockRelease(JdgGatesLock);
}

TimestampTz
jdg_gates_due(JdgDb *db, TimestampTz now)
{
	static TimestampTz last = DT_NOBEGIN;
	TimestampTz next;
	dlist_mutable_iter iter;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	/* perhaps for tasks in lanes that could not be parked; else that stays */
	next = (TimestampTz) pg_atomic_read_u64(&db->gates_due);
	if (now >= next || now < last)
	{
		jdg_db_wake(db, JDG_WAKE_WORK);
		next = DT_NOEND;
	}
	last = now;
	dlist_foreach_modify(iter, &jdg_gates->waiting)
	{
		JdgGate    *g = dlist_container(JdgGate, node, iter.cur);

		if (g->dboid != db->dboid)
			continue;
		jdg_gate_correct(g);
		if (g->timed || jdg_gate_next(g, now * 1000) <= now)
			open_gate(g, now * 1000);
		if (g->nparked > 0)
			next = Min(next, jdg_gate_wake(g, now * 1000));
	}
	/* lanes that are parked after this may lower it */
	pg_atomic_write_u64(&db->gates_due, (uint64) next);
	LWLockRelease(JdgGatesLock);
	return next;
}

void
jdg_gates_changed(JdgDb *db)
{
	dlist_mutable_iter iter;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	pg_atomic_fetch_add_u32(&db->gates_epoch, 1);
	dlist_foreach_modify(iter, &jdg_gates->waiting)
	{
		JdgGate    *g = dlist_container(JdgGate, node, iter.cur);

		while (g->dboid == db->dboid && g->nparked > 0)
			unpark_one(g);
	}
	LWLockRelease(JdgGatesLock);
}

void
jdg_gate_look_again(JdgPlace gate)
{
	JdgGate    *g = &jdg_gates->gate[gate];

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	while (OidIsValid(g->dboid) && g->nparked > 0)
		unpark_one(g);
	LWLockRelease(JdgGatesLock);
}

void
jdg_gates_drop(Oid dboid)
{
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	for (int i = 0; i < jdg_max_gates; i++)
	{
		JdgGate    *g = &jdg_gates->gate[i];

		if (g->dboid != dboid)
			continue;
		while (g->nparked > 0)
			unpark_one(g);
		/* a worker that has not ended yet gives its places back later */
		if (jdg_gate_in_use(g) == 0)
			(void) jdg_gate_forget(g, 0, true);
	}
	LWLockRelease(JdgGatesLock);
}

/* --- rates by themselves ------------------------------------------------- */

/* The limit cannot be counted. */
static void
raise_no_room(const JdgLimit *limit)
{
	const char *role = GetUserNameFromId(limit->owner, true);
	int32		held;

	LWLockAcquire(JdgGatesLock, LW_SHARED);
	held = jdg_share_held(jdg_gate_shares, limit->owner);
	LWLockRelease(JdgGatesLock);
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many limits of role \"%s\" are in use",
					role ? role : "unknown"),
			 errdetail("It uses %d of the %d of jadugar.max_gates.",
					   held, jdg_max_gates),
			 errhint("Use fewer names and keys at a time, or raise jadugar.max_gates and restart the server.")));
}

JdgRateResult
jdg_gate_rate(const JdgLimit *limit, TimestampTz now, int32 cost)
{
	JdgRateResult r = {0};
	int64		ns = now * 1000;
	JdgGate    *g;

	Assert(limit->interval > 0 && cost > 0);
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	g = jdg_gate_get(limit, ns);
	if (g != NULL)
	{
		int64		ahead;

		r.allowed = jdg_gate_tokens(g, ns) >= cost;
		if (r.allowed)
			jdg_gate_begin(g, ns, cost);
		ahead = jdg_gate_due_of(g, ns) - ns;
		r.remaining = jdg_gate_tokens(g, ns);
		if (!r.allowed)
			r.retry_after = (ahead + (cost - 1) * limit->interval -
							 limit->tolerance + 999) / 1000;
		r.reset_after = (ahead + 999) / 1000;
	}
	LWLockRelease(JdgGatesLock);
	if (g == NULL)
		raise_no_room(limit);
	return r;
}

void
jdg_gate_reset(const JdgLimit *limit)
{
	JdgGate    *g;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	g = jdg_gate_get(limit, jdg_now() * 1000);
	if (g != NULL)
	{
		g->due = 0;
		open_gate(g, jdg_now() * 1000);
	}
	LWLockRelease(JdgGatesLock);
}
