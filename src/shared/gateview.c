/*-------------------------------------------------------------------------
 *
 * gateview.c
 *	  What views show of gates, see gateview.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"

#include "shared/gatetable.h"
#include "shared/gateview.h"
#include "shared/shmem.h"

/* for so long a role is shown that has found no room */
#define LACKING_US (60 * USECS_PER_SEC)

/*
 * A copy of the gate of a limit, as it would be found or made.  It goes by the
 * limit that is configured now.  False: there is none, and no room for it.  The
 * caller holds JdgGatesLock.
 */
static bool
peek(const JdgLimit *limit, JdgGate *copy)
{
	JdgGate    *g = jdg_gate_find(MyDatabaseId, limit);

	memset(copy, 0, sizeof(JdgGate));
	SpinLockInit(&copy->mutex);
	copy->limit = *limit;
	copy->guarded = limit->breaker != NULL;
	if (copy->guarded)
		copy->options = *limit->breaker;
	if (g != NULL)
	{
		copy->due = g->due;
		SpinLockAcquire(&g->mutex);
		copy->in_use = g->in_use;
		copy->promised = g->promised;
		copy->hold = g->hold;
		copy->hold_until = g->hold_until;
		copy->breaker = g->breaker;
		SpinLockRelease(&g->mutex);
		copy->nparked = g->nparked;
	}
	else if (limit->interval > 0)
		copy->due = jdg_gate_first_due(limit);
	return g != NULL || jdg_gate_may_make(limit);
}

/*
 * Does the gate of a limit refuse a task?  Lanes that are parked wait for it,
 * though there may be room now.
 */
static JdgRefusal
refusal_of(const JdgLimit *limit, TimestampTz now)
{
	JdgGate		g;
	bool		found = peek(limit, &g);

	if (!found)
		return JDG_REFUSED_PLACES;
	if (g.hold_until > now)
		return JDG_REFUSED_HOLD;
	if (g.guarded)
	{
		JdgBreakerView v;

		jdg_breaker_view(&g.breaker, &g.options, now, &v);
		if (jdg_breaker_room(&g.breaker, &g.options, now, g.in_use) == 0 ||
			(g.nparked > 0 && v.state != JDG_BREAKER_CLOSED &&
			 v.forced == JDG_FORCE_AUTO))
			return JDG_REFUSED_BREAKER;
	}
	if (jdg_gate_room(&g, now * 1000) > 0 &&
		(g.nparked == 0 || limit->interval == 0))
		return JDG_NOT_REFUSED;
	return limit->interval > 0 && (limit->max == 0 || g.in_use < limit->max) ?
		JDG_REFUSED_RATE : JDG_REFUSED_PLACES;
}

int
jdg_gates_refusing(const JdgLimits *limits, TimestampTz now, JdgRefusal *why)
{
	int			refusing = -1;

	*why = JDG_NOT_REFUSED;
	if (limits->n == 0)
		return -1;
	LWLockAcquire(JdgGatesLock, LW_SHARED);
	for (int i = 0; i < limits->n && refusing < 0; i++)
	{
		*why = refusal_of(&limits->limit[i], now);
		if (*why != JDG_NOT_REFUSED)
			refusing = i;
	}
	LWLockRelease(JdgGatesLock);
	return refusing;
}

void
jdg_gate_state(const JdgLimit *limit, TimestampTz now, JdgGateState *state)
{
	JdgGate		g;

	memset(state, 0, sizeof(JdgGateState));
	LWLockAcquire(JdgGatesLock, LW_SHARED);
	(void) peek(limit, &g);
	state->why = refusal_of(limit, now);
	LWLockRelease(JdgGatesLock);
	state->in_use = g.in_use;
	state->parked = g.nparked;
	state->tokens = limit->interval > 0 ? jdg_gate_tokens(&g, now * 1000) : -1;
	state->next_at = state->why == JDG_NOT_REFUSED ? DT_NOEND :
		jdg_gate_opens_at(&g, now * 1000);
	if (g.hold_until > now)
	{
		state->hold = g.hold;
		state->hold_until = g.hold_until;
	}
	state->guarded = g.guarded;
	if (g.guarded)
		jdg_breaker_view(&g.breaker, &g.options, now, &state->breaker);
}

const char *
jdg_breaker_word(const JdgBreakerView *v)
{
	switch (v->forced)
	{
		case JDG_FORCE_OPEN:
			return "forced_open";
		case JDG_FORCE_DISABLED:
			return "disabled";
		case JDG_FORCE_AUTO:
			break;
	}
	switch (v->state)
	{
		case JDG_BREAKER_CLOSED:
			break;
		case JDG_BREAKER_OPEN:
			return "open";
		case JDG_BREAKER_HALF_OPEN:
			return "half_open";
	}
	return "closed";
}

int32
jdg_breaker_percent(int32 n, int32 calls)
{
	return calls == 0 ? 0 : (int32) ((int64) n * 100 / calls);
}

void
jdg_gates_state(TimestampTz now, JdgShareState *state, Oid *lacking,
				int32 *lacking_held)
{
	LWLockAcquire(JdgGatesLock, LW_SHARED);
	jdg_shares_state(jdg_gate_shares, state);
	*lacking = jdg_gate_shares->refused_at > now - LACKING_US ?
		jdg_gate_shares->refused : InvalidOid;
	*lacking_held = jdg_share_held(jdg_gate_shares, *lacking);
	LWLockRelease(JdgGatesLock);
}
