/*-------------------------------------------------------------------------
 *
 * room.c
 *	  Room in a bounded queue for new tasks, see room.h.
 *
 * Runs in any backend, and in the scheduler, which only tries.  Whether there
 * is room is known from the queue's gauge (shared/depth.h), without a lock
 * that lasts: a transaction that has enqueued and stays open hinders no other
 * while there is room.
 *
 * on_full => 'block': the session sleeps on the gauge's condition variable,
 * without any lock on the queue, and is woken when places become free.  It
 * gives up where nobody could free one: in a task, which would keep a worker
 * from those that could; if the transaction's own tasks take the room; and if
 * all places are those of transactions that wait for room themselves.  Of
 * several such transactions one gives up, and its rollback makes room for the
 * others.  A session that moves an existing task never waits, because it has
 * locked the task, and others may wait for that lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/inval.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "shared/happening.h"
#include "task/current.h"
#include "task/depth.h"
#include "task/recount.h"
#include "task/room.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* looks for tasks to drop before a queue counts as full, one each ms */
#define DROP_TRIES 50

/* counts of one call while others commit */
#define COUNT_TRIES 3

/*
 * A waiter looks at the queue again after so many ms: for changes by hand,
 * and if the queue could not be counted exactly.
 */
#define LOOK_AGAIN 60000
#define LOOK_SOON 1000

#define HINT_LATER \
	"Enqueue later, or raise max_depth with jadugar.alter_queue()."
#define HINT_IN_TASK \
	"A task does not wait for room, because it keeps a worker busy. " \
	"Let it be retried with a delay, or raise max_depth with jadugar.alter_queue()."
#define HINT_NO_WAIT \
	"A task that moves to another queue does not wait for room, because it stays locked meanwhile. " \
	"Move it later, or raise max_depth with jadugar.alter_queue()."

/* "hint" is what the caller can do. */
static void
raise_full(const JdgQueue *queue, const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_QUEUE_FULL),
			 errmsg("queue \"%s\" is full", queue->name),
			 errdetail_plural("It holds at most %lld unfinished task.",
							  "It holds at most %lld unfinished tasks.",
							  (unsigned long) queue->max_depth,
							  (long long) queue->max_depth),
			 errhint("%s", hint)));
}

/* More tasks at once than the queue can ever hold. */
static void
raise_too_many(const JdgQueue *queue, int64 n)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_QUEUE_FULL),
			 errmsg("queue \"%s\" is full", queue->name),
			 errdetail_plural("It holds at most %lld unfinished task, and %lld are to be added at once.",
							  "It holds at most %lld unfinished tasks, and %lld are to be added at once.",
							  (unsigned long) queue->max_depth,
							  (long long) queue->max_depth, (long long) n),
			 errhint("Enqueue fewer tasks at once, or raise max_depth with jadugar.alter_queue().")));
}

/* Nobody could make the room that is waited for. */
static void
raise_stuck(const JdgQueue *queue, int64 n)
{
	bool		own = jdg_depth_mine(queue->queue_id) +
	jdg_depth_needs(queue->queue_id, n) > queue->max_depth;

	ereport(ERROR,
			(errcode(JDG_ERRCODE_QUEUE_FULL),
			 errmsg("queue \"%s\" is full", queue->name),
			 own ?
			 errdetail_plural("It holds at most %lld unfinished task, and this transaction has enqueued %lld.",
							  "It holds at most %lld unfinished tasks, and this transaction has enqueued %lld.",
							  (unsigned long) queue->max_depth,
							  (long long) queue->max_depth,
							  (long long) jdg_depth_mine(queue->queue_id)) :
			 errdetail("All of its places are taken by open transactions that wait for room."),
			 own ?
			 errhint("Commit before you enqueue more, or raise max_depth with jadugar.alter_queue().") :
			 errhint("Roll back and try again, and enqueue into one queue in one call of jadugar.enqueue_batch().")));
}

/* Tells modules that the queue is full. */
static void
tell_full(const JdgQueue *queue)
{
	JsonbParseState *st = NULL;

	jdg_json_begin(&st);
	jdg_json_int64(&st, "queue_id", queue->queue_id);
	jdg_json_text(&st, "queue", queue->name);
	jdg_json_int64(&st, "max_depth", queue->max_depth);
	jdg_happened(JDG_QUEUE_FULL, queue->owner, queue->name,
				 jdg_json_finish(&st));
}

bool
jdg_room_quick(const JdgQueue *queue, int64 n)
{
	if (queue->max_depth <= 0)
		return true;
	if (!jdg_depth_reserve(queue->queue_id, n, queue->max_depth))
		return false;
	if (jdg_happens(JDG_QUEUE_FULL) &&
		jdg_depth_fills(queue->queue_id, queue->max_depth))
		tell_full(queue);
	return true;
}

/*
 * Reserves the places, if need be after a count of the queue.
 */
static bool
reserve(const JdgQueue *queue, int64 n)
{
	JdgDepth   *depth;
	bool		done = jdg_room_quick(queue, n);
	bool		exact = false;

	if (done)
		return true;
	depth = jdg_depth_of(queue->queue_id);
	if (!jdg_depth_count_due(depth))
		return false;
	for (int i = 0; !done && !exact && i < COUNT_TRIES; i++)
	{
		exact = jdg_depth_recount(depth, queue->queue_id);
		done = jdg_room_quick(queue, n);
	}
	return done;
}

/* Cancels at most n of the oldest tasks that no worker has. */
static void
drop_oldest(const JdgQueue *queue, int64 n)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE bounded AND queue_id = $1 AND state NOT IN ("
		JDG_SQL_STANDALONE ", " JDG_SQL_FLOW ") "
		"ORDER BY task_id LIMIT $2 FOR UPDATE SKIP LOCKED", 2,
		{INT4OID, INT8OID}
	};
	Datum		v[2] = {Int32GetDatum(queue->queue_id), Int64GetDatum(n)};
	int64		rows = jdg_run(&q, v, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(rows, CurrentMemoryContext);

	if (rows > 0)
		jdg_row_held();
	for (int64 i = 0; i < rows; i++)
	{
		/* the one before may have taken it along as its dependant */
		if (jdg_task_load(tasks[i].task_id, true, &tasks[i],
						  CurrentMemoryContext))
			jdg_settle_drop(&tasks[i], "queue_full", InvalidOid);
	}
}

/* Reserves the places, dropping tasks for it in some attempts, 1 ms apart. */
static bool
reserve_dropping(const JdgQueue *queue, int64 n, int tries)
{
	JdgDepth   *depth = jdg_depth_of(queue->queue_id);

	for (;;)
	{
		int64		excess = jdg_depth_held(depth) +
		jdg_depth_needs(queue->queue_id, n) - queue->max_depth;

		if (excess > 0)
			drop_oldest(queue, excess);
		if (jdg_room_quick(queue, n))
			return true;
		if (--tries <= 0)
			return false;
		/* a row may be locked only for a moment: by the scheduler, say */
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 1L, jdg_wait_task());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Sleeps until the places are reserved.  Raises QUEUE_FULL if they would
 * never become free.  The queue may be altered meanwhile: *queue is as it is
 * at the end, and the result is false if on_full says something else now.
 */
static bool
sleep_until_reserved(JdgDepth *depth, JdgQueue *queue, int64 n)
{
	while (!reserve(queue, n))
	{
		if (!jdg_depth_may_wait(depth, queue->queue_id, n, queue->max_depth))
			raise_stuck(queue, n);
		/* returns at once the first time, to look again */
		(void) ConditionVariableTimedSleep(jdg_depth_room(depth),
										   jdg_depth_in_doubt(depth) ?
										   LOOK_SOON : LOOK_AGAIN,
										   jdg_wait_room());
		/* the transaction uses the queue, so it cannot be dropped */
		AcceptInvalidationMessages();
		(void) jdg_queue_by_id(queue->queue_id, queue);
		if (queue->max_depth > 0 && n > queue->max_depth)
			raise_too_many(queue, n);
		if (queue->on_full != JDG_FULL_BLOCK)
			return false;
	}
	return true;
}

/* The same.  No note that this transaction waits is left in any case. */
static bool
wait_for_room(JdgQueue *queue, int64 n)
{
	JdgDepth   *depth;
	volatile bool reserved = false;

	if (jdg_current_task != NULL)
		raise_full(queue, HINT_IN_TASK);
	depth = jdg_depth_of(queue->queue_id);
	PG_TRY();
	{
		reserved = sleep_until_reserved(depth, queue, n);
	}
	PG_FINALLY();
	{
		ConditionVariableCancelSleep();
		jdg_depth_wait_end();
	}
	PG_END_TRY();
	return reserved;
}

bool
jdg_room_try(const JdgQueue *queue, int64 n)
{
	Assert(jdg_is_bookkeeping());
	return reserve(queue, n) ||
		(queue->on_full == JDG_FULL_DROP_OLDEST && n <= queue->max_depth &&
		 reserve_dropping(queue, n, 1));
}

/* Does what on_full says. */
static void
make_room(const JdgQueue *queue, int64 n, bool may_wait)
{
	JdgQueue	now = *queue;

	Assert(jdg_is_bookkeeping());
	if (reserve(queue, n))
		return;
	if (n > queue->max_depth)
		raise_too_many(queue, n);
	switch (queue->on_full)
	{
		case JDG_FULL_REJECT:
			raise_full(queue, HINT_LATER);
			break;
		case JDG_FULL_DROP_OLDEST:
			if (!reserve_dropping(queue, n, DROP_TRIES))
				raise_full(queue, HINT_LATER);
			break;
		case JDG_FULL_BLOCK:
			if (!may_wait)
				raise_full(queue, HINT_NO_WAIT);
			if (!wait_for_room(&now, n))
				make_room(&now, n, may_wait);
			break;
	}
}

void
jdg_room_make(const JdgQueue *queue, int64 n)
{
	make_room(queue, n, true);
}

void
jdg_room_make_for_move(const JdgQueue *queue)
{
	make_room(queue, 1, false);
}
