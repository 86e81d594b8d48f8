/*-------------------------------------------------------------------------
 *
 * sleep.h
 *	  Sleeping until an instant, also if the clock is set meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_SLEEP_H
#define JDG_BASE_SLEEP_H

#include "datatype/timestamp.h"

/*
 * Sleeps until jdg_now() has reached an instant, which may be DT_NOEND, or
 * until the latch of this process is set; does not reset the latch.  It may
 * return early, as when the clock is set: the caller looks again.  Exits when
 * the postmaster has died.
 */
extern void jdg_sleep_until(TimestampTz when, uint32 wait_event);

/* Milliseconds by a clock that cannot be set, to measure a pause. */
extern int64 jdg_steady_ms(void);

#endif							/* JDG_BASE_SLEEP_H */
