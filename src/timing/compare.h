/*-------------------------------------------------------------------------
 *
 * compare.h
 *	  Comparison of timings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_COMPARE_H
#define JDG_TIMING_COMPARE_H

#include "timing/timing.h"

/*
 * Total order of timings: returns -1, 0 or 1.  The result is 0 only if both
 * are equal byte for byte, apart from the varlena header.
 */
extern int	jdg_timing_compare(const JdgTiming *a, const JdgTiming *b);

#endif							/* JDG_TIMING_COMPARE_H */
