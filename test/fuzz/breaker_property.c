/*-------------------------------------------------------------------------
 *
 * breaker_property.c
 *	  Compares src/shared/breaker.c with a slow and simple model.
 *
 * Runs random sequences of calls, pauses, clocks that are set back and options
 * that change.  The model keeps all calls and counts them anew each time.  It
 * lives on a clock that only goes forward, and handles each expired ticket at
 * its time; the breaker finds it later.  The rules that must hold whatever
 * happens are checked in addition.
 *
 * Usage: breaker_property [seed [count]]
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/breaker.h"

#define CALLS 4000
#define STEPS 1500
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static uint64_t seed;
static int	sequence;
static int	step;

#define CHECK(ok, ...) \
	do { \
		if (!(ok)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\nseed %" PRIu64 ", sequence %d, step %d\n", \
					seed, sequence, step); \
			abort(); \
		} \
	} while (0)

/* ---- random ---- */

static uint64_t random_state;

static uint64_t
random_bits(void)
{
	/* splitmix64 */
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static int64_t
pick(int64_t low, int64_t high)
{
	return low + (int64_t) (random_bits() % (uint64_t) (high - low + 1));
}

static bool
chance(int percent)
{
	return pick(1, 100) <= percent;
}

/* ---- the model ---- */

typedef struct Call
{
	JdgBreakerCall real;
	bool		open;			/* has begun and not ended */
	bool		counted;		/* the model counts it at all */
	int			era;			/* number of the state in which it began */
	bool		ticket;			/* it holds one */
	int64_t		expires;		/* steady */
	bool		slow;
	int64_t		counted_at;		/* steady; -1: has not counted yet */
	bool		failed;
} Call;

typedef struct Model
{
	JdgBreakerState state;
	int			era;
	int			trips;
	int			consecutive;
	int64_t		failed_at;
	int64_t		calm_at;
	int64_t		since;
	int64_t		until;			/* as the breaker has chosen it */
	int			ramp;
	int64_t		ramp_until;
	int			permits;
	int64_t		window_from;	/* calls counted before do not count */
} Model;

static JdgBreaker breaker;
static JdgBreakerOptions opt;
static Model model;
static Call call[CALLS];
static int	ncalls;
static int64_t steady;			/* time of the model */
static int64_t now;				/* time of the clock that the breaker is given */

/* what the run has seen, so that it has seen enough */
static long opened,
			closed,
			reopened,
			expired,
			returned,
			stale;

static void
enter(JdgBreakerState state, int64_t at)
{
	model.state = state;
	model.era++;
	model.consecutive = 0;
	model.since = at;
	model.window_from = at;
	model.ramp = 0;
}

/* The breaker must have chosen an end that the rule allows. */
static void
model_open(int64_t at)
{
	int64_t		period = opt.open_for_us;

	if (model.state == JDG_BREAKER_HALF_OPEN)
		reopened++;
	opened++;
	enter(JDG_BREAKER_OPEN, at);
	model.trips += model.trips < 30;
	for (int i = 1; i < model.trips && period < opt.open_max_us; i++)
		period *= 2;
	if (period > opt.open_max_us)
		period = opt.open_max_us;
	/* read at the next comparison */
	model.until = -1;
	model.calm_at = period;		/* kept there meanwhile */
}

static void
model_close(int64_t at)
{
	closed++;
	enter(JDG_BREAKER_CLOSED, at);
	model.calm_at = at;
	if (opt.ramp_us > 0)
	{
		model.ramp = model.permits;
		model.ramp_until = at + opt.ramp_us;
	}
}

/* The tickets of this half-open state, as calls. */
static void
model_tickets(int *used, int *held, int *failed, int *slow)
{
	*used = *held = *failed = *slow = 0;
	for (int i = 0; i < ncalls; i++)
	{
		const Call *c = &call[i];

		if (!c->counted || c->era != model.era || !c->ticket)
			continue;
		(*used)++;
		*held += c->open && !c->failed;
		*failed += c->failed;
		*slow += c->slow && !c->failed;
	}
}

static void
model_decide(int64_t at)
{
	int			used,
				held,
				failed,
				slow;

	model_tickets(&used, &held, &failed, &slow);
	if ((failed > 0 && failed * 100 >= opt.failure_pct * model.permits) ||
		(opt.slow_after_us > 0 && slow > 0 &&
		 slow * 100 >= opt.slow_pct * model.permits))
		model_open(at);
	else if (used - held == model.permits)
		model_close(at);
}

static void
model_check(void)
{
	int64_t		width = opt.window_us / JDG_BREAKER_BUCKETS;
	int			calls = 0,
				failures = 0,
				slow = 0;

	for (int i = 0; i < ncalls; i++)
	{
		const Call *c = &call[i];

		if (!c->counted || c->era != model.era || c->counted_at < 0 ||
			c->counted_at < model.window_from ||
			c->counted_at / width <= steady / width - JDG_BREAKER_BUCKETS)
			continue;
		calls++;
		failures += c->failed;
		slow += c->slow && !c->failed;
	}
	if ((calls >= opt.min_calls &&
		 ((failures > 0 && failures * 100 >= opt.failure_pct * calls) ||
		  (opt.slow_after_us > 0 && slow > 0 && slow * 100 >= opt.slow_pct * calls))) ||
		(opt.consecutive > 0 && model.consecutive >= opt.consecutive))
		model_open(steady);
}

/* Time passes in the model, ticket by ticket. */
static void
model_pass(int64_t to)
{
	int64_t		calm = opt.ramp_us > 0 ? opt.ramp_us : opt.window_us;

	for (;;)
	{
		Call	   *first = NULL;

		for (int i = 0; i < ncalls; i++)
		{
			Call	   *c = &call[i];

			if (c->counted && c->era == model.era && c->ticket && c->open &&
				!c->failed && c->expires <= to &&
				(first == NULL || c->expires < first->expires))
				first = c;
		}
		if (first == NULL || model.state != JDG_BREAKER_HALF_OPEN)
			break;
		expired++;
		first->failed = true;
		model_decide(first->expires);
	}
	steady = to;
	if (model.state != JDG_BREAKER_CLOSED)
		return;
	if (model.ramp > 0 && steady >= model.ramp_until)
		model.ramp = 0;
	if (steady - model.failed_at >= DAY)
		model.consecutive = 0;
	while (model.trips > 0 && steady - model.calm_at >= calm)
	{
		model.trips /= 2;
		model.calm_at += calm;
	}
}

static int
in_use(void)
{
	int			n = 0;

	for (int i = 0; i < ncalls; i++)
		n += call[i].open;
	return n;
}

static int
model_room(void)
{
	int			used,
				held,
				failed,
				slow;

	if (opt.forced == JDG_FORCE_OPEN)
		return 0;
	if (opt.forced == JDG_FORCE_DISABLED || !opt.on)
		return INT32_MAX;
	switch (model.state)
	{
		case JDG_BREAKER_CLOSED:
			if (model.ramp == 0)
				return INT32_MAX;
			return model.ramp > in_use() ? model.ramp - in_use() : 0;
		case JDG_BREAKER_OPEN:
			return steady >= model.until ? 1 : 0;
		case JDG_BREAKER_HALF_OPEN:
			model_tickets(&used, &held, &failed, &slow);
			if (used - held == 0)
				return held == 0 ? 1 : 0;
			return model.permits - used;
	}
	return -1;
}

static bool
disabled(void)
{
	return opt.forced == JDG_FORCE_DISABLED ||
		(opt.forced == JDG_FORCE_AUTO && !opt.on);
}

/* ---- both ---- */

/* A time that a caller may have read: perhaps a while ago. */
static int64_t
read_clock(void)
{
	return chance(20) ? now - pick(0, 3 * SECOND) : now;
}

static void
compare(void)
{
	JdgBreakerView v;
	int64_t		next;
	int			used,
				held,
				failed,
				slow;
	int32_t		room = jdg_breaker_room(&breaker, &opt, now, in_use());

	CHECK(breaker.state == model.state, "state %d, model %d", breaker.state,
		  model.state);
	if (model.state == JDG_BREAKER_OPEN && model.until < 0)
	{
		int64_t		period = model.calm_at;

		model.until = breaker.until;
		CHECK(model.until - model.since >= period - period / 5 - 1 &&
			  model.until - model.since <= period + period / 5 + 1,
			  "open for %" PRId64 ", rule %" PRId64 ", trips %d",
			  model.until - model.since, period, model.trips);
	}
	CHECK(room == model_room(), "room %d, model %d", room, model_room());
	CHECK(breaker.trips == model.trips, "trips %d, model %d", breaker.trips,
		  model.trips);
	CHECK(breaker.since == model.since, "since");
	CHECK(breaker.consecutive == model.consecutive, "consecutive %d, model %d",
		  breaker.consecutive, model.consecutive);
	for (int i = 0; i < JDG_BREAKER_BUCKETS; i++)
		CHECK(breaker.bucket[i].failures >= 0 && breaker.bucket[i].slow >= 0 &&
			  breaker.bucket[i].calls >= breaker.bucket[i].failures + breaker.bucket[i].slow,
			  "bucket %d", i);

	/* never more permits than half_open */
	model_tickets(&used, &held, &failed, &slow);
	if (model.state == JDG_BREAKER_HALF_OPEN)
		CHECK(used <= model.permits, "%d tickets of %d", used, model.permits);

	/* no room is over at some time, or by the end of a call */
	next = jdg_breaker_next(&breaker, &opt, now);
	if (room == 0 && opt.forced != JDG_FORCE_OPEN)
		CHECK(next != JDG_BREAKER_NEVER ? next > now :
			  model.state == JDG_BREAKER_HALF_OPEN && held > 0,
			  "no room, and nothing changes that");
	jdg_breaker_view(&breaker, &opt, now, &v);
	CHECK(v.state != JDG_BREAKER_OPEN || v.until > now, "open for ever");
}

static void
pass(int64_t us)
{
	now += us;
	model_pass(steady + us);
}

static void
begin_call(void)
{
	Call	   *c = &call[ncalls];
	int64_t		lasts = chance(10) ? JDG_BREAKER_NEVER : pick(1, 40 * SECOND);
	int			room = model_room();
	bool		ok;

	if (ncalls == CALLS)
		return;
	memset(c, 0, sizeof(*c));
	ok = jdg_breaker_begin(&breaker, &opt, now,
						   lasts == JDG_BREAKER_NEVER ? lasts : now + lasts,
						   in_use(), &c->real);
	CHECK(ok == (room > 0), "begun: %d, room %d", ok, room);
	if (!ok)
		return;
	ncalls++;
	c->open = true;
	c->counted = !disabled();
	c->counted_at = -1;
	if (c->counted && model.state == JDG_BREAKER_OPEN)
	{
		enter(JDG_BREAKER_HALF_OPEN, steady);
		model.permits = opt.half_open;
	}
	c->era = model.era;
	c->ticket = c->counted && model.state == JDG_BREAKER_HALF_OPEN;
	c->expires = lasts == JDG_BREAKER_NEVER ? lasts : steady + lasts;
	CHECK(c->ticket == (c->counted && c->real.ticket >= 0), "ticket");
}

static void
slow_call(Call *c)
{
	jdg_breaker_slow(&breaker, &opt, read_clock(), &c->real);
	if (!c->counted || c->era != model.era || c->slow || disabled() ||
		opt.slow_after_us == 0)
		return;
	if (c->ticket)
	{
		/* it may have expired */
		if (c->failed)
			return;
		c->slow = true;
		model_decide(steady);
		return;
	}
	c->slow = true;
	c->counted_at = steady;
	model_check();
}

static void
end_call(Call *c)
{
	JdgBreakerEnd end = (JdgBreakerEnd) pick(JDG_BREAKER_RETURNED, JDG_BREAKER_FAILED);
	bool		was_slow = c->slow;

	if (chance(model.trips > 2 ? 70 : 20))
		end = JDG_BREAKER_GOOD;
	jdg_breaker_end(&breaker, &opt, read_clock(), end, &c->real);
	if (chance(10))				/* the second end does not count */
		jdg_breaker_end(&breaker, &opt, read_clock(), JDG_BREAKER_FAILED, &c->real);
	c->open = false;
	if (disabled())
		end = JDG_BREAKER_RETURNED;
	returned += end == JDG_BREAKER_RETURNED;
	if (!c->counted)
		return;
	if (c->era != model.era)
	{
		stale++;
		return;
	}
	if (end == JDG_BREAKER_RETURNED && !was_slow)
	{
		/* as if it had not been, but for a ticket that has expired */
		c->counted = c->ticket && c->failed;
		return;
	}
	if (c->ticket)
	{
		if (c->failed)
			return;
		c->failed = end == JDG_BREAKER_FAILED;
		c->slow |= end == JDG_BREAKER_SLOW && opt.slow_after_us > 0;
		model_decide(steady);
		return;
	}
	if (end == JDG_BREAKER_RETURNED)
		return;
	if (end == JDG_BREAKER_FAILED)
	{
		int64_t		width = opt.window_us / JDG_BREAKER_BUCKETS;

		/* a slow one counts where it was; if it is not there, anew */
		if (!was_slow || c->counted_at < model.window_from ||
			c->counted_at / width <= steady / width - JDG_BREAKER_BUCKETS)
			c->counted_at = steady;
		c->failed = true;
		c->slow = false;
		model.consecutive++;
		model.failed_at = model.calm_at = steady;
	}
	else
	{
		model.consecutive = 0;
		if (model.ramp > 0)
			model.ramp++;
		if (!was_slow)
		{
			c->slow = end == JDG_BREAKER_SLOW && opt.slow_after_us > 0;
			c->counted_at = steady;
		}
	}
	model_check();
}

/* A call that is under way. */
static Call *
any_call(void)
{
	int			n = in_use();
	int			at;

	if (n == 0)
		return NULL;
	at = (int) pick(0, n - 1);
	for (int i = 0; i < ncalls; i++)
	{
		if (call[i].open && at-- == 0)
			return &call[i];
	}
	return NULL;
}

/* A call that was claimed before is made now. */
static void
go_on(Call *c)
{
	int64_t		lasts = pick(1, 40 * SECOND);
	bool		current = c->counted && c->era == model.era && c->real.counts;
	int			room = model_room();
	bool		expect;
	bool		ok;

	if (c->slow)
		return;
	if (opt.forced == JDG_FORCE_OPEN)
		expect = false;
	else if (disabled())
		expect = true;
	else if (current)
		expect = !c->ticket || !c->failed;
	else
		expect = model.state == JDG_BREAKER_CLOSED || room > 0;
	ok = jdg_breaker_go_on(&breaker, &opt, now, now + lasts, &c->real);
	CHECK(ok == expect, "goes on: %d, model %d", ok, expect);
	if (!ok || disabled())
	{
		/* the caller returns what may not go on */
		if (!ok)
		{
			jdg_breaker_end(&breaker, &opt, now, JDG_BREAKER_RETURNED, &c->real);
			c->open = false;
			c->counted = current && c->ticket && c->failed;
		}
		return;
	}
	if (current)
	{
		c->expires = steady + lasts;
		return;
	}
	if (model.state == JDG_BREAKER_OPEN)
	{
		enter(JDG_BREAKER_HALF_OPEN, steady);
		model.permits = opt.half_open;
	}
	c->counted = true;
	c->era = model.era;
	c->failed = c->slow = false;
	c->counted_at = -1;
	c->ticket = model.state == JDG_BREAKER_HALF_OPEN;
	c->expires = steady + lasts;
}

static void
random_options(void)
{
	memset(&opt, 0, sizeof(opt));
	opt.on = true;
	opt.window_us = pick(1, 100) * SECOND;
	opt.min_calls = (int32_t) pick(1, 20);
	opt.failure_pct = (int32_t) pick(1, 100);
	opt.consecutive = chance(60) ? (int32_t) pick(1, 10) : 0;
	opt.slow_after_us = chance(50) ? pick(1, 10) * SECOND : 0;
	opt.slow_pct = (int32_t) pick(1, 100);
	opt.open_for_us = pick(1, 40) * SECOND;
	opt.open_max_us = opt.open_for_us * pick(1, 12);
	opt.half_open = (int32_t) pick(1, JDG_BREAKER_TICKETS);
	opt.ramp_us = chance(70) ? pick(1, 20) * SECOND : 0;
}

/* The clock is set back; a breaker must not stay open for longer. */
static void
set_back(void)
{
	/* it has seen the time before */
	(void) jdg_breaker_room(&breaker, &opt, now, in_use());
	now -= chance(50) ? pick(11, 100) * SECOND : pick(1, 400) * DAY;
}

/*
 * Whatever has happened: when all calls have ended, some time has passed, and
 * the service works again, the breaker closes and lets all through.
 */
static void
check_recovery(void)
{
	int			rounds = 0;

	opt.forced = JDG_FORCE_AUTO;
	opt.on = true;
	for (int i = 0; i < ncalls; i++)
	{
		if (!call[i].open)
			continue;
		/* those that hold a ticket may have been lost */
		if (call[i].real.ticket >= 0 && chance(30) &&
			call[i].expires != JDG_BREAKER_NEVER)
			call[i].open = false;
		else
		{
			jdg_breaker_end(&breaker, &opt, now, JDG_BREAKER_RETURNED, &call[i].real);
			call[i].open = false;
		}
	}
	while (breaker.state != JDG_BREAKER_CLOSED)
	{
		JdgBreakerCall c;
		int64_t		next;

		CHECK(rounds++ < 100, "the breaker does not close");
		if (jdg_breaker_begin(&breaker, &opt, now, now + SECOND, 0, &c))
		{
			jdg_breaker_end(&breaker, &opt, now, JDG_BREAKER_GOOD, &c);
			continue;
		}
		next = jdg_breaker_next(&breaker, &opt, now);
		CHECK(next != JDG_BREAKER_NEVER, "the breaker is stuck");
		now = next;
	}
	now += 40 * DAY;
	CHECK(jdg_breaker_room(&breaker, &opt, now, 0) == INT32_MAX, "a bound stays");
	CHECK(jdg_breaker_is_quiet(&breaker, &opt, now), "it says something");
}

static void
run_sequence(void)
{
	int			busy = (int) pick(5, 60);

	random_options();
	memset(&breaker, 0, sizeof(breaker));
	memset(&model, 0, sizeof(model));
	ncalls = 0;
	steady = now = pick(1, 1000) * DAY;
	breaker.seen = now;
	if (chance(30))
	{
		jdg_breaker_start(&breaker, &opt, now);
		model.permits = opt.half_open;
		model_close(now);
		model.era = 0;
		closed--;
	}
	for (step = 0; step < STEPS; step++)
	{
		Call	   *c = any_call();
		int			roll = (int) pick(1, 100);

		compare();
		if (roll <= busy)
			begin_call();
		else if (roll <= 85)
		{
			if (c)
				end_call(c);
		}
		else if (roll <= 88 && c)
			slow_call(c);
		else if (roll <= 90 && c)
			go_on(c);
		else if (roll <= 98)
			pass(chance(80) ? pick(0, 5 * SECOND) : pick(0, 600 * SECOND));
		else if (chance(20))
			pass(pick(0, 3 * DAY));
		else if (chance(30))
			set_back();
		else if (chance(30))
			opt.forced = (JdgBreakerForce) pick(JDG_FORCE_AUTO, JDG_FORCE_DISABLED);
		else if (chance(20))
			opt.on = !opt.on;
		else
			opt.forced = JDG_FORCE_AUTO;
		if (model.state == JDG_BREAKER_OPEN && chance(10))
		{
			/* a service that is looked at when it may be back */
			compare();
			pass(model.until > steady ? model.until - steady : 0);
		}
	}
	compare();
	check_recovery();
}

int
main(int argc, char **argv)
{
	int			count = argc > 2 ? atoi(argv[2]) : 300;

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	for (sequence = 0; sequence < count; sequence++)
	{
		random_state = seed * 1000003 + (uint64_t) sequence;
		run_sequence();
	}
	CHECK(count < 100 || (opened > count && closed > count && reopened > 0 &&
						  expired > 0 && stale > 0 && returned > 0),
		  "the sequences have shown too little");
	printf("%d sequences: opened %ld, again from half-open %ld, closed %ld, "
		   "expired %ld, returned %ld, stale %ld\n", count, opened, reopened,
		   closed, expired, returned, stale);
	return 0;
}
