/*-------------------------------------------------------------------------
 *
 * cron.h
 *	  Days and wall clock readings that match a cron expression.
 *
 * Pure, and independent of time zones.  Matching follows Vixie cron; the
 * special days L, W and # are those of Quartz.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_CRON_H
#define JDG_TIMING_CRON_H

#include "timing/timing.h"

/* a set with bits lo to hi, both included */
#define JDG_BITS(lo, hi) \
	(((UINT64_C(1) << ((hi) - (lo) + 1)) - 1) << (lo))

/* the six fields of a cron expression */
typedef enum JdgFieldId
{
	JDG_FIELD_SECOND,
	JDG_FIELD_MINUTE,
	JDG_FIELD_HOUR,
	JDG_FIELD_DOM,
	JDG_FIELD_MONTH,
	JDG_FIELD_DOW
} JdgFieldId;

#define JDG_FIELDS 6

/*
 * The matching days of a month, as bits 1 to length.  first_weekday is the
 * weekday of its first day (0 is Sunday).  The caller checks whether the month
 * itself matches.
 */
extern uint32_t jdg_cron_month(const JdgCron *c, int first_weekday, int length);

/*
 * Does any day match?  There are fourteen kinds of years: seven weekdays to
 * begin with, with and without leap day.
 */
extern bool jdg_cron_can_match(const JdgCron *c);

/*
 * Finds the first matching wall clock reading that is not earlier than from_s.
 * Both are in seconds since 2000-01-01 00:00 on that clock.  Searches one
 * period of 400 years; returns false if nothing matches.
 */
extern bool jdg_cron_wall(const JdgCron *c, int64_t from_s, int64_t *wall_s);

#endif							/* JDG_TIMING_CRON_H */
