/*-------------------------------------------------------------------------
 *
 * next.h
 *	  The next instant of a timing, and the number of instants in a span.
 *
 * Pure functions, for every value of their arguments.  Instants are in
 * microseconds since 2000-01-01 00:00 UTC; a zone of NULL stands for UTC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_NEXT_H
#define JDG_TIMING_NEXT_H

#include "timing/timing.h"

/*
 * Finds the first instant of the timing strictly later than after_us.  Returns
 * false if there is none.
 *
 * Occurrences of an interval are the anchor plus one, two, ... steps; other
 * timings ignore the anchor.  Cron expressions follow the rules of Vixie cron
 * at changes of the offset, see "Instants" in README.md.
 */
extern bool jdg_timing_next(const JdgTiming *t, const JdgZone *zone,
							int64_t anchor_us, int64_t after_us,
							int64_t *next_us);

/*
 * Counts the instants in (after_us, until_us], up to limit.  *last_us receives
 * the last instant counted, and is left alone if there is none.  Costs one
 * division for an elapsed interval, otherwise one call of jdg_timing_next()
 * for each instant.
 */
extern int64_t jdg_timing_count(const JdgTiming *t, const JdgZone *zone,
								int64_t anchor_us, int64_t after_us,
								int64_t until_us, int64_t limit,
								int64_t *last_us);

#endif							/* JDG_TIMING_NEXT_H */
