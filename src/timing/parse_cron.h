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

extern bool jdg_parse_cron(JdgReader *r, const char *from, const char *to,
						   JdgTiming *out);

#endif							/* JDG_TIMING_PARSE_CRON_H */
