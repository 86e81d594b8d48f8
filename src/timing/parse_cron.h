/*-------------------------------------------------------------------------
 *
 * parse_cron.h
 *	  Reads a cron expression.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PARSE_CRON_H
#define JDG_TIMING_PARSE_CRON_H

#include "timing/reader.h"

/*
 * Reads a cron expression of five or six fields from all of [from, to).  Sets
 * *out, which must be all zeroes, to its canonical form.  Returns false with
 * r->err set if the expression is invalid or can never match; then *out is
 * undefined.
 *
 * The grammar is in README.md.  The rules for days, and for expressions that
 * count real time, are those of Vixie cron.
 */
extern bool jdg_parse_cron(JdgReader *r, const char *from, const char *to,
						   JdgTiming *out);

#endif							/* JDG_TIMING_PARSE_CRON_H */
