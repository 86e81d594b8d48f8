/*-------------------------------------------------------------------------
 *
 * print.c
 *	  The canonical text of a timing.
 *
 * Pure.  Reading the text again gives the same bytes, regardless of the
 * settings of the session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "timing/calendar.h"
#include "timing/cron.h"
#include "timing/print.h"

void
jdg_text_init(JdgText *t, char *buf, size_t size)
{
	t->buf = buf;
	t->size = size;
	t->length = 0;
	if (size > 0)
		buf[0] = '\0';
}

void
jdg_text_add(JdgText *t, const char *fmt,...)
{
	size_t		room = t->length < t->size ? t->size - t->length : 0;
	va_list		args;
	int			length;

	va_start(args, fmt);
	length = vsnprintf(room > 0 ? t->buf + t->length : NULL, room, fmt, args);
	va_end(args);
	if (length > 0)
		t->length += (size_t) length;
}

/* The values low, low + step, ... up to high. */
static uint64_t
progression(int low, int high, int step)
{
	uint64_t	set = 0;

	for (int value = low; value <= high; value += step)
		set |= UINT64_C(1) << value;
	return set;
}

/*
 * Writes values and runs with commas: 1,3-5.  *some: the field has text
 * already; set to true when this adds some.
 */
static void
add_list(JdgText *t, uint64_t set, bool *some)
{
	while (set != 0)
	{
		int			low = __builtin_ctzll(set);
		int			high = low;

		while (high < 62 && (set >> (high + 1)) & 1)
			high++;
		if (high == low + 1)
			high = low;
		set &= ~JDG_BITS(low, high);
		jdg_text_add(t, *some ? ",%d" : "%d", low);
		if (high > low)
			jdg_text_add(t, "-%d", high);
		*some = true;
	}
}

/*
 * The step s for which set is low, low + s, ... up to high, or 0.  A set of
 * two values counts only if the step divides the range evenly.
 */
static int
find_step(uint64_t set, int low, int high)
{
	int			count = __builtin_popcountll(set);
	int			step;

	if (count < 2)
		return 0;
	step = __builtin_ctzll(set & (set - 1)) - low;
	if (set != progression(low, high, step) ||
		(count == 2 && (high - low + 1) % step != 0))
		return 0;
	return step;
}

/*
 * The smallest step for which low, low + step, ... up to high are all members
 * of the set, or 0.
 */
static int
find_contained_step(uint64_t set, int low, int high, int largest)
{
	for (int step = 1; step <= largest; step++)
		if ((progression(low, high, step) & ~set) == 0)
			return step;
	return 0;
}

typedef enum StarRule
{
	STAR_FREE,					/* begin with * if the values allow it */
	STAR_NEVER,					/* must not begin with * */
	STAR_FORCE					/* must begin with * */
} StarRule;

/* Would add_set() begin the field with * under STAR_FREE? */
static bool
has_star(uint64_t set, int low, int high)
{
	return set == JDG_BITS(low, high) ||
		((set >> low & 1) && find_step(set, low, high) > 0);
}

static bool
can_have_star(uint64_t set, int low, int high, int largest)
{
	return find_contained_step(set, low, high, largest) > 0;
}

/* Writes the plain values of a field.  *some: there were any. */
static void
add_set(JdgText *t, uint64_t set, int low, int high, int largest,
		StarRule rule, bool *some)
{
	int			step;

	*some = set != 0;
	if (set == 0)
		return;
	if (set == JDG_BITS(low, high))
	{
		if (rule == STAR_NEVER)
			jdg_text_add(t, "%d-%d", low, high);
		else
			jdg_text_add(t, "*");
		return;
	}
	step = find_step(set, __builtin_ctzll(set), high);
	if (step > 1)
	{
		if ((set >> low & 1) && rule != STAR_NEVER)
			jdg_text_add(t, "*/%d", step);
		else
			jdg_text_add(t, "%d/%d", __builtin_ctzll(set), step);
		return;
	}
	if (rule == STAR_FORCE)
	{
		step = find_contained_step(set, low, high, largest);
		jdg_text_add(t, "*/%d", step);
		set &= ~progression(low, high, step);
		add_list(t, set, some);
		return;
	}
	*some = false;
	add_list(t, set, some);
}

/* Writes the day-of-month field: plain days, then nW, L-n, LW and L. */
static void
add_days_of_month(JdgText *t, const JdgCron *c, StarRule rule)
{
	bool		some;

	add_set(t, c->dom, 1, 31, 31, rule, &some);
	for (int n = 1; n <= 31; n++)
		if (c->dom_near & (UINT32_C(1) << n))
		{
			jdg_text_add(t, some ? ",%dW" : "%dW", n);
			some = true;
		}
	for (int n = 30; n >= 1; n--)
		if (c->dom_last & (UINT32_C(1) << n))
		{
			jdg_text_add(t, some ? ",L-%d" : "L-%d", n);
			some = true;
		}
	if (c->dom_near & 1)
	{
		jdg_text_add(t, some ? ",LW" : "LW");
		some = true;
	}
	if (c->dom_last & 1)
		jdg_text_add(t, some ? ",L" : "L");
}

/* Writes the weekday field: plain weekdays, then d#n and dL. */
static void
add_weekdays(JdgText *t, const JdgCron *c, StarRule rule)
{
	bool		some;

	add_set(t, c->dow, 0, 6, 7, rule, &some);
	for (int n = 1; n <= 5; n++)
		for (int weekday = 0; weekday < 7; weekday++)
			if (c->dow_nth[n - 1] & (1 << weekday))
			{
				jdg_text_add(t, some ? ",%d#%d" : "%d#%d", weekday, n);
				some = true;
			}
	for (int weekday = 0; weekday < 7; weekday++)
		if (c->dow_last & (1 << weekday))
		{
			jdg_text_add(t, some ? ",%dL" : "%dL", weekday);
			some = true;
		}
}

/*
 * Writes seconds (unless they are 0), minute and hour.  If the expression
 * counts real time, at least one of minute and hour must begin with *;
 * otherwise none may.
 */
static void
print_time(JdgText *t, const JdgCron *c)
{
	bool		real_time = (c->flags & JDG_CRON_REAL_TIME) != 0;
	StarRule	minute = real_time ? STAR_FREE : STAR_NEVER;
	StarRule	hour = minute;
	bool		some;

	if (real_time && !has_star(c->minute, 0, 59) && !has_star(c->hour, 0, 23))
	{
		if (can_have_star(c->minute, 0, 59, 59))
			minute = STAR_FORCE;
		else
			hour = STAR_FORCE;
	}
	if (c->second != 1)
	{
		add_set(t, c->second, 0, 59, 59, STAR_FREE, &some);
		jdg_text_add(t, " ");
	}
	add_set(t, c->minute, 0, 59, 59, minute, &some);
	jdg_text_add(t, " ");
	add_set(t, c->hour, 0, 23, 23, hour, &some);
	jdg_text_add(t, " ");
}

/*
 * Writes the day and month fields.  If either day suffices, neither day field
 * may begin with *; otherwise one must, or the weekday gets an &.
 */
static void
print_days(JdgText *t, const JdgCron *c)
{
	bool		either = (c->flags & JDG_CRON_EITHER_DAY) != 0;
	StarRule	rule = either ? STAR_NEVER : STAR_FREE;
	bool		some;

	add_days_of_month(t, c, rule);
	jdg_text_add(t, " ");
	add_set(t, c->month, 1, 12, 12, STAR_FREE, &some);
	jdg_text_add(t, !either && !has_star(c->dom, 1, 31) &&
				 !has_star(c->dow, 0, 6) ? " &" : " ");
	add_weekdays(t, c, rule);
}

static void
add_unit(JdgText *t, int64_t n, const char *unit)
{
	if (n != 0)
		jdg_text_add(t, n == 1 ? " %" PRId64 " %s" : " %" PRId64 " %ss",
					 n, unit);
}

/*
 * Writes an interval as "every", then years or months, days, and the elapsed
 * part in the largest unit that divides it.
 */
static void
print_step(JdgText *t, const JdgStep *s)
{
	jdg_text_add(t, "every");
	if (s->months % 12 == 0)
		add_unit(t, s->months / 12, "year");
	else
		add_unit(t, s->months, "month");
	add_unit(t, s->days, "day");
	if (s->time_us % JDG_US_PER_HOUR == 0)
		add_unit(t, s->time_us / JDG_US_PER_HOUR, "hour");
	else if (s->time_us % JDG_US_PER_MINUTE == 0)
		add_unit(t, s->time_us / JDG_US_PER_MINUTE, "minute");
	else if (s->time_us % JDG_US_PER_SECOND == 0)
		add_unit(t, s->time_us / JDG_US_PER_SECOND, "second");
	else
	{
		int			digits = 6;
		int64_t		fraction = s->time_us % JDG_US_PER_SECOND;

		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		jdg_text_add(t, " %" PRId64 ".%0*" PRId64 " seconds",
					 s->time_us / JDG_US_PER_SECOND, digits, fraction);
	}
}

/* Writes "at" and the instant as PostgreSQL does with DateStyle ISO in UTC. */
static void
print_instant(JdgText *t, int64_t us)
{
	int64_t		day = jdg_floor_div(us, JDG_US_PER_DAY);
	int64_t		time = us - day * JDG_US_PER_DAY;
	int64_t		fraction = time % JDG_US_PER_SECOND;
	int			second = (int) (time / JDG_US_PER_SECOND);
	int64_t		year;
	int			month;
	int			dom;

	jdg_civil_from_day(day, &year, &month, &dom);
	jdg_text_add(t, "at %04" PRId64 "-%02d-%02d %02d:%02d:%02d",
				 year > 0 ? year : 1 - year, month, dom,
				 second / 3600, second / 60 % 60, second % 60);
	if (fraction != 0)
	{
		int			digits = 6;

		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		jdg_text_add(t, ".%0*" PRId64, digits, fraction);
	}
	jdg_text_add(t, year > 0 ? "+00" : "+00 BC");
}

size_t
jdg_timing_print(const JdgTiming *t, char *buf, size_t size)
{
	JdgText		out;

	jdg_text_init(&out, buf, size);
	switch ((JdgTimingKind) t->kind)
	{
		case JDG_TIMING_CRON:
			print_time(&out, &t->u.cron);
			print_days(&out, &t->u.cron);
			break;
		case JDG_TIMING_INTERVAL:
			print_step(&out, &t->u.step);
			break;
		case JDG_TIMING_ONCE:
			print_instant(&out, t->u.once_us);
			break;
		case JDG_TIMING_MANUAL:
			jdg_text_add(&out, "manual");
			break;
		case JDG_TIMING_STARTUP:
			jdg_text_add(&out, "@startup");
			break;
	}
	return out.length;
}
