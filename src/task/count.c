/*-------------------------------------------------------------------------
 *
 * count.c
 *	  Statistics of attempts, added to shared memory at commit.
 *
 * Runs wherever tasks are settled.  The counters agree with the history:
 * nothing is added before the commit, and nothing for a rollback.  Attempts
 * of a prepared transaction are not counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "shared/counters.h"
#include "shared/database.h"
#include "task/count.h"
#include "task/task.h"

typedef struct Counts
{
	JdgDb	   *db;				/* NULL: nothing counted */
	uint32		completed;
	uint32		failed;
	uint32		retried;
	uint32		cancelled;
	uint32		lost;
	uint32		waited[JDG_BUCKETS];
	uint32		ran[JDG_BUCKETS];
} Counts;

static Counts counts;

static void
add_histogram(pg_atomic_uint64 *hist, const uint32 *n)
{
	for (int i = 0; i < JDG_BUCKETS; i++)
	{
		if (n[i] > 0)
			pg_atomic_fetch_add_u64(&hist[i], n[i]);
	}
}

/*
 * At commit adds the transaction's counts to those of the database; at the
 * end of any transaction resets them.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	JdgCounters *stats;

	if (counts.db == NULL)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		stats = &counts.db->counters;
		pg_atomic_fetch_add_u64(&stats->completed, counts.completed);
		pg_atomic_fetch_add_u64(&stats->failed, counts.failed);
		pg_atomic_fetch_add_u64(&stats->retried, counts.retried);
		pg_atomic_fetch_add_u64(&stats->cancelled, counts.cancelled);
		pg_atomic_fetch_add_u64(&stats->lost, counts.lost);
		add_histogram(stats->wait_hist, counts.waited);
		add_histogram(stats->run_hist, counts.ran);
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		memset(&counts, 0, sizeof(counts));
}

void
jdg_count_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

void
jdg_count_attempt(JdgStatus status, bool stays, int64 waited, int64 ran)
{
	counts.db = jdg_my_db();
	if (stays && status == JDG_STATUS_FAILED)
		counts.retried++;
	else if (status == JDG_STATUS_COMPLETED)
		counts.completed++;
	else if (status == JDG_STATUS_FAILED)
		counts.failed++;
	else if (status == JDG_STATUS_CANCELLED)
		counts.cancelled++;
	else if (status == JDG_STATUS_LOST)
		counts.lost++;
	if (waited >= 0)
		counts.waited[jdg_histogram_bucket(waited)]++;
	if (ran >= 0)
		counts.ran[jdg_histogram_bucket(ran)]++;
}
