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

#endif							/* JDG_BASE_CLOCK_H */
