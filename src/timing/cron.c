/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  Days and wall clock readings that match a cron expression.
 *
 * Pure; knows nothing of time zones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "timing/calendar.h"
#include "timing/cron.h"

/* the pattern of dates and weekdays repeats after 400 years */
#define PERIOD_MONTHS (400 * 12)

/*
 * The working day (Monday to Friday) nearest to day n without leaving the
 * month.  As in Quartz, a Saturday moves back to Friday and a Sunday on to
 * Monday, unless that leaves the month.
 */
static int
nearest_working_day(int n, int first_weekday, int length)
{
	int			weekday = (first_weekday + n - 1) % 7;

	if (weekday == 6)
		return n > 1 ? n - 1 : n + 2;
	if (weekday == 0)
		return n < length ? n + 1 : n - 2;
	return n;
}

/*
 * The days that the day-of-month field matches, as bits 1 to length: plain
 * days, days counted from the end, and nearest working days.  A day that the
 * month does not have matches nothing.
 */
static uint32_t
days_of_month(const JdgCron *c, int first_weekday, int length)
{
	uint32_t	days = c->dom & (uint32_t) JDG_BITS(1, length);

	if (c->dom_last != 0)
	{
		for (int n = 0; n < length; n++)
			if (c->dom_last & (UINT32_C(1) << n))
				days |= UINT32_C(1) << (length - n);
	}
	if (c->dom_near != 0)
	{
		for (int n = 0; n <= length; n++)
			if (c->dom_near & (UINT32_C(1) << n))
				days |= UINT32_C(1) << nearest_working_day(n == 0 ? length : n,
														   first_weekday,
														   length);
	}
	return days;
}

/*
 * The days that the weekday field matches, as bits 1 to length: plain
 * weekdays, the nth of the month, and the last.
 */
static uint32_t
days_of_week(const JdgCron *c, int first_weekday, int length)
{
	uint32_t	days = 0;

	for (int weekday = 0; weekday < 7; weekday++)
	{
		int			first = 1 + (weekday - first_weekday + 7) % 7;
		uint8_t		bit = (uint8_t) (1 << weekday);

		if (c->dow & bit)
		{
			for (int day = first; day <= length; day += 7)
				days |= UINT32_C(1) << day;
			continue;
		}
		for (int n = 0; n < 5; n++)
			if ((c->dow_nth[n] & bit) && first + 7 * n <= length)
				days |= UINT32_C(1) << (first + 7 * n);
		if (c->dow_last & bit)
			days |= UINT32_C(1) << (first + 7 * ((length - first) / 7));
	}
	return days;
}

uint32_t
jdg_cron_month(const JdgCron *c, int first_weekday, int length)
{
	uint32_t	dom = days_of_month(c, first_weekday, length);
	uint32_t	dow = days_of_week(c, first_weekday, length);

	return (c->flags & JDG_CRON_EITHER_DAY) ? (dom | dow) : (dom & dow);
}

bool
jdg_cron_can_match(const JdgCron *c)
{
	for (int kind = 0; kind < 14; kind++)
	{
		int			weekday = kind / 2;

		for (int month = 1; month <= 12; month++)
		{
			int			length = jdg_month_length(kind % 2 ? 2000 : 2001, month);

			if ((c->month & (1 << month)) &&
				jdg_cron_month(c, weekday, length) != 0)
				return true;
			weekday = (weekday + length) % 7;
		}
	}
	return false;
}

/* The lowest member of the set that is at least from, or -1. */
static int
next_member(uint64_t set, int from)
{
	set = (from > 63) ? 0 : set & (~UINT64_C(0) << from);
	return set == 0 ? -1 : __builtin_ctzll(set);
}

/*
 * The first matching second of the day that is at least from, or -1.  Seconds
 * are counted from midnight.
 */
static int
next_second_of_day(const JdgCron *c, int from)
{
	int			hour = next_member(c->hour, from / 3600);
	int			minute = 0;
	int			second = 0;

	if (hour < 0)
		return -1;
	if (hour == from / 3600)
	{
		minute = next_member(c->minute, from / 60 % 60);
		if (minute >= 0)
		{
			if (minute == from / 60 % 60)
				second = next_member(c->second, from % 60);
			if (second < 0)
			{
				second = 0;
				minute = next_member(c->minute, minute + 1);
			}
		}
		if (minute < 0)
		{
			minute = 0;
			hour = next_member(c->hour, hour + 1);
			if (hour < 0)
				return -1;
		}
	}
	return hour * 3600 + next_member(c->minute, minute) * 60 +
		next_member(c->second, second);
}

/*
 * Finds the first matching day that is not before day.  Returns false if no
 * day within one period matches.
 */
static bool
next_day(const JdgCron *c, int64_t day, int64_t *found)
{
	int64_t		year;
	int			month;
	int			dom;
	int64_t		first;

	jdg_civil_from_day(day, &year, &month, &dom);
	first = day - (dom - 1);
	for (int i = 0; i <= PERIOD_MONTHS; i++)
	{
		int			length = jdg_month_length(year, month);

		if (c->month & (1 << month))
		{
			uint32_t	days = jdg_cron_month(c, jdg_weekday(first), length);
			int			match = next_member(days, dom);

			if (match > 0)
			{
				*found = first + match - 1;
				return true;
			}
		}
		first += length;
		dom = 1;
		if (++month > 12)
		{
			month = 1;
			year++;
		}
	}
	return false;
}

bool
jdg_cron_wall(const JdgCron *c, int64_t from_s, int64_t *wall_s)
{
	int64_t		day = jdg_floor_div(from_s, JDG_SECONDS_PER_DAY);
	int			second = (int) (from_s - day * JDG_SECONDS_PER_DAY);
	int64_t		found;

	if (!next_day(c, day, &found))
		return false;
	if (found > day)
		second = 0;
	second = next_second_of_day(c, second);
	if (second < 0)
	{
		if (!next_day(c, found + 1, &found))
			return false;
		second = next_second_of_day(c, 0);
	}
	*wall_s = found * JDG_SECONDS_PER_DAY + second;
	return true;
}
