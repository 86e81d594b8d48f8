/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  Calendar dates, and conversion between wall clock readings and
 *	  instants.
 *
 * A day is counted from 2000-01-01.  An instant is in microseconds since
 * 2000-01-01 00:00 UTC, and a wall clock reading in microseconds since
 * 2000-01-01 00:00 on that clock.  All functions are pure; a zone of NULL
 * stands for UTC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_CALENDAR_H
#define JDG_TIMING_CALENDAR_H

#include "timing/timing.h"

#define JDG_US_PER_SECOND	INT64_C(1000000)
#define JDG_US_PER_MINUTE	(60 * JDG_US_PER_SECOND)
#define JDG_US_PER_HOUR		(3600 * JDG_US_PER_SECOND)
#define JDG_SECONDS_PER_DAY INT64_C(86400)
#define JDG_US_PER_DAY		(JDG_SECONDS_PER_DAY * JDG_US_PER_SECOND)

/*
 * The range of instants, PostgreSQL's MIN_TIMESTAMP and END_TIMESTAMP.  The
 * minimum is included, the end is not.
 */
#define JDG_INSTANT_MIN		INT64_C(-211813488000000000)
#define JDG_INSTANT_END		INT64_C(9223371331200000000)

/* The quotient a / b, rounded towards minus infinity. */
extern int64_t jdg_floor_div(int64_t a, int64_t b);

/*
 * Converts a date of the proleptic Gregorian calendar to a day, and back.
 * month is 1 to 12; day is 1 to the length of the month.  Year 0 is 1 BC.
 *
 * Algorithm: days_from_civil() and civil_from_days() of Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms".
 */
extern int64_t jdg_civil_to_day(int64_t year, int month, int day);
extern void jdg_civil_from_day(int64_t days, int64_t *year, int *month,
							   int *day);

/* Number of days in a month, 28 to 31. */
extern int	jdg_month_length(int64_t year, int month);

/* The weekday of a day, 0 (Sunday) to 6. */
extern int	jdg_weekday(int64_t day);

/*
 * Offset of the zone's clock from UTC at an instant, in microseconds, positive
 * in the east.
 */
extern int64_t jdg_zone_offset(const JdgZone *zone, int64_t utc_us);

/*
 * Finds the first change of the offset strictly later than utc_us.  Returns
 * false, and leaves *change_us alone, if there is none.
 */
extern bool jdg_zone_change(const JdgZone *zone, int64_t utc_us,
							int64_t *change_us);

/*
 * The latest reading that the clock has shown up to and including utc_us.
 * That is the present reading, except after the clock was set back: then it is
 * the last reading before that, until the clock has caught up.
 */
extern int64_t jdg_wall_reached(const JdgZone *zone, int64_t utc_us);

/*
 * The first instant at which the clock shows wall_us or later.  For a reading
 * that the clock shows twice, this is the first pass; for a reading that it
 * skips, the end of the gap.  The result never decreases as wall_us grows.
 */
extern int64_t jdg_wall_first(const JdgZone *zone, int64_t wall_us);

/*
 * Upper limit of a zone's distance from UTC.  POSIX zone strings allow up to
 * seven days.  A clock can be set back by at most twice this limit.
 */
#define JDG_OFFSET_MAX_US	(8 * JDG_US_PER_DAY)

#endif							/* JDG_TIMING_CALENDAR_H */
