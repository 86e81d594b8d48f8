/*-------------------------------------------------------------------------
 *
 * timing_test.h
 *	  Declarations that timing_fuzz.c and timing_property.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_TEST_H
#define JDG_TIMING_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing/compare.h"
#include "timing/describe.h"
#include "timing/next.h"
#include "timing/parse.h"
#include "timing/parse_interval.h"
#include "timing/print.h"

#define US INT64_C(1000000)
#define DAY INT64_C(86400)

#define CHECK(ok, ...) \
	do { \
		if (!(ok)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\n"); \
			abort(); \
		} \
	} while (0)

/* ---- zones with arbitrary changes ---- */

#define MAX_CHANGES 8

typedef struct TestZone
{
	int			changes;
	int64_t		at[MAX_CHANGES];	/* seconds */
	int32_t		offset[MAX_CHANGES + 1];	/* before the first, after each */
} TestZone;

/* members of JdgZone; arg is a TestZone */
extern int32_t test_offset(void *arg, int64_t utc_us);
extern bool test_change(void *arg, int64_t utc_us, int64_t *change_us);

/* reads a timing, with instants in canonical text only */
extern bool test_parse(const char *text, JdgTiming *t, JdgTimingError *err);

/* the canonical text reads back as the same bytes; the sentence is whole */
extern void check_round_trip(const JdgTiming *t);

/* 20 instants after "after" ascend, and jdg_timing_count() agrees */
extern void check_ascending(const JdgTiming *t, const JdgZone *zone,
							int64_t anchor, int64_t after);

#endif							/* JDG_TIMING_TEST_H */
