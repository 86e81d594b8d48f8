/*-------------------------------------------------------------------------
 *
 * duty.c
 *	  Flows in the scheduler: events, messages of sessions, timers, old runs.
 *
 * Runs in the scheduler, each batch in a transaction of its own.  A batch of
 * messages or timers is repeated if a crash undoes it, so its commit does not
 * wait for the disk (shared/work.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/settings.h"
#include "flow/run/awaited_end.h"
#include "flow/run/duty.h"
#include "flow/run/events.h"
#include "flow/run/message.h"
#include "flow/run/prune.h"
#include "flow/run/serve.h"
#include "shared/work.h"

/* until the row of a task that was locked is looked at again */
#define LOCKED_PAUSE (100 * INT64CONST(1000))

/* messages or timers in a transaction */
#define BATCH	256

/* a round goes on with other things after so many batches */
#define BATCHES 16

/* Do all that is due; false: there is more.  Payloads may be large. */
static bool
do_batches(bool (*batch) (int max))
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar messages",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		more = true;

	for (int i = 0; more && i < BATCHES; i++)
	{
		CHECK_FOR_INTERRUPTS();
		jdg_work_begin_async();
		more = batch(BATCH);
		jdg_work_end();
		MemoryContextReset(mcxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return !more;
}

/* Finds the timers that are due. */
static int
find_timers(JdgFlowTimer *timer, int max)
{
	int			n;

	jdg_work_begin_async();
	n = jdg_flow_find_timers(timer, max);
	jdg_work_end();
	return n;
}

/* Serves timers; each row is looked at again under the lock of its run. */
static void
do_timers(const JdgFlowTimer *timer, int n)
{
	for (int i = 0; i < n; i += BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		jdg_work_begin_async();
		jdg_flow_do_timers(timer + i, Min(BATCH, n - i));
		jdg_work_end();
	}
}

static void
look_again(bool all)
{
	jdg_work_begin();
	jdg_flow_messages_again(all);
	jdg_work_end();
}

TimestampTz
jdg_flow_advance(JdgDb *db, uint32 why)
{
	static TimestampTz retry_at = DT_NOBEGIN;
	static TimestampTz locked_at = DT_NOEND;
	static JdgFlowTimer due[BATCH * BATCHES];
	TimestampTz now = jdg_now();
	TimestampTz next;
	bool		all = true;
	bool		served;
	int			ndue;

	if (jdg_pause_is_over(retry_at, USECS_PER_MINUTE, now))
	{
		look_again(true);
		retry_at = DT_NOEND;
	}
	else if (why & JDG_WAKE_SWEEP ||
			 jdg_pause_is_over(locked_at, LOCKED_PAUSE, now))
		look_again(false);
	locked_at = DT_NOEND;

	/*
	 * Timers are found before the log and the messages are read: what has
	 * committed before the time of a wait is over then comes first.
	 */
	ndue = find_timers(due, lengthof(due));
	if ((why & (JDG_WAKE_WAITS | JDG_WAKE_SWEEP)) != 0 || ndue > 0 ||
		jdg_flow_events_awaited())
		all = jdg_flow_events_read(db, (why & JDG_WAKE_SWEEP) != 0);
	served = do_batches(jdg_flow_do_messages);
	jdg_flow_events_set_behind(!served);
	do_timers(due, ndue);
	all &= served;
	all &= ndue < lengthof(due);
	all &= do_batches(jdg_awaited_end_tasks);
	if (jdg_flow_gave_up())
		retry_at = jdg_now() + USECS_PER_MINUTE;
	if (jdg_awaited_locked())
		locked_at = jdg_now() + LOCKED_PAUSE;
	if (!all)
		return DT_NOBEGIN;
	jdg_work_begin();
	next = jdg_flow_events_are_over() ? DT_NOBEGIN : jdg_flow_next_due();
	jdg_work_end();
	return Min(Min(next, retry_at), locked_at);
}

TimestampTz
jdg_flow_upkeep(JdgDb *db, uint32 why)
{
	static bool pruning = false;
	static int64 pruned_to;		/* runs up to this one have been checked */
	static TimestampTz next;
	int64		keep = (int64) jdg_history_retention * USECS_PER_MINUTE;

	if (!pruning)
	{
		jdg_flow_events_settle(db);
		next = jdg_now() + USECS_PER_HOUR;
		jdg_work_begin();
		jdg_flow_prune_unused(jdg_now());
		jdg_work_end();
		pruned_to = 0;
		pruning = true;
	}
	jdg_work_begin();
	pruning = jdg_flow_prune_some(&pruned_to, jdg_now() - keep);
	jdg_work_end();
	return pruning ? DT_NOBEGIN : next;
}
