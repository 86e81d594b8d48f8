/*-------------------------------------------------------------------------
 *
 * retry_after.h
 *	  The header Retry-After, and dates of HTTP.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_RETRY_AFTER_H
#define JDG_REQUEST_RETRY_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* the longest wait that a value can ask for, in microseconds */
#define JDG_RETRY_AFTER_MAX (INT64_C(1000) * 24 * 3600 * 1000000)

/*
 * Reads a date of HTTP in any of its three forms, as seconds since 1970.
 * False: it is none.  "now" gives the century of a year of two digits.
 */
extern bool jdg_http_date(const char *value, size_t len, int64_t now,
						  int64_t *seconds);

/*
 * Reads a value of Retry-After: a number of seconds, which may have a fraction,
 * or a date, as a wait in microseconds from "now" on, which is in seconds since
 * 1970.  A longer wait than JDG_RETRY_AFTER_MAX is that.  False: it is neither.
 */
extern bool jdg_retry_after(const char *value, size_t len, int64_t now,
							int64_t *us);

#endif							/* JDG_REQUEST_RETRY_AFTER_H */
