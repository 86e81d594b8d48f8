/*-------------------------------------------------------------------------
 *
 * next.h
 *	  The next instant of a timing, and how many lie in a span.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_NEXT_H
#define JDG_TIMING_NEXT_H

#include "timing/timing.h"

extern bool jdg_timing_next(const JdgTiming *t, const JdgZone *zone,
							int64_t anchor_us, int64_t after_us,
							int64_t *next_us);
extern int64_t jdg_timing_count(const JdgTiming *t, const JdgZone *zone,
								int64_t anchor_us, int64_t after_us,
								int64_t until_us, int64_t limit,
								int64_t *last_us);

#endif							/* JDG_TIMING_NEXT_H */
