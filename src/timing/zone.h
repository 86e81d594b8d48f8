/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  The server's time zones as JdgZone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_ZONE_H
#define JDG_TIMING_ZONE_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "timing/timing.h"

/*
 * Finds a zone by name, as SET TimeZone does; for NULL, returns the session's
 * zone.  Raises VALIDATION_ERROR if there is no such zone or it uses leap
 * seconds.  The result lives as long as the process.
 */
extern pg_tz *jdg_zone_lookup(const char *name);

/* Makes *zone refer to tz. */
extern void jdg_zone_init(JdgZone *zone, pg_tz *tz);

/*
 * Hash (64-bit FNV-1a) of the zone's offset changes from one year before "at"
 * to fifteen years after it.  It is the same on every platform: it can be
 * stored, and compared after an update of the time zone data.
 */
extern uint64 jdg_zone_fingerprint(pg_tz *tz, TimestampTz at);

#endif							/* JDG_TIMING_ZONE_H */
