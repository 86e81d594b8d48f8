/*-------------------------------------------------------------------------
 *
 * next.c
 *	  The next instant of a timing, and how many there are in a span.
 *
 * Pure.  The rules about zones and their bounds are in README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "timing/calendar.h"
#include "timing/cron.h"
#include "timing/next.h"

/* how far ahead a cron expression is looked for */
#define HORIZON_US	(401 * 366 * JDG_US_PER_DAY)

static int64_t
clamp_instant(int64_t us)
{
	if (us < JDG_INSTANT_MIN)
		return JDG_INSTANT_MIN;
	if (us > JDG_INSTANT_END)
		return JDG_INSTANT_END;
	return us;
}

/* the first whole second strictly later, in seconds */
static int64_t
next_whole_second(int64_t us)
{
	return jdg_floor_div(us, JDG_US_PER_SECOND) + 1;
}

/*
 * Once per wall clock reading.  Occurrences are the first instants of the
 * matching readings.  jdg_wall_first never falls, so the first occurrence
 * after an instant belongs to the first matching reading that the clock has
 * not yet reached by then.
 */
static bool
next_by_date(const JdgCron *c, const JdgZone *zone, int64_t after,
			 int64_t *next_us)
{
	int64_t		reached = jdg_wall_reached(zone, after);
	int64_t		wall;

	if (!jdg_cron_wall(c, next_whole_second(reached), &wall) ||
		wall > JDG_INSTANT_END / JDG_US_PER_SECOND)
		return false;
	*next_us = jdg_wall_first(zone, wall * JDG_US_PER_SECOND);
	return true;
}

/*
 * Every instant whose wall clock reading matches.  Goes through the spans
 * between changes of the offset, and leaps over those that lie wholly
 * before the reading that was found.
 */
static bool
next_by_real_time(const JdgCron *c, const JdgZone *zone, int64_t after,
				  int64_t *next_us)
{
	int64_t		at = next_whole_second(after) * JDG_US_PER_SECOND;
	int64_t		horizon = after > JDG_INSTANT_END - HORIZON_US ?
	JDG_INSTANT_END : after + HORIZON_US;

	while (at < horizon)
	{
		int64_t		offset = jdg_zone_offset(zone, at);
		int64_t		change;
		int64_t		wall;

		if (!jdg_cron_wall(c, (at + offset) / JDG_US_PER_SECOND -
						   ((at + offset) % JDG_US_PER_SECOND < 0), &wall) ||
			wall > JDG_INSTANT_END / JDG_US_PER_SECOND)
			return false;
		wall *= JDG_US_PER_SECOND;
		if (!jdg_zone_change(zone, at, &change) || wall - offset < change)
		{
			*next_us = wall - offset;
			return true;
		}

		/*
		 * Between the reading at "at" and wall nothing matches.  Two offset
		 * limits later the clock can no longer show anything earlier than
		 * that, and until one limit before wall nothing as late as wall.
		 */
		if (change - at >= 2 * JDG_OFFSET_MAX_US &&
			wall - JDG_OFFSET_MAX_US > change)
			change = wall - JDG_OFFSET_MAX_US;
		at = change;
	}
	return false;
}

/* Elapsed time: the smallest anchor + k * step later than after, k >= 1. */
static bool
next_elapsed(int64_t step, int64_t anchor, int64_t after, int64_t *next_us)
{
	uint64_t	k = 1;
	uint64_t	room;

	if (after >= anchor)
		k = ((uint64_t) after - (uint64_t) anchor) / (uint64_t) step + 1;
	room = (uint64_t) JDG_INSTANT_END - (uint64_t) anchor;
	if (k > room / (uint64_t) step)
		return false;
	*next_us = (int64_t) ((uint64_t) anchor + k * (uint64_t) step);
	return true;
}

/*
 * Occurrence k of a calendar interval: k times the months from the original
 * day, cut to the month's end, k times the days, the reading taken for an
 * instant, and k times the elapsed part.  Never falls as k grows.  Beyond
 * the end of time it is JDG_INSTANT_END.
 */
static int64_t
calendar_occurrence(const JdgStep *step, const JdgZone *zone,
					int64_t anchor_wall, int64_t k)
{
	int64_t		day = jdg_floor_div(anchor_wall, JDG_US_PER_DAY);
	int64_t		time = anchor_wall - day * JDG_US_PER_DAY;
	int64_t		year;
	int			month;
	int			dom;
	int64_t		months;
	int64_t		found;

	jdg_civil_from_day(day, &year, &month, &dom);
	months = year * 12 + (month - 1) + k * step->months;
	year = jdg_floor_div(months, 12);
	month = (int) (months - year * 12) + 1;
	if (dom > jdg_month_length(year, month))
		dom = jdg_month_length(year, month);
	day = jdg_civil_to_day(year, month, dom) + k * step->days;
	if (day >= JDG_INSTANT_END / JDG_US_PER_DAY ||
		k > INT64_MAX / (step->time_us + 1))
		return JDG_INSTANT_END;
	found = jdg_wall_first(zone, day * JDG_US_PER_DAY + time);
	if (found >= JDG_INSTANT_END - k * step->time_us)
		return JDG_INSTANT_END;
	return found + k * step->time_us;
}

/*
 * Calendar time.  The shortest and the longest that one step can be give
 * bounds for k; between them it is searched by halves.
 */
static bool
next_calendar(const JdgStep *step, const JdgZone *zone, int64_t anchor,
			  int64_t after, int64_t *next_us)
{
	int64_t		wall = anchor + jdg_zone_offset(zone, anchor);
	int64_t		rest = step->days * JDG_US_PER_DAY + step->time_us;
	int64_t		shortest = step->months * 28 * JDG_US_PER_DAY + rest;
	int64_t		longest = step->months * 31 * JDG_US_PER_DAY + rest;
	int64_t		low = 1;
	int64_t		high;
	uint64_t	distance = 0;

	if (after > anchor)
		distance = (uint64_t) after - (uint64_t) anchor;
	if (distance > (uint64_t) (2 * JDG_OFFSET_MAX_US))
		low += (int64_t) ((distance - 2 * JDG_OFFSET_MAX_US) /
						  (uint64_t) longest);
	high = (int64_t) ((distance + 2 * JDG_OFFSET_MAX_US) /
					  (uint64_t) shortest) + 2;
	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (calendar_occurrence(step, zone, wall, middle) > after)
			high = middle;
		else
			low = middle + 1;
	}
	*next_us = calendar_occurrence(step, zone, wall, low);
	return *next_us > after;
}

/*
 * The first instant of the timing strictly later than after_us; false if
 * there is none.  Of an interval the occurrences are the anchor plus one,
 * two, ... steps; the anchor of other timings is not looked at.  A pure
 * function, for every value of its arguments.
 */
bool
jdg_timing_next(const JdgTiming *t, const JdgZone *zone, int64_t anchor_us,
				int64_t after_us, int64_t *next_us)
{
	int64_t		after = clamp_instant(after_us);
	int64_t		anchor = clamp_instant(anchor_us);
	bool		found = false;

	if (after_us >= JDG_INSTANT_END)
		return false;
	switch ((JdgTimingKind) t->kind)
	{
		case JDG_TIMING_CRON:
			if (t->u.cron.flags & JDG_CRON_REAL_TIME)
				found = next_by_real_time(&t->u.cron, zone, after, next_us);
			else
				found = next_by_date(&t->u.cron, zone, after, next_us);
			break;
		case JDG_TIMING_INTERVAL:
			if (t->u.step.months == 0 && t->u.step.days == 0)
				found = next_elapsed(t->u.step.time_us, anchor, after,
									 next_us);
			else
				found = next_calendar(&t->u.step, zone, anchor, after,
									  next_us);
			break;
		case JDG_TIMING_ONCE:
			*next_us = t->u.once_us;
			found = t->u.once_us > after_us;
			break;
		case JDG_TIMING_MANUAL:
		case JDG_TIMING_STARTUP:
			break;
	}
	return found && *next_us < JDG_INSTANT_END;
}

/*
 * How many instants lie in (after_us, until_us], counting no further than
 * limit.  *last_us is the last one counted, untouched if there is none.
 * One division for elapsed intervals, one step for each instant otherwise.
 */
int64_t
jdg_timing_count(const JdgTiming *t, const JdgZone *zone, int64_t anchor_us,
				 int64_t after_us, int64_t until_us, int64_t limit,
				 int64_t *last_us)
{
	int64_t		count = 0;
	int64_t		next;

	if (limit <= 0 ||
		!jdg_timing_next(t, zone, anchor_us, after_us, &next) ||
		next > until_us)
		return 0;
	if (t->kind == JDG_TIMING_INTERVAL && t->u.step.months == 0 &&
		t->u.step.days == 0)
	{
		uint64_t	step = (uint64_t) t->u.step.time_us;
		int64_t		until = until_us < JDG_INSTANT_END ? until_us :
		JDG_INSTANT_END - 1;
		uint64_t	more = ((uint64_t) until - (uint64_t) next) / step;

		if (more > (uint64_t) limit - 1)
			more = (uint64_t) limit - 1;
		*last_us = (int64_t) ((uint64_t) next + more * step);
		return (int64_t) more + 1;
	}
	do
	{
		*last_us = next;
		count++;
	} while (count < limit &&
			 jdg_timing_next(t, zone, anchor_us, next, &next) &&
			 next <= until_us);
	return count;
}
