/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  Dates, and wall clocks against instants.
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

/* PostgreSQL's MIN_TIMESTAMP and END_TIMESTAMP: [first, end) */
#define JDG_INSTANT_MIN		INT64_C(-211813488000000000)
#define JDG_INSTANT_END		INT64_C(9223371331200000000)

extern int64_t jdg_floor_div(int64_t a, int64_t b);
extern int64_t jdg_civil_to_day(int64_t year, int month, int day);
extern void jdg_civil_from_day(int64_t days, int64_t *year, int *month,
							   int *day);
extern int	jdg_month_length(int64_t year, int month);
extern int	jdg_weekday(int64_t day);
extern int64_t jdg_zone_offset(const JdgZone *zone, int64_t utc_us);
extern bool jdg_zone_change(const JdgZone *zone, int64_t utc_us,
							int64_t *change_us);
extern int64_t jdg_wall_reached(const JdgZone *zone, int64_t utc_us);
extern int64_t jdg_wall_first(const JdgZone *zone, int64_t wall_us);

/*
 * No zone is further than this from UTC: seven days is the limit of POSIX
 * zone strings.  Twice that bounds how far a clock can be set back.
 */
#define JDG_OFFSET_MAX_US	(8 * JDG_US_PER_DAY)

#endif							/* JDG_TIMING_CALENDAR_H */
