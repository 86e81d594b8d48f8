/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The only source of time, see clock.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"

TimestampTz
jdg_now(void)
{
	return GetCurrentTimestamp() +
		(int64) jdg_clock_offset * INT64CONST(1000000);
}

long
jdg_ms_until(TimestampTz when, long at_most)
{
	TimestampTz now = jdg_now();
	int64		ms;

	if (TIMESTAMP_IS_NOEND(when))
		return at_most;
	if (when <= now)
		return 0;
	ms = (when - now + 999) / 1000;
	return (long) Min(ms, (int64) at_most);
}

bool
jdg_pause_is_over(TimestampTz until, TimestampTz pause, TimestampTz now)
{
	return until != DT_NOEND && (until <= now || until - now > pause);
}
