/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Counters of a database, see counters.h.
 *
 * Runs in any process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/counters.h"

void
jdg_counters_reset(JdgCounters *counters)
{
	pg_atomic_init_u64(&counters->enqueued, 0);
	pg_atomic_init_u64(&counters->completed, 0);
	pg_atomic_init_u64(&counters->failed, 0);
	pg_atomic_init_u64(&counters->retried, 0);
	pg_atomic_init_u64(&counters->cancelled, 0);
	pg_atomic_init_u64(&counters->lost, 0);
	pg_atomic_init_u64(&counters->skipped, 0);
	pg_atomic_init_u64(&counters->fired, 0);
	pg_atomic_init_u64(&counters->groups, 0);
	for (int i = 0; i < JDG_BUCKETS; i++)
	{
		pg_atomic_init_u64(&counters->wait_hist[i], 0);
		pg_atomic_init_u64(&counters->run_hist[i], 0);
	}
	pg_atomic_init_u64(&counters->reset_at, GetCurrentTimestamp());
}

int
jdg_histogram_bucket(int64 microseconds)
{
	int			bucket = 0;

	while (microseconds > 0 && bucket < JDG_BUCKETS - 1)
	{
		microseconds >>= 1;
		bucket++;
	}
	return bucket;
}
