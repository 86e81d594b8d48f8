/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  Calendar dates, and conversion between wall clock readings and
 *	  instants.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "timing/calendar.h"

/* days from 0000-03-01 to 2000-01-01, and days in 400 years */
#define DAYS_TO_EPOCH	INT64_C(730425)
#define DAYS_PER_ERA	INT64_C(146097)

int64_t
jdg_floor_div(int64_t a, int64_t b)
{
	return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

/*
 * Years are counted from March, so that the leap day is the last day of a
 * year.  An era has 400 years; yoe is the year of the era, doy the day of the
 * year.
 */
int64_t
jdg_civil_to_day(int64_t year, int month, int day)
{
	int64_t		y = year - (month <= 2);
	int64_t		era = jdg_floor_div(y, 400);
	int64_t		yoe = y - era * 400;
	int64_t		doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy -
		DAYS_TO_EPOCH;
}

void
jdg_civil_from_day(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t		z = days + DAYS_TO_EPOCH;
	int64_t		era = jdg_floor_div(z, DAYS_PER_ERA);
	int64_t		doe = z - era * DAYS_PER_ERA;
	int64_t		yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t		mp = (5 * doy + 2) / 153;

	*day = (int) (doy - (153 * mp + 2) / 5 + 1);
	*month = (int) (mp + (mp < 10 ? 3 : -9));
	*year = yoe + era * 400 + (*month <= 2);
}

int
jdg_month_length(int64_t year, int month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return lengths[month - 1];
}

/* 2000-01-01 was a Saturday */
int
jdg_weekday(int64_t day)
{
	int64_t		w = (day + 6) % 7;

	return (int) (w < 0 ? w + 7 : w);
}

int64_t
jdg_zone_offset(const JdgZone *zone, int64_t utc_us)
{
	if (zone == NULL)
		return 0;
	return zone->utc_offset(zone->arg, utc_us) * JDG_US_PER_SECOND;
}

bool
jdg_zone_change(const JdgZone *zone, int64_t utc_us, int64_t *change_us)
{
	if (zone == NULL)
		return false;
	return zone->next_change(zone->arg, utc_us, change_us);
}

/*
 * Each change of the offset in the last 2 * JDG_OFFSET_MAX_US can have set the
 * clock back: compare the readings just before those changes with the present
 * one.
 */
int64_t
jdg_wall_reached(const JdgZone *zone, int64_t utc_us)
{
	int64_t		reached = utc_us + jdg_zone_offset(zone, utc_us);
	int64_t		at = utc_us - 2 * JDG_OFFSET_MAX_US;
	int64_t		change;

	while (jdg_zone_change(zone, at, &change) && change <= utc_us)
	{
		int64_t		before = change - 1;

		before += jdg_zone_offset(zone, before);
		if (before > reached)
			reached = before;
		at = change;
	}
	return reached;
}

/*
 * Goes through the spans of constant offset, from an instant at which no clock
 * has reached wall_us yet.  If the clock is past the reading already when a
 * span begins, the reading was skipped.
 */
int64_t
jdg_wall_first(const JdgZone *zone, int64_t wall_us)
{
	int64_t		at = wall_us - JDG_OFFSET_MAX_US;

	for (;;)
	{
		int64_t		found = wall_us - jdg_zone_offset(zone, at);
		int64_t		change;

		if (found < at)
			found = at;
		if (!jdg_zone_change(zone, at, &change) || found < change)
			return found;
		at = change;
	}
}
