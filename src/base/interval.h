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
 * Checks an interval of a user; "what" names it for the message.  Raises
 * VALIDATION_ERROR unless it is finite and greater than zero (zero_ok: zero or
 * greater).  Returns it.
 */
extern const Interval *jdg_check_interval(const char *what,
										  const Interval *iv, bool zero_ok);

/* its length in microseconds, with months of 30 days */
extern int64 jdg_interval_us(const Interval *iv);

/*
 * Adds an interval to an instant, by the calendar of the session's time zone.
 * If the interval is infinite or longer than jdg_check_interval() allows, the
 * result is DT_NOEND, or DT_NOBEGIN for a negative one.
 */
extern TimestampTz jdg_time_after(TimestampTz from, const Interval *iv);

/* the same, by elapsed time: months are 30 days, days 24 hours */
extern TimestampTz jdg_time_elapsed(TimestampTz from, const Interval *iv);

/*
 * When to give up waiting, by the argument "timeout": DT_NOEND if it is NULL,
 * DT_NOBEGIN, not to wait at all, if it is zero.  Raises VALIDATION_ERROR if it
 * is negative or infinite.
 */
extern TimestampTz jdg_give_up_at(const Interval *timeout);

#endif							/* JDG_BASE_INTERVAL_H */
