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

/*
 * Returns a pointer to the timing, detoasted if necessary: into the datum
 * itself if it is stored plain, else to a palloc'd copy.
 */
extern JdgTiming *DatumGetJdgTiming(Datum datum);

/* Returns a palloc'd copy. */
extern Datum JdgTimingGetDatum(const JdgTiming *timing);

/*
 * Reads a timing from any text.  Returns false, with *err set, if it is
 * invalid.  err->position counts characters of the server's encoding.  Raises
 * errors of the server's parser that do not concern the text.
 */
extern bool jdg_timing_read(const char *text, JdgTiming *out,
							JdgTimingError *err);

/* Returns the canonical text, palloc'd. */
extern char *jdg_timing_text(const JdgTiming *timing);

#define PG_GETARG_JDG_TIMING(n) DatumGetJdgTiming(PG_GETARG_DATUM(n))

#endif							/* JDG_TIMING_TIMING_TYPE_H */
