/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The only source of time, so that tests can move it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_CLOCK_H
#define JDG_BASE_CLOCK_H

#include "datatype/timestamp.h"

/*
 * The current time: GetCurrentTimestamp() plus jadugar.clock_offset, a
 * developer setting that is zero outside tests.
 */
extern TimestampTz jdg_now(void);

/*
 * Milliseconds from jdg_now() to an instant, for WaitLatch(): rounded up,
 * never negative, at most "at_most".
 */
extern long jdg_ms_until(TimestampTz when, long at_most);

/*
 * Is a pause over that was to last until an instant, DT_NOEND for ever, and is
 * at most "pause" long?  It is, too, if the clock has been set back since.
 */
extern bool jdg_pause_is_over(TimestampTz until, TimestampTz pause,
							  TimestampTz now);

#endif							/* JDG_BASE_CLOCK_H */
