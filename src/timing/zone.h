/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  The server's time zones, for jdg_timing_next().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_ZONE_H
#define JDG_TIMING_ZONE_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "timing/timing.h"

extern pg_tz *jdg_zone_lookup(const char *name);
extern void jdg_zone_init(JdgZone *zone, pg_tz *tz);
extern uint64 jdg_zone_fingerprint(pg_tz *tz, TimestampTz at);

#endif							/* JDG_TIMING_ZONE_H */
