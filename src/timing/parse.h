/*-------------------------------------------------------------------------
 *
 * parse.h
 *	  Reads a timing from text, or makes one from an instant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PARSE_H
#define JDG_TIMING_PARSE_H

#include "timing/timing.h"

/*
 * Callback that reads the timestamp after "at", text of len bytes without a
 * terminating zero, and sets *instant_us.  Returns false if it is not valid;
 * then it may have replaced err->message.
 */
typedef bool (*JdgInstantParser) (void *arg, const char *text, size_t len,
								  int64_t *instant_us, JdgTimingError *err);

/*
 * Reads a timing from len bytes of text, which need not end with a zero.  On
 * success *out is the timing in canonical form and *err is all zeroes.  On
 * failure it returns false, *out is all zeroes, and *err describes the error
 * with its position.  Without parse_instant, the form with "at" is refused;
 * arg is passed on to it.
 */
extern bool jdg_timing_parse(const char *text, size_t len, JdgTiming *out,
							 JdgTimingError *err,
							 JdgInstantParser parse_instant, void *arg);

/*
 * Makes a timing of one instant, in microseconds since 2000-01-01 00:00 UTC.
 * Returns false, with *err set, if that is infinite.
 */
extern bool jdg_timing_from_instant(int64_t instant_us, JdgTiming *out,
									JdgTimingError *err);

#endif							/* JDG_TIMING_PARSE_H */
