/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The only source of time, so that tests can move it.
 *
 * jdg_now() is GetCurrentTimestamp() plus jadugar.clock_offset, a developer
 * setting that is zero outside tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_CLOCK_H
#define JDG_BASE_CLOCK_H

#include "datatype/timestamp.h"

extern TimestampTz jdg_now(void);
extern long jdg_ms_until(TimestampTz when, long at_most);

#endif							/* JDG_BASE_CLOCK_H */
