/*-------------------------------------------------------------------------
 *
 * parse_interval.h
 *	  Reads an interval from text, or makes a timing from the parts of one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PARSE_INTERVAL_H
#define JDG_TIMING_PARSE_INTERVAL_H

#include "timing/reader.h"

/*
 * Reads an interval from all of [from, to) into *out, which must be all
 * zeroes.  With unit_alone a single unit without a number is accepted, as in
 * "every hour".  Returns false with r->err set on failure.
 */
extern bool jdg_parse_interval(JdgReader *r, const char *from, const char *to,
							   bool unit_alone, JdgTiming *out);

/*
 * Makes a timing from the parts of a PostgreSQL interval; time_us is in
 * microseconds.  Returns false with *err set, without a position, if the
 * interval is infinite, negative or outside the limits.
 */
extern bool jdg_timing_from_interval(int32_t months, int32_t days,
									 int64_t time_us, JdgTiming *out,
									 JdgTimingError *err);

#endif							/* JDG_TIMING_PARSE_INTERVAL_H */
