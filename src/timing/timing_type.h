/*-------------------------------------------------------------------------
 *
 * timing_type.h
 *	  The SQL type jadugar.timing, seen from C.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_TIMING_TYPE_H
#define JDG_TIMING_TIMING_TYPE_H

#include "fmgr.h"

#include "timing/timing.h"

extern JdgTiming *DatumGetJdgTiming(Datum datum);
extern Datum JdgTimingGetDatum(const JdgTiming *timing);

extern bool jdg_timing_read(const char *text, JdgTiming *out,
							JdgTimingError *err);
extern char *jdg_timing_text(const JdgTiming *timing);

#define PG_GETARG_JDG_TIMING(n) DatumGetJdgTiming(PG_GETARG_DATUM(n))

#endif							/* JDG_TIMING_TIMING_TYPE_H */
