/*-------------------------------------------------------------------------
 *
 * interval.c
 *	  Intervals that users give: checks, lengths, sums with instants.
 *
 * Pure, except for the session's time zone and the clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"

/* sums of instants and intervals up to this do not overflow */
#define MAX_DAYS INT64CONST(10000000)

/* Is the interval infinite, or too long in either direction? */
static bool
is_huge(const Interval *iv)
{
	int64		days = (int64) iv->month * 30 + iv->day;

	return iv->month == PG_INT32_MAX || iv->month == PG_INT32_MIN ||
		days < -MAX_DAYS || days > MAX_DAYS ||
		iv->time > MAX_DAYS * USECS_PER_DAY ||
		iv->time < -MAX_DAYS * USECS_PER_DAY;
}

static bool
is_negative(const Interval *iv)
{
	return (double) iv->month * 30 + iv->day +
		(double) iv->time / USECS_PER_DAY < 0;
}

const Interval *
jdg_check_interval(const char *what, const Interval *iv, bool zero_ok)
{
	bool		huge = is_huge(iv);
	int64		us = huge ? 0 : jdg_interval_us(iv);

	if (!huge && (us > 0 || (us == 0 && zero_ok)))
		return iv;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 zero_ok ? errmsg("%s must be a finite interval of zero or more", what) :
			 errmsg("%s must be a finite interval greater than zero", what),
			 errdetail("The value is \"%s\".",
					   DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(iv)))),
			 huge ? errhint("The maximum is %lld days.",
							(long long) MAX_DAYS) : 0));
	return NULL;				/* keep compiler quiet */
}

int64
jdg_interval_us(const Interval *iv)
{
	return ((int64) iv->month * 30 + iv->day) * USECS_PER_DAY + iv->time;
}

TimestampTz
jdg_time_after(TimestampTz from, const Interval *iv)
{
	if (is_huge(iv))
		return is_negative(iv) ? DT_NOBEGIN : DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(from),
												   IntervalPGetDatum(iv)));
}

TimestampTz
jdg_time_elapsed(TimestampTz from, const Interval *iv)
{
	if (is_huge(iv))
		return is_negative(iv) ? DT_NOBEGIN : DT_NOEND;
	return from + jdg_interval_us(iv);
}

TimestampTz
jdg_give_up_at(const Interval *timeout)
{
	TimestampTz now = jdg_now();
	TimestampTz until;

	if (timeout == NULL)
		return DT_NOEND;
	until = jdg_time_elapsed(now, timeout);
	if (jdg_interval_not_finite(timeout) || until < now)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("timeout must not be negative or infinite"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(timeout)))),
				 errhint("Pass NULL to wait without a bound.")));
	return until == now ? DT_NOBEGIN : until;
}
