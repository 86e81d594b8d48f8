/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Counters of a database since they were last reset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_COUNTERS_H
#define JDG_SHARED_COUNTERS_H

#include "port/atomics.h"

/* buckets of a histogram: powers of two of microseconds */
#define JDG_BUCKETS 32

typedef struct JdgCounters
{
	pg_atomic_uint64 enqueued;
	pg_atomic_uint64 completed;
	pg_atomic_uint64 failed;
	pg_atomic_uint64 retried;
	pg_atomic_uint64 cancelled;
	pg_atomic_uint64 lost;
	pg_atomic_uint64 skipped;
	pg_atomic_uint64 fired;
	pg_atomic_uint64 groups;
	pg_atomic_uint64 wait_hist[JDG_BUCKETS];
	pg_atomic_uint64 run_hist[JDG_BUCKETS];
	pg_atomic_uint64 reset_at;	/* TimestampTz */
} JdgCounters;

/* sets all to zero, and reset_at to the current time; also initializes them */
extern void jdg_counters_reset(JdgCounters *counters);

/* the bucket i that counts durations from 2^(i-1) up to 2^i microseconds */
extern int	jdg_histogram_bucket(int64 microseconds);

#endif							/* JDG_SHARED_COUNTERS_H */
