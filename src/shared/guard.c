/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Breakers and holds of gates, see guard.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/gate.h"
#include "shared/guard.h"
#include "shared/shmem.h"

/* the options that are kept for a limit */
typedef struct Kept
{
	uint64		key[3];			/* scope, id */
	JdgBreakerOptions options;
} Kept;

const JdgBreakerOptions *
jdg_breaker_keep(const JdgLimit *of, const JdgBreakerOptions *o)
{
	static HTAB *table = NULL;
	uint64		key[3] = {of->scope, of->id[0], of->id[1]};
	Kept	   *kept;

	if (!o->on && o->forced == JDG_FORCE_AUTO)
		return NULL;
	if (table == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(key),.entrysize = sizeof(Kept),
		.hcxt = TopMemoryContext};

		table = hash_create("jadugar breakers", 16, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	kept = hash_search(table, key, HASH_ENTER, NULL);
	kept->options = *o;
	return &kept->options;
}

/* The gate where a call counts, or NULL. */
static JdgGate *
gate_of(const JdgPlaces *places, int i)
{
	if (places->at[i] == JDG_PLACE_NONE || !places->call[i].counts)
		return NULL;
	return &jdg_gates->gate[places->at[i]];
}

bool
jdg_gates_ended(JdgPlaces *places, JdgBreakerEnd end, int64 us)
{
	bool		opened = false;

	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		JdgGate    *g = gate_of(places, i);
		TimestampTz now;
		JdgBreakerEnd e = end;

		if (g == NULL)
			continue;
		now = jdg_now();
		SpinLockAcquire(&g->mutex);
		if (g->guarded)
		{
			bool		was = g->breaker.state == JDG_BREAKER_OPEN;

			if (end == JDG_BREAKER_GOOD && g->options.slow_after_us > 0 &&
				us >= g->options.slow_after_us)
				e = JDG_BREAKER_SLOW;
			jdg_breaker_end(&g->breaker, &g->options, now, e,
							&places->call[i]);
			opened |= !was && g->breaker.state == JDG_BREAKER_OPEN;
		}
		SpinLockRelease(&g->mutex);
	}
	return opened;
}

int64
jdg_gates_slow(JdgPlaces *places, int64 us, bool *opened)
{
	int64		next = 0;

	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		JdgGate    *g = gate_of(places, i);
		TimestampTz now;
		int64		after = 0;

		if (g == NULL || places->call[i].slow)
			continue;
		now = jdg_now();
		SpinLockAcquire(&g->mutex);
		if (g->guarded)
			after = g->options.slow_after_us;
		if (after > 0 && us >= after)
		{
			bool		was = g->breaker.state == JDG_BREAKER_OPEN;

			jdg_breaker_slow(&g->breaker, &g->options, now, &places->call[i]);
			*opened |= !was && g->breaker.state == JDG_BREAKER_OPEN;
			after = 0;
		}
		SpinLockRelease(&g->mutex);
		if (after > 0)
			next = next == 0 ? after : Min(next, after);
	}
	return next;
}

bool
jdg_gates_are_open(const JdgPlaces *places)
{
	bool		open = false;

	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		JdgGate    *g = gate_of(places, i);
		TimestampTz now;
		JdgBreakerView v;

		if (g == NULL)
			continue;
		now = jdg_now();
		SpinLockAcquire(&g->mutex);
		if (g->guarded)
		{
			jdg_breaker_view(&g->breaker, &g->options, now, &v);
			open |= v.forced == JDG_FORCE_OPEN ||
				(v.forced == JDG_FORCE_AUTO &&
				 g->breaker.generation != places->call[i].generation &&
				 v.state != JDG_BREAKER_CLOSED);
		}
		SpinLockRelease(&g->mutex);
	}
	return open;
}

bool
jdg_gates_are_probing(const JdgPlaces *places)
{
	for (int i = 0; i < JDG_LIMITS_MAX; i++)
	{
		if (gate_of(places, i) != NULL && places->call[i].ticket >= 0)
			return true;
	}
	return false;
}

void
jdg_gates_hold(const JdgLimit *limit, TimestampTz until, JdgHold why)
{
	TimestampTz now = jdg_now();
	JdgPlace	at = JDG_PLACE_NONE;
	JdgGate    *g;

	if (until <= now)
		return;
	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	g = jdg_gate_get(limit, now * 1000);
	if (g != NULL)
	{
		at = g - jdg_gates->gate;
		SpinLockAcquire(&g->mutex);
		if (until > g->hold_until)
		{
			g->hold = why;
			g->hold_from = now;
			g->hold_until = until;
		}
		SpinLockRelease(&g->mutex);
	}
	LWLockRelease(JdgGatesLock);
	/* lanes that are parked wait for that, too */
	if (at != JDG_PLACE_NONE)
		jdg_gate_reopen(at);
}

/* Ends a hold and closes a breaker; the caller holds JdgGatesLock. */
static void
close_gate(JdgGate *g, TimestampTz now)
{
	SpinLockAcquire(&g->mutex);
	g->hold_until = 0;
	if (g->guarded)
		jdg_breaker_reset(&g->breaker, &g->options, now);
	SpinLockRelease(&g->mutex);
}

void
jdg_gate_close(const JdgLimit *limit)
{
	TimestampTz now = jdg_now();
	JdgPlace	at = JDG_PLACE_NONE;
	JdgGate    *g;

	LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
	g = jdg_gate_find(MyDatabaseId, limit);
	if (g != NULL)
	{
		at = g - jdg_gates->gate;
		close_gate(g, now);
	}
	LWLockRelease(JdgGatesLock);
	if (at != JDG_PLACE_NONE)
		jdg_gate_reopen(at);
}

void
jdg_gates_close_endpoint(int32 endpoint_id)
{
	TimestampTz now = jdg_now();

	for (int i = 0; i < jdg_max_gates; i++)
	{
		JdgGate    *g = &jdg_gates->gate[i];
		bool		found;

		LWLockAcquire(JdgGatesLock, LW_EXCLUSIVE);
		found = g->dboid == MyDatabaseId &&
			(g->limit.scope == JDG_SCOPE_ENDPOINT ||
			 g->limit.scope == JDG_SCOPE_HOST) &&
			g->limit.id[0] == (uint64) endpoint_id;
		if (found)
			close_gate(g, now);
		LWLockRelease(JdgGatesLock);
		if (found)
			jdg_gate_reopen(i);
	}
}
