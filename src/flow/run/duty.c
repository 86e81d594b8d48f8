/*-------------------------------------------------------------------------
 *
 * duty.c
 *	  Flows in the scheduler's round: messages of sessions, and timers.
 *
 * Runs in the scheduler, each batch in a transaction of its own.  What a
 * batch does is made again by a crash that undoes it, so its commit is not
 * waited for (jdg_work_begin_async()): what follows from it is committed
 * after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "flow/run/advance.h"
#include "flow/run/message.h"
#include "scheduler/scheduler.h"

/* messages or timers in a transaction */
#define BATCH	256

/* a round goes on with other things after so many batches */
#define BATCHES 16

static bool
do_batches(int (*batch) (int max))
{
	for (int i = 0; i < BATCHES; i++)
	{
		int			n;

		CHECK_FOR_INTERRUPTS();
		jdg_work_begin_async();
		n = batch(BATCH);
		jdg_work_end();
		if (n < BATCH)
			return true;
	}
	return false;
}

static void
look_again(bool all)
{
	jdg_work_begin();
	jdg_flow_messages_again(all);
	jdg_work_end();
}

/*
 * Serve what there is; returns when to look again.  "sweep": cancels that
 * have come to nothing are tried once more; the first time everything is.
 */
TimestampTz
jdg_flows_advance(bool sweep)
{
	static TimestampTz retry_at = DT_NOBEGIN;
	TimestampTz next;
	bool		all;

	if (retry_at <= jdg_now())
	{
		look_again(true);
		retry_at = DT_NOEND;
	}
	else if (sweep)
		look_again(false);
	all = do_batches(jdg_flow_do_messages);
	all &= do_batches(jdg_flow_do_timers);
	if (jdg_flow_gave_up())
		retry_at = jdg_now() + USECS_PER_MINUTE;
	if (!all)
		return DT_NOBEGIN;
	jdg_work_begin();
	next = jdg_flow_next_due();
	jdg_work_end();
	return Min(next, retry_at);
}
