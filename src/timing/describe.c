/*-------------------------------------------------------------------------
 *
 * describe.c
 *	  English description of a timing.
 *
 * Pure.  The sentence of a cron expression has a time part ("At 03:00", "Every
 * 15 minutes between 09:00 and 17:59"), a day part and a month part.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <inttypes.h>
#include <stdio.h>

#include "timing/calendar.h"
#include "timing/cron.h"
#include "timing/describe.h"
#include "timing/print.h"

/* up to this number, clock readings are listed one by one */
#define MAX_LISTED_TIMES 8

static const char *const weekdays[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
	"Saturday"
};

static const char *const months[] = {
	"January", "February", "March", "April", "May", "June", "July", "August",
	"September", "October", "November", "December"
};

static const char *const ordinals[] = {
	"first", "second", "third", "fourth", "fifth"
};

/* The enumeration that is being written: "a, b and c". */
typedef struct Series
{
	JdgText    *text;
	const char *last_word;		/* "and" or "or" */
	int			left;			/* items not yet written */
	bool		begun;
} Series;

/* Writes the separator before the next item of the series. */
static void
add_separator(Series *s)
{
	if (s->begun)
	{
		if (s->left == 1)
			jdg_text_add(s->text, " %s ", s->last_word);
		else
			jdg_text_add(s->text, ", ");
	}
	s->begun = true;
	s->left--;
}

/*
 * Removes the lowest value from the set, or the lowest run of consecutive
 * values if it has at least "shortest" members.
 */
static void
take_run(uint64_t *set, int shortest, int *low, int *high)
{
	*low = *high = __builtin_ctzll(*set);
	while (*high < 62 && (*set >> (*high + 1)) & 1)
		(*high)++;
	if (*high - *low + 1 < shortest)
		*high = *low;
	*set &= ~JDG_BITS(*low, *high);
}

/* Number of values and runs that take_run() would remove from the set. */
static int
count_runs(uint64_t set, int shortest)
{
	int			count = 0;
	int			low;
	int			high;

	for (; set != 0; count++)
		take_run(&set, shortest, &low, &high);
	return count;
}

/*
 * Writes values, as numbers or as names from base on.  Runs of three and more
 * become ranges: "1, 3 and 5 to 9", "Monday through Friday".
 */
static void
add_values(JdgText *t, uint64_t set, const char *const *names, int base)
{
	Series		s = {t, "and", count_runs(set, 3), false};
	int			low;
	int			high;

	while (set != 0)
	{
		take_run(&set, 3, &low, &high);
		add_separator(&s);
		if (names == NULL)
			jdg_text_add(t, low == high ? "%d" : "%d to %d", low, high);
		else if (low == high)
			jdg_text_add(t, "%s", names[low - base]);
		else
			jdg_text_add(t, "%s through %s", names[low - base],
						 names[high - base]);
	}
}

/* The step of a set that starts at 0 and divides size evenly, or 0. */
static int
even_step(uint64_t set, int size)
{
	int			count = __builtin_popcountll(set);
	uint64_t	expected = 0;

	if (count < 2 || size % count != 0)
		return 0;
	for (int value = 0; value < size; value += size / count)
		expected |= UINT64_C(1) << value;
	return set == expected ? size / count : 0;
}

/*
 * Writes the hours to which a phrase about minutes is limited: " between 09:00
 * and 17:59"; with "of", " of every hour between 09:00 and 17:59".
 */
static void
add_hours(JdgText *t, uint32_t hours, bool of)
{
	uint64_t	set = hours;
	int			runs = count_runs(set, 1);
	int			step = even_step(set, 24);
	int			low;
	int			high;
	Series		s = {t, "and", runs, false};

	if (step <= 1 && runs > 4)
	{
		jdg_text_add(t, of ? " of hours " : " in hours ");
		add_values(t, set, NULL, 0);
		return;
	}
	if (of)
		jdg_text_add(t, " of every hour");
	if (set == JDG_BITS(0, 23))
		return;
	if (step > 1 && runs > 2)
	{
		jdg_text_add(t, of ? " divisible by %d" : " in every hour divisible by %d",
					 step);
		return;
	}
	jdg_text_add(t, " ");
	while (set != 0)
	{
		take_run(&set, 1, &low, &high);
		add_separator(&s);
		jdg_text_add(t, "between %02d:00 and %02d:59", low, high);
	}
}

/* "At 03:00, 09:30 and 15:00" */
static void
add_times(JdgText *t, const JdgCron *c, int count)
{
	Series		s = {t, "and", count, false};

	jdg_text_add(t, "At ");
	for (int hour = 0; hour < 24; hour++)
		for (int minute = 0; minute < 60; minute++)
			if ((c->hour >> hour & 1) && (c->minute >> minute & 1))
			{
				add_separator(&s);
				jdg_text_add(t, "%02d:%02d", hour, minute);
				if (c->second != 1)
					jdg_text_add(t, ":%02d", __builtin_ctzll(c->second));
			}
}

/* "minute 5", "minutes 5 and 35" */
static void
add_units(JdgText *t, uint64_t set, const char *unit)
{
	jdg_text_add(t, (set & (set - 1)) ? "%ss " : "%s ", unit);
	add_values(t, set, NULL, 0);
}

/*
 * Writes seconds other than :00, then the minutes.  Returns whether the hours
 * that follow begin with "of".
 */
static bool
add_second_phrase(JdgText *t, const JdgCron *c)
{
	int			step = even_step(c->second, 60);
	int			minute_step = even_step(c->minute, 60);

	if (step == 1)
		jdg_text_add(t, "Every second");
	else if (step > 1)
		jdg_text_add(t, "Every %d seconds", step);
	else
	{
		jdg_text_add(t, "At ");
		add_units(t, c->second, "second");
	}
	if (minute_step == 1)
	{
		if (step == 0)
			jdg_text_add(t, " of every minute");
		return false;
	}
	jdg_text_add(t, step == 0 ? " of " : " in ");
	if (minute_step > 1)
	{
		jdg_text_add(t, "every minute divisible by %d", minute_step);
		return false;
	}
	add_units(t, c->minute, "minute");
	return true;
}

/*
 * For expressions with seconds :00 only: writes the minutes and the hours, in
 * one phrase if both together are regular.
 */
static void
add_minute_phrase(JdgText *t, const JdgCron *c)
{
	int			step = even_step(c->minute, 60);
	int			hour_step = even_step(c->hour, 24);
	int			minute = __builtin_ctzll(c->minute);
	bool		one = (c->minute & (c->minute - 1)) == 0;

	if (step == 1)
		jdg_text_add(t, "Every minute");
	else if (step > 1)
		jdg_text_add(t, "Every %d minutes", step);
	if (step >= 1)
		add_hours(t, c->hour, false);
	else if (one && minute == 0 && hour_step == 1)
		jdg_text_add(t, "Every hour, on the hour");
	else if (one && minute == 0 && hour_step > 1)
		jdg_text_add(t, "Every %d hours, on the hour", hour_step);
	else if (one && hour_step > 1)
		jdg_text_add(t, "Every %d hours, at minute %d", hour_step, minute);
	else if (one && hour_step == 0 && count_runs(c->hour, 1) == 1)
		jdg_text_add(t, "Every hour from %02d:%02d to %02d:%02d",
					 __builtin_ctz(c->hour), minute,
					 31 - __builtin_clz(c->hour), minute);
	else
	{
		jdg_text_add(t, "At ");
		add_units(t, c->minute, "minute");
		add_hours(t, c->hour, true);
	}
}

/*
 * Writes the time part.  Returns whether it lists clock readings, so that
 * "every day" may follow.
 */
static bool
add_time_part(JdgText *t, const JdgCron *c)
{
	int			times = __builtin_popcountll(c->minute) *
	__builtin_popcount(c->hour);

	if (times <= MAX_LISTED_TIMES && (c->second & (c->second - 1)) == 0 &&
		c->hour != JDG_BITS(0, 23))
	{
		add_times(t, c, times);
		return true;
	}
	if (c->second != 1)
		add_hours(t, c->hour, add_second_phrase(t, c));
	else
		add_minute_phrase(t, c);
	return false;
}

static int
count_month_days(const JdgCron *c)
{
	return (c->dom != 0) + __builtin_popcount(c->dom_last) +
		__builtin_popcount(c->dom_near);
}

/* "day 1, the last day and the last working day of the month" */
static void
add_month_days(JdgText *t, const JdgCron *c, const char *last_word)
{
	Series		s = {t, last_word, count_month_days(c), false};

	if (c->dom != 0)
	{
		add_separator(&s);
		add_units(t, c->dom, "day");
	}
	for (int n = 1; n <= 31; n++)
		if (c->dom_near & (UINT32_C(1) << n))
		{
			add_separator(&s);
			jdg_text_add(t, "the working day nearest to day %d", n);
		}
	for (int n = 30; n >= 1; n--)
		if (c->dom_last & (UINT32_C(1) << n))
		{
			add_separator(&s);
			jdg_text_add(t, n == 1 ? "the day before the last day" :
						 "the day %d days before the last day", n);
		}
	if (c->dom_near & 1)
	{
		add_separator(&s);
		jdg_text_add(t, "the last working day");
	}
	if (c->dom_last & 1)
	{
		add_separator(&s);
		jdg_text_add(t, "the last day");
	}
	jdg_text_add(t, " of the month");
}

static int
count_special_weekdays(const JdgCron *c)
{
	int			count = __builtin_popcount(c->dow_last);

	for (int n = 0; n < 5; n++)
		count += __builtin_popcount(c->dow_nth[n]);
	return count;
}

/* "the second Friday and the last Sunday of the month" */
static void
add_special_weekdays(JdgText *t, const JdgCron *c)
{
	Series		s = {t, "and", count_special_weekdays(c), false};

	for (int n = 0; n < 5; n++)
		for (int weekday = 0; weekday < 7; weekday++)
			if (c->dow_nth[n] & (1 << weekday))
			{
				add_separator(&s);
				jdg_text_add(t, "the %s %s", ordinals[n], weekdays[weekday]);
			}
	for (int weekday = 0; weekday < 7; weekday++)
		if (c->dow_last & (1 << weekday))
		{
			add_separator(&s);
			jdg_text_add(t, "the last %s", weekdays[weekday]);
		}
	jdg_text_add(t, " of the month");
}

/* Begins with Monday, so that a weekend reads Saturday and Sunday. */
static void
add_plain_weekdays(JdgText *t, uint8_t dow)
{
	static const char *const from_monday[] = {
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
		"Sunday"
	};
	uint64_t	set = (uint64_t) (dow >> 1) | (uint64_t) (dow & 1) << 6;

	add_values(t, set, from_monday, 0);
}

/* "every Monday", "Monday through Friday", "on the last Friday of ..." */
static void
add_week_part(JdgText *t, const JdgCron *c)
{
	if (c->dow != 0)
	{
		uint64_t	set = (uint64_t) (c->dow >> 1) | (uint64_t) (c->dow & 1) << 6;

		if (count_runs(set, 3) > 1 || (set & (set - 1)) == 0)
			jdg_text_add(t, "every ");
		add_plain_weekdays(t, c->dow);
	}
	if (count_special_weekdays(c) > 0)
	{
		jdg_text_add(t, c->dow != 0 ? " and on " : "on ");
		add_special_weekdays(t, c);
	}
}

/*
 * Writes the days.  If all days match, this is "every day" behind a list of
 * clock readings ("times"), and nothing otherwise.
 */
static void
add_day_part(JdgText *t, const JdgCron *c, bool times)
{
	bool		any_dom = c->dom == JDG_BITS(1, 31);
	bool		any_dow = c->dow == JDG_BITS(0, 6);

	if (any_dom && any_dow)
	{
		if (times)
			jdg_text_add(t, " every day");
		return;
	}
	jdg_text_add(t, ", ");
	if (any_dom)
	{
		add_week_part(t, c);
		return;
	}
	jdg_text_add(t, "on ");
	add_month_days(t, c, "and");
	if (any_dow)
		return;
	if (c->flags & JDG_CRON_EITHER_DAY)
	{
		jdg_text_add(t, ", and also ");
		add_week_part(t, c);
		return;
	}
	jdg_text_add(t, ", but only if it is ");
	if (c->dow != 0)
		add_plain_weekdays(t, c->dow);
	if (count_special_weekdays(c) > 0)
	{
		if (c->dow != 0)
			jdg_text_add(t, " or ");
		add_special_weekdays(t, c);
	}
}

static void
describe_cron(JdgText *t, const JdgCron *c)
{
	add_day_part(t, c, add_time_part(t, c));
	if (c->month != JDG_BITS(1, 12))
	{
		jdg_text_add(t, ", in ");
		add_values(t, c->month, months, 1);
	}
}

static void
add_amount(Series *s, int64_t n, const char *unit)
{
	if (n == 0)
		return;
	add_separator(s);
	jdg_text_add(s->text, n == 1 ? "%" PRId64 " %s" : "%" PRId64 " %ss",
				 n, unit);
}

/*
 * Writes the canonical text with "and" between the parts; "Every 1 hour"
 * becomes "Every hour".
 */
static void
describe_step(JdgText *t, const JdgStep *step)
{
	int64_t		years = step->months % 12 == 0 ? step->months / 12 : 0;
	int64_t		rest_months = years != 0 ? 0 : step->months;
	int64_t		us = step->time_us;
	int64_t		hours = us % JDG_US_PER_HOUR == 0 ? us / JDG_US_PER_HOUR : 0;
	int64_t		minutes = hours != 0 || us % JDG_US_PER_MINUTE != 0 ? 0 :
	us / JDG_US_PER_MINUTE;
	bool		seconds = us != 0 && hours == 0 && minutes == 0;
	int			count = (step->months != 0) + (step->days != 0) + (us != 0);
	Series		s = {t, "and", count, false};
	int64_t		sum = years + rest_months + step->days + hours + minutes +
	(seconds ? us / JDG_US_PER_SECOND : 0);

	if (count == 1 && sum == 1 && us % JDG_US_PER_SECOND == 0)
	{
		jdg_text_add(t, "Every %s", years ? "year" : rest_months ? "month" :
					 step->days ? "day" : hours ? "hour" :
					 minutes ? "minute" : "second");
		return;
	}
	jdg_text_add(t, "Every ");
	add_amount(&s, years, "year");
	add_amount(&s, rest_months, "month");
	add_amount(&s, step->days, "day");
	add_amount(&s, hours, "hour");
	add_amount(&s, minutes, "minute");
	if (seconds && us % JDG_US_PER_SECOND == 0)
		add_amount(&s, us / JDG_US_PER_SECOND, "second");
	else if (seconds)
	{
		int			digits = 6;
		int64_t		fraction = us % JDG_US_PER_SECOND;

		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		add_separator(&s);
		jdg_text_add(t, "%" PRId64 ".%0*" PRId64 " seconds",
					 us / JDG_US_PER_SECOND, digits, fraction);
	}
}

size_t
jdg_timing_describe(const JdgTiming *t, char *buf, size_t size)
{
	JdgText		out;
	char		canonical[64];

	jdg_text_init(&out, buf, size);
	switch ((JdgTimingKind) t->kind)
	{
		case JDG_TIMING_CRON:
			describe_cron(&out, &t->u.cron);
			break;
		case JDG_TIMING_INTERVAL:
			describe_step(&out, &t->u.step);
			break;
		case JDG_TIMING_ONCE:
			/* the canonical text is: at yyyy-mm-dd hh:mm:ss+00 */
			jdg_timing_print(t, canonical, sizeof(canonical));
			jdg_text_add(&out, "Once, %s", canonical);
			break;
		case JDG_TIMING_MANUAL:
			jdg_text_add(&out, "Only when it is run manually");
			break;
		case JDG_TIMING_STARTUP:
			jdg_text_add(&out, "Once each time the server starts");
			break;
	}
	return out.length;
}
