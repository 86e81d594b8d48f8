/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  Circuit breakers, see breaker.h: calls begin and end.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "shared/breaker.h"

void
jdg_breaker_start(JdgBreaker *b, const JdgBreakerOptions *o, int64_t at)
{
	memset(b, 0, sizeof(*b));
	b->since = jdg_breaker_see(b, at);
	jdg_breaker_ramp(b, o, b->since);
}

void
jdg_breaker_reset(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now)
{
	jdg_breaker_close(b, o, jdg_breaker_see(b, now));
	b->trips = 0;
}

/* How many calls may begin, after jdg_breaker_age(). */
static int32_t
room_at(const JdgBreaker *b, int64_t t, int32_t in_use)
{
	JdgTickets	n;

	switch (b->state)
	{
		case JDG_BREAKER_CLOSED:
			return b->ramp == 0 ? INT32_MAX : Max(b->ramp - in_use, 0);
		case JDG_BREAKER_OPEN:
			return t >= b->until ? 1 : 0;
		case JDG_BREAKER_HALF_OPEN:
			n = jdg_breaker_tickets(b);
			return n.ended > 0 ? n.free : n.held > 0 ? 0 : 1;
	}
	return 0;
}

int32_t
jdg_breaker_room(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				 int32_t in_use)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	switch (jdg_breaker_force_of(o, now))
	{
		case JDG_FORCE_AUTO:
			break;
		case JDG_FORCE_OPEN:
			return 0;
		case JDG_FORCE_DISABLED:
			return INT32_MAX;
	}
	return room_at(b, t, in_use);
}

int64_t
jdg_breaker_next(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now)
{
	int			i;

	jdg_breaker_age(b, o, jdg_breaker_see(b, now));
	if (jdg_breaker_force_of(o, now) == JDG_FORCE_OPEN)
		return o->forced_until == 0 ? JDG_BREAKER_NEVER : o->forced_until;
	switch (b->state)
	{
		case JDG_BREAKER_CLOSED:
			return b->ramp > 0 ? jdg_breaker_told(b, b->ramp_until) : JDG_BREAKER_NEVER;
		case JDG_BREAKER_OPEN:
			return jdg_breaker_told(b, b->until);
		case JDG_BREAKER_HALF_OPEN:
			i = jdg_breaker_first_to_expire(b);
			return i < 0 ? JDG_BREAKER_NEVER : jdg_breaker_told(b, b->expires[i]);
	}
	return JDG_BREAKER_NEVER;
}

/* Takes a ticket for a call in this state; false: none is free. */
static bool
take_ticket(JdgBreaker *b, int64_t t, int64_t expires, JdgBreakerCall *call)
{
	int			i = 0;

	if (room_at(b, t, 0) == 0)
		return false;
	while (b->ticket[i] != JDG_TICKET_FREE)
		i++;
	Assert(i < b->permits);
	b->ticket[i] = JDG_TICKET_HELD;
	b->expires[i] = expires == JDG_BREAKER_NEVER ? expires : expires + b->shift;
	call->ticket = (int8_t) i;
	return true;
}

/* A call begins, and there is room but perhaps for a ticket. */
static bool
begin(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t, int64_t expires,
	  JdgBreakerCall *call)
{
	memset(call, 0, sizeof(*call));
	call->ticket = -1;
	if (b->state == JDG_BREAKER_OPEN)
	{
		if (t < b->until)
			return false;
		jdg_breaker_become(b, JDG_BREAKER_HALF_OPEN, t);
		b->permits = jdg_breaker_permits(o);
	}
	if (b->state == JDG_BREAKER_HALF_OPEN &&
		!take_ticket(b, t, expires, call))
		return false;
	call->generation = b->generation;
	call->counts = true;
	return true;
}

bool
jdg_breaker_begin(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				  int64_t expires, int32_t in_use, JdgBreakerCall *call)
{
	memset(call, 0, sizeof(*call));
	if (jdg_breaker_room(b, o, now, in_use) == 0)
		return false;
	if (jdg_breaker_force_of(o, now) == JDG_FORCE_DISABLED)
		return true;
	return begin(b, o, b->seen, expires, call);
}

bool
jdg_breaker_go_on(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				  int64_t expires, JdgBreakerCall *call)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	switch (jdg_breaker_force_of(o, now))
	{
		case JDG_FORCE_AUTO:
			break;
		case JDG_FORCE_OPEN:
			return false;
		case JDG_FORCE_DISABLED:
			return true;
	}
	if (!call->counts || call->generation != b->generation)
		return begin(b, o, t, expires, call);
	if (b->state == JDG_BREAKER_HALF_OPEN)
	{
		/* it would be a failure by now, had it expired */
		if (b->ticket[call->ticket] != JDG_TICKET_HELD)
			return false;
		b->expires[call->ticket] =
			expires == JDG_BREAKER_NEVER ? expires : expires + b->shift;
	}
	return true;
}

/* Does the call count in this generation? */
static bool
is_current(JdgBreaker *b, const JdgBreakerCall *call)
{
	return call->counts && call->generation == b->generation;
}

/* Opens a closed breaker if the rules say so. */
static void
check(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	JdgBreakerBucket sum = jdg_breaker_window(b, o, t);

	if ((sum.calls >= o->min_calls &&
		 jdg_breaker_too_many(o, sum.failures, sum.slow, sum.calls)) ||
		(o->consecutive > 0 && b->consecutive >= o->consecutive))
		jdg_breaker_open(b, o, t);
}

void
jdg_breaker_slow(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				 JdgBreakerCall *call)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	if (!is_current(b, call) || call->slow || o->slow_after_us == 0 ||
		jdg_breaker_force_of(o, now) == JDG_FORCE_DISABLED)
		return;
	call->slow = true;
	if (b->state == JDG_BREAKER_CLOSED)
	{
		JdgBreakerBucket *bucket = jdg_breaker_bucket(b, o, t);

		bucket->calls++;
		bucket->slow++;
		call->slow_in = (uint32_t) b->epoch;
		check(b, o, t);
	}
	else if (b->ticket[call->ticket] == JDG_TICKET_HELD)
	{
		b->ticket[call->ticket] = JDG_TICKET_HELD_SLOW;
		jdg_breaker_decide(b, o, t);
	}
}

/* A call of a closed breaker has failed: one that was slow is so no more. */
static void
count_failure(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t,
			  const JdgBreakerCall *call)
{
	JdgBreakerBucket *now = jdg_breaker_bucket(b, o, t);
	uint32_t	ago = (uint32_t) b->epoch - call->slow_in;
	JdgBreakerBucket *then;

	b->consecutive++;
	b->failed_at = b->calm_at = t;
	/* not if it has left the window, or another one has begun */
	if (call->slow && ago < JDG_BREAKER_BUCKETS)
	{
		then = &b->bucket[(b->epoch - ago) % JDG_BREAKER_BUCKETS];
		if (then->slow > 0)
		{
			then->slow--;
			then->failures++;
			return;
		}
	}
	now->calls++;
	now->failures++;
}

static void
end_closed(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t,
		   JdgBreakerEnd end, const JdgBreakerCall *call)
{
	JdgBreakerBucket *bucket = jdg_breaker_bucket(b, o, t);

	switch (end)
	{
		case JDG_BREAKER_RETURNED:
			return;
		case JDG_BREAKER_GOOD:
		case JDG_BREAKER_SLOW:
			b->consecutive = 0;
			b->ramp += b->ramp > 0 && b->ramp < INT32_MAX;
			if (!call->slow)
			{
				bucket->calls++;
				bucket->slow += end == JDG_BREAKER_SLOW && o->slow_after_us > 0;
			}
			break;
		case JDG_BREAKER_FAILED:
			count_failure(b, o, t, call);
			break;
	}
	check(b, o, t);
}

static void
end_half_open(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t,
			  JdgBreakerEnd end, const JdgBreakerCall *call)
{
	uint8_t    *ticket = &b->ticket[call->ticket];

	/* it has expired */
	if (*ticket != JDG_TICKET_HELD && *ticket != JDG_TICKET_HELD_SLOW)
		return;
	switch (end)
	{
		case JDG_BREAKER_RETURNED:
			*ticket = call->slow ? JDG_TICKET_SLOW : JDG_TICKET_FREE;
			break;
		case JDG_BREAKER_GOOD:
			*ticket = call->slow ? JDG_TICKET_SLOW : JDG_TICKET_GOOD;
			break;
		case JDG_BREAKER_SLOW:
			*ticket = o->slow_after_us > 0 ? JDG_TICKET_SLOW : JDG_TICKET_GOOD;
			break;
		case JDG_BREAKER_FAILED:
			*ticket = JDG_TICKET_FAILED;
			break;
	}
	jdg_breaker_decide(b, o, t);
}

void
jdg_breaker_end(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				JdgBreakerEnd end, JdgBreakerCall *call)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	if (jdg_breaker_force_of(o, now) == JDG_FORCE_DISABLED)
		end = JDG_BREAKER_RETURNED;
	if (!is_current(b, call))
		b->stale += call->counts && end != JDG_BREAKER_RETURNED;
	else if (b->state == JDG_BREAKER_CLOSED)
		end_closed(b, o, t, end, call);
	else
	{
		/* none begins while it is open */
		Assert(b->state == JDG_BREAKER_HALF_OPEN && call->ticket >= 0);
		end_half_open(b, o, t, end, call);
	}
	call->counts = false;
}

void
jdg_breaker_view(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now,
				 JdgBreakerView *view)
{
	int64_t		t = jdg_breaker_see(b, now);
	JdgBreakerBucket sum;
	JdgTickets	n;

	jdg_breaker_age(b, o, t);
	memset(view, 0, sizeof(*view));
	view->state = b->state;
	view->forced = jdg_breaker_force_of(o, now);
	view->since = jdg_breaker_told(b, b->since);
	view->until = JDG_BREAKER_NEVER;
	view->consecutive = b->consecutive;
	view->trips = b->trips;
	view->ramp = b->ramp;
	switch (b->state)
	{
		case JDG_BREAKER_CLOSED:
			sum = jdg_breaker_window(b, o, t);
			view->calls = sum.calls;
			view->failures = sum.failures;
			view->slow = sum.slow;
			if (b->ramp > 0)
				view->until = jdg_breaker_told(b, b->ramp_until);
			break;
		case JDG_BREAKER_OPEN:
			if (t >= b->until)
				view->state = JDG_BREAKER_HALF_OPEN;
			else
				view->until = jdg_breaker_told(b, b->until);
			break;
		case JDG_BREAKER_HALF_OPEN:
			n = jdg_breaker_tickets(b);
			view->calls = n.ended + n.held;
			view->failures = n.failed;
			view->slow = n.slow;
			break;
	}
	if (view->forced == JDG_FORCE_OPEN)
		view->until = o->forced_until == 0 ? JDG_BREAKER_NEVER : o->forced_until;
}

bool
jdg_breaker_is_quiet(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	return b->state == JDG_BREAKER_CLOSED && b->ramp == 0 && b->trips == 0 &&
		b->consecutive == 0 && jdg_breaker_window(b, o, t).calls == 0;
}

bool
jdg_breaker_is_idle(JdgBreaker *b, const JdgBreakerOptions *o, int64_t now)
{
	int64_t		t = jdg_breaker_see(b, now);

	jdg_breaker_age(b, o, t);
	return b->state != JDG_BREAKER_OPEN || t >= b->until;
}
