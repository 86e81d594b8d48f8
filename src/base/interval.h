/*-------------------------------------------------------------------------
 *
 * interval.h
 *	  Intervals that users give: checks, lengths, sums with instants.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_INTERVAL_H
#define JDG_BASE_INTERVAL_H

#include "utils/timestamp.h"

/*
 * VALIDATION_ERROR unless the interval given as "what" is finite and more
 * than zero, or with zero_ok not less.  Returns it.
 */
extern const Interval *jdg_check_interval(const char *what,
										  const Interval *iv, bool zero_ok);

/* its length in microseconds, months taken as 30 days */
extern int64 jdg_interval_us(const Interval *iv);

/*
 * The instant after an interval, by the calendar of the session's time zone.
 * DT_NOEND where the interval is infinite or longer than
 * jdg_check_interval() allows, DT_NOBEGIN where it is negative and so.
 */
extern TimestampTz jdg_time_after(TimestampTz from, const Interval *iv);

/* the instant when so much time has passed; DT_NOEND where it is too far */
extern TimestampTz jdg_time_elapsed(TimestampTz from, const Interval *iv);

#endif							/* JDG_BASE_INTERVAL_H */
