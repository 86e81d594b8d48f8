/*-------------------------------------------------------------------------
 *
 * breakerstate.c
 *	  The state of a circuit breaker, see breakerstate.h.
 *
 * Pure.  What changes by time alone is done when somebody looks, with the
 * instant at which it was due: it does not matter when that is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "shared/breakerstate.h"

#define SECOND	INT64_C(1000000)

/*
 * Callers have read the clock some time before.  A larger difference is a clock
 * that was set back.
 */
#define STALE_US (10 * SECOND)

/* failures in a row count for so long */
#define MEMORY_US (86400 * SECOND)

/* trips that are counted: the time is doubled no more often */
#define TRIPS_MAX 30

/* --- time ---------------------------------------------------------------- */

/* The instant that the caller means, which is never before another one. */
int64_t
jdg_breaker_see(JdgBreaker *b, int64_t now)
{
	int64_t		t = now + b->shift;

	if (b->seen - t > STALE_US)
		b->shift += b->seen - t;
	b->seen = Max(b->seen, t);
	return b->seen;
}

/* The caller's time for an instant. */
int64_t
jdg_breaker_told(const JdgBreaker *b, int64_t at)
{
	return at == JDG_BREAKER_NEVER ? at : at - b->shift;
}

/* what is in force now; a breaker that is off lets all through */
JdgBreakerForce
jdg_breaker_force_of(const JdgBreakerOptions *o, int64_t now)
{
	if (o->forced != JDG_FORCE_AUTO &&
		(o->forced_until == 0 || now < o->forced_until))
		return o->forced;
	return o->on ? JDG_FORCE_AUTO : JDG_FORCE_DISABLED;
}

/* --- the window ---------------------------------------------------------- */

/* The bucket of this instant; those that have left the window are empty. */
JdgBreakerBucket *
jdg_breaker_bucket(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	int64_t		width = Max(o->window_us / JDG_BREAKER_BUCKETS, 1);
	int64_t		epoch = t / width;
	int64_t		e;

	if (width != b->width || epoch - b->epoch >= JDG_BREAKER_BUCKETS)
		memset(b->bucket, 0, sizeof(b->bucket));
	else
	{
		for (e = b->epoch + 1; e <= epoch; e++)
			memset(&b->bucket[e % JDG_BREAKER_BUCKETS], 0,
				   sizeof(JdgBreakerBucket));
	}
	b->width = width;
	b->epoch = epoch;
	return &b->bucket[epoch % JDG_BREAKER_BUCKETS];
}

JdgBreakerBucket
jdg_breaker_window(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	JdgBreakerBucket sum = {0, 0, 0};
	int			i;

	(void) jdg_breaker_bucket(b, o, t);
	for (i = 0; i < JDG_BREAKER_BUCKETS; i++)
	{
		sum.calls += b->bucket[i].calls;
		sum.failures += b->bucket[i].failures;
		sum.slow += b->bucket[i].slow;
	}
	return sum;
}

/* Are n of these calls as many as a percentage allows, or more? */
static bool
reaches(int32_t n, int32_t pct, int32_t calls)
{
	return n > 0 && (int64_t) n * 100 >= (int64_t) pct * calls;
}

bool
jdg_breaker_too_many(const JdgBreakerOptions *o, int32_t failures, int32_t slow,
					 int32_t calls)
{
	return reaches(failures, o->failure_pct, calls) ||
		(o->slow_after_us > 0 && reaches(slow, o->slow_pct, calls));
}

/* --- changes of the state ------------------------------------------------ */

void
jdg_breaker_become(JdgBreaker *b, JdgBreakerState state, int64_t t)
{
	b->state = state;
	b->generation++;
	b->since = t;
	b->consecutive = 0;
	b->ramp = 0;
	memset(b->ticket, 0, sizeof(b->ticket));
	memset(b->bucket, 0, sizeof(b->bucket));
}

/* Something that differs from breaker to breaker and from time to time. */
static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void
jdg_breaker_open(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	int64_t		period = Max(o->open_for_us, 1);
	int64_t		fifth;
	int			i;

	jdg_breaker_become(b, JDG_BREAKER_OPEN, t);
	b->trips = Min(b->trips + 1, TRIPS_MAX);
	for (i = 1; i < b->trips && period < o->open_max_us; i++)
		period *= 2;
	period = Min(period, Max(o->open_max_us, 1));
	/* so that not all callers of a service return at once */
	fifth = period / 5;
	b->until = t + period - fifth +
		(int64_t) (mix((uint64_t) t ^ b->generation) % (uint64_t) (2 * fifth + 1));
}

int32_t
jdg_breaker_permits(const JdgBreakerOptions *o)
{
	return Min(Max(o->half_open, 1), JDG_BREAKER_TICKETS);
}

/* Begins the ramp of a breaker that is closed. */
void
jdg_breaker_ramp(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	b->ramp = o->ramp_us > 0 ? jdg_breaker_permits(o) : 0;
	b->ramp_until = t + o->ramp_us;
	b->calm_at = t;
}

void
jdg_breaker_close(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	jdg_breaker_become(b, JDG_BREAKER_CLOSED, t);
	jdg_breaker_ramp(b, o, t);
}

/* --- half-open ----------------------------------------------------------- */

JdgTickets
jdg_breaker_tickets(const JdgBreaker *b)
{
	JdgTickets	n = {0, 0, 0, 0, 0};
	int			i;

	for (i = 0; i < b->permits; i++)
	{
		JdgTicket	t = (JdgTicket) b->ticket[i];
		bool		held = t == JDG_TICKET_HELD || t == JDG_TICKET_HELD_SLOW;

		n.free += t == JDG_TICKET_FREE;
		n.held += held;
		n.ended += t != JDG_TICKET_FREE && !held;
		n.failed += t == JDG_TICKET_FAILED;
		n.slow += t == JDG_TICKET_SLOW || t == JDG_TICKET_HELD_SLOW;
	}
	return n;
}

/* Opens or closes the breaker if its tickets say so. */
void
jdg_breaker_decide(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	JdgTickets	n = jdg_breaker_tickets(b);

	if (jdg_breaker_too_many(o, n.failed, n.slow, b->permits))
		jdg_breaker_open(b, o, t);
	else if (n.ended == b->permits)
		jdg_breaker_close(b, o, t);
}

/* The held ticket that expires first; -1: none is held. */
int
jdg_breaker_first_to_expire(const JdgBreaker *b)
{
	int			first = -1;
	int			i;

	for (i = 0; i < b->permits; i++)
	{
		if ((b->ticket[i] == JDG_TICKET_HELD ||
			 b->ticket[i] == JDG_TICKET_HELD_SLOW) &&
			(first < 0 || b->expires[i] < b->expires[first]))
			first = i;
	}
	return first;
}

/* What time alone has changed up to now. */
void
jdg_breaker_age(JdgBreaker *b, const JdgBreakerOptions *o, int64_t t)
{
	int64_t		calm = Max(o->ramp_us > 0 ? o->ramp_us : o->window_us, 1);
	int			i;

	while (b->state == JDG_BREAKER_HALF_OPEN &&
		   (i = jdg_breaker_first_to_expire(b)) >= 0 && b->expires[i] <= t)
	{
		b->ticket[i] = JDG_TICKET_FAILED;
		jdg_breaker_decide(b, o, b->expires[i]);
	}
	if (b->state != JDG_BREAKER_CLOSED)
		return;
	if (t >= b->ramp_until)
		b->ramp = 0;
	if (t - b->failed_at >= MEMORY_US)
		b->consecutive = 0;
	for (; b->trips > 0 && t - b->calm_at >= calm; b->calm_at += calm)
		b->trips /= 2;
}
