/*-------------------------------------------------------------------------
 *
 * next.c
 *	  The next instant of a timing, and the number of instants in a span.
 *
 * Pure.  README.md has the rules for time zones and the bounds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include "timing/calendar.h"
#include "timing/cron.h"
#include "timing/next.h"

/* limit of the search for a cron expression that counts real time */
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

/* The first whole second strictly later than us, in seconds. */
static int64_t
next_whole_second(int64_t us)
{
	return jdg_floor_div(us, JDG_US_PER_SECOND) + 1;
}

/*
 * Does the clock skip this date as a whole, as Pacific/Apia did with 30
 * December 2011?  Then both of its ends are shown first by the same instant.
 */
static bool
is_skipped_date(const JdgZone *zone, int64_t day)
{
	return jdg_wall_first(zone, day * JDG_US_PER_DAY) ==
		jdg_wall_first(zone, (day + 1) * JDG_US_PER_DAY);
}

/*
 * Each matching wall clock reading occurs once, at the first instant that
 * shows it or a later one, unless its date does not exist.  jdg_wall_first() never decreases, so the first
 * occurrence after an instant belongs to the first matching reading that the
 * clock has not reached by then.
 */
static bool
next_by_date(const JdgCron *c, const JdgZone *zone, int64_t after,
			 int64_t *next_us)
{
	int64_t		from = next_whole_second(jdg_wall_reached(zone, after));
	int64_t		wall;

	for (;;)
	{
		int64_t		day;

		if (!jdg_cron_wall(c, from, &wall) ||
			wall > JDG_INSTANT_END / JDG_US_PER_SECOND)
			return false;
		wall *= JDG_US_PER_SECOND;
		*next_us = jdg_wall_first(zone, wall);
		if (*next_us + jdg_zone_offset(zone, *next_us) == wall)
			return true;
		/* in a gap */
		day = jdg_floor_div(wall, JDG_US_PER_DAY);
		if (!is_skipped_date(zone, day))
			return true;
		from = (day + 1) * (JDG_US_PER_DAY / JDG_US_PER_SECOND);
	}
}

/*
 * Each instant whose wall clock reading matches is an occurrence.  Goes
 * through the spans of constant offset, and skips the spans that lie wholly
 * before the first matching reading.
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
		 * No reading between the one at "at" and wall matches.  Two offset
		 * limits after "at", the clock cannot show an earlier reading than
		 * that again; until one limit before wall, it cannot show wall yet.
		 */
		if (change - at >= 2 * JDG_OFFSET_MAX_US &&
			wall - JDG_OFFSET_MAX_US > change)
			change = wall - JDG_OFFSET_MAX_US;
		at = change;
	}
	return false;
}

/*
 * The first anchor + k * step later than after, for k >= 1.  Returns false if
 * it lies beyond JDG_INSTANT_END.  Unsigned arithmetic, because the distance
 * between two instants can exceed an int64.
 */
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
 * Occurrence k of a calendar interval.  Adds k times the months to the
 * anchor's date, cuts the day to the end of that month, and adds k times the
 * days.  The first instant of the resulting reading, plus k times the elapsed
 * part, is the occurrence.  Never decreases as k grows; JDG_INSTANT_END if it
 * lies beyond the range of instants.  Sets *skipped if its date does not
 * exist.
 */
static int64_t
calendar_occurrence(const JdgStep *step, const JdgZone *zone,
					int64_t anchor_wall, int64_t k, bool *skipped)
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
	*skipped = false;
	year = jdg_floor_div(months, 12);
	month = (int) (months - year * 12) + 1;
	if (dom > jdg_month_length(year, month))
		dom = jdg_month_length(year, month);
	day = jdg_civil_to_day(year, month, dom) + k * step->days;
	if (day >= JDG_INSTANT_END / JDG_US_PER_DAY ||
		k > INT64_MAX / (step->time_us + 1))
		return JDG_INSTANT_END;
	found = jdg_wall_first(zone, day * JDG_US_PER_DAY + time);
	*skipped = found + jdg_zone_offset(zone, found) !=
		day * JDG_US_PER_DAY + time && is_skipped_date(zone, day);
	if (found >= JDG_INSTANT_END - k * step->time_us)
		return JDG_INSTANT_END;
	return found + k * step->time_us;
}

/*
 * The first occurrence of a calendar interval later than after.  The shortest
 * and the longest possible step bound k; a binary search finds it.
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
	bool		skipped;

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

		if (calendar_occurrence(step, zone, wall, middle, &skipped) > after)
			high = middle;
		else
			low = middle + 1;
	}
	do
		*next_us = calendar_occurrence(step, zone, wall, low++, &skipped);
	while (skipped);
	return *next_us > after;
}

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
