/*-------------------------------------------------------------------------
 *
 * parse_interval.h
 *	  Reads an interval, and checks one that comes from elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PARSE_INTERVAL_H
#define JDG_TIMING_PARSE_INTERVAL_H

#include "timing/reader.h"

extern bool jdg_parse_interval(JdgReader *r, const char *from, const char *to,
							   bool unit_alone, JdgTiming *out);
extern bool jdg_timing_from_interval(int32_t months, int32_t days,
									 int64_t time_us, JdgTiming *out,
									 JdgTimingError *err);

#endif							/* JDG_TIMING_PARSE_INTERVAL_H */
