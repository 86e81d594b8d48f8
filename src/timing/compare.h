/*-------------------------------------------------------------------------
 *
 * compare.h
 *	  The order of timings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_COMPARE_H
#define JDG_TIMING_COMPARE_H

#include "timing/timing.h"

/* -1, 0, 1; 0 exactly when the bytes are equal */
extern int	jdg_timing_compare(const JdgTiming *a, const JdgTiming *b);

#endif							/* JDG_TIMING_COMPARE_H */
