/*-------------------------------------------------------------------------
 *
 * parse.h
 *	  From a text, or an instant, to a timing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PARSE_H
#define JDG_TIMING_PARSE_H

#include "timing/timing.h"

/*
 * Reads the text after "at".  On failure it returns false and may have put
 * its own sentence into err->message.
 */
typedef bool (*JdgInstantParser) (void *arg, const char *text, size_t len,
								  int64_t *instant_us, JdgTimingError *err);

/*
 * Reads a timing.  On failure *out is all zeroes, and *err says why; on
 * success *err is all zeroes.
 */
extern bool jdg_timing_parse(const char *text, size_t len, JdgTiming *out,
							 JdgTimingError *err,
							 JdgInstantParser parse_instant, void *arg);

/* A timing from a timestamp; false if that is infinite. */
extern bool jdg_timing_from_instant(int64_t instant_us, JdgTiming *out,
									JdgTimingError *err);

#endif							/* JDG_TIMING_PARSE_H */
