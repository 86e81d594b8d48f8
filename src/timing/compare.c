/*-------------------------------------------------------------------------
 *
 * compare.c
 *	  Comparison of timings.
 *
 * Pure.  Kinds are ordered as in JdgTimingKind, instants and elapsed intervals
 * in their natural order.  The order of the others is fixed but has no
 * meaning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <string.h>

#include "timing/calendar.h"
#include "timing/compare.h"

static int
compare_values(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int
compare_sets(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * The coarsest field decides first.  Expressions that differ only in special
 * days or flags are ordered by their bytes.
 */
static int
compare_crons(const JdgCron *a, const JdgCron *b)
{
	int			result;

	if ((result = compare_sets(a->month, b->month)) != 0 ||
		(result = compare_sets(a->dom, b->dom)) != 0 ||
		(result = compare_sets(a->dow, b->dow)) != 0 ||
		(result = compare_sets(a->hour, b->hour)) != 0 ||
		(result = compare_sets(a->minute, b->minute)) != 0 ||
		(result = compare_sets(a->second, b->second)) != 0)
		return result;
	result = memcmp(a, b, sizeof(*a));
	return compare_values(result, 0);
}

/*
 * Orders by length, with months of 30 days; intervals of equal length by their
 * months, then by their days.
 */
static int
compare_steps(const JdgStep *a, const JdgStep *b)
{
	int64_t		a_days = a->days + a->months * INT64_C(30) +
	a->time_us / JDG_US_PER_DAY;
	int64_t		b_days = b->days + b->months * INT64_C(30) +
	b->time_us / JDG_US_PER_DAY;
	int			result;

	if ((result = compare_values(a_days, b_days)) != 0 ||
		(result = compare_values(a->time_us % JDG_US_PER_DAY,
								 b->time_us % JDG_US_PER_DAY)) != 0 ||
		(result = compare_values(a->months, b->months)) != 0)
		return result;
	return compare_values(a->days, b->days);
}

int
jdg_timing_compare(const JdgTiming *a, const JdgTiming *b)
{
	if (a->kind != b->kind)
		return compare_values(a->kind, b->kind);
	switch ((JdgTimingKind) a->kind)
	{
		case JDG_TIMING_CRON:
			return compare_crons(&a->u.cron, &b->u.cron);
		case JDG_TIMING_INTERVAL:
			return compare_steps(&a->u.step, &b->u.step);
		case JDG_TIMING_ONCE:
			return compare_values(a->u.once_us, b->u.once_us);
		case JDG_TIMING_MANUAL:
		case JDG_TIMING_STARTUP:
			break;
	}
	return 0;
}
