/*-------------------------------------------------------------------------
 *
 * describe.h
 *	  English description of a timing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_DESCRIBE_H
#define JDG_TIMING_DESCRIBE_H

#include "timing/timing.h"

/*
 * Writes the sentence without a full stop.  Like snprintf, returns the full
 * length and always ends buf with a zero if size is not 0.
 * JDG_TIMING_DESCRIBE_SIZE is always enough.
 */
extern size_t jdg_timing_describe(const JdgTiming *t, char *buf, size_t size);

#endif							/* JDG_TIMING_DESCRIBE_H */
