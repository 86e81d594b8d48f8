/*-------------------------------------------------------------------------
 *
 * describe.h
 *	  Says in English when a timing is due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_DESCRIBE_H
#define JDG_TIMING_DESCRIBE_H

#include "timing/timing.h"

/* like snprintf, returns the full length */
extern size_t jdg_timing_describe(const JdgTiming *t, char *buf, size_t size);

#endif							/* JDG_TIMING_DESCRIBE_H */
