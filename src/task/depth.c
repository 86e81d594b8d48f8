/*-------------------------------------------------------------------------
 *
 * depth.c
 *	  Places of bounded queues that this transaction takes and frees, see
 *	  depth.h.
 *
 * Runs in any backend and in our own processes.  A tally (base/tally.h) has a
 * record for each queue.  The places taken are in the gauge (shared/depth.h) at
 * once.  Those freed stay taken for others until the commit, since this
 * transaction may be rolled back; but it may put its own tasks there: a rollback
 * to a savepoint before the end of a task undoes what was enqueued after it,
 * too.
 *
 * A record pins its gauge, so that callbacks need no lock but its mutex.
 *
 * A prepared transaction leaves its places to the gauge, which is counted when
 * it is full: nobody is told what that transaction had freed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/tally.h"
#include "shared/shmem.h"
#include "task/depth.h"

typedef struct Record
{
	JdgTallyRow of;				/* the queue */
	JdgDepth   *gauge;			/* NULL: nothing taken yet */
	JdgDepthChange c;
} Record;

static void end_record(void *row, XactEvent event);
static void merge_records(void *into, const void *from);

static JdgTally tally = {sizeof(Record), end_record, merge_records};
static bool waiting = false;

static Record *
record_at(int i)
{
	return jdg_tally_at(&tally, i);
}

/* The record of the queue with its gauge; an error if there is none left. */
static Record *
need_gauge(int32 queue_id)
{
	Record	   *r = jdg_tally_row(&tally, queue_id);

	if (r->gauge == NULL)
		r->gauge = jdg_depth_pin(queue_id);
	if (r->gauge == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("open transactions use too many queues with a max_depth"),
				 errdetail("The maximum for the server is %d.",
						   JDG_DEPTHS_MAX),
				 errhint("Commit more often.")));
	return r;
}

JdgDepth *
jdg_depth_of(int32 queue_id)
{
	return need_gauge(queue_id)->gauge;
}

/* The number of places that this transaction has and does not use. */
static int64
unused(int32 queue_id)
{
	int64		n = 0;

	for (int i = 0; i < tally.n; i++)
	{
		const JdgDepthChange *c = &record_at(i)->c;

		if (record_at(i)->of.id == queue_id)
			n += c->taken + c->freed - c->inserted;
	}
	Assert(n >= 0);
	return n;
}

int64
jdg_depth_needs(int32 queue_id, int64 n)
{
	return Max(n - unused(queue_id), 0);
}

int64
jdg_depth_mine(int32 queue_id)
{
	int64		n = 0;

	for (int i = 0; i < tally.n; i++)
	{
		if (record_at(i)->of.id == queue_id)
			n += record_at(i)->c.taken;
	}
	return n;
}

bool
jdg_depth_reserve(int32 queue_id, int64 n, int64 max_depth)
{
	int64		needs = jdg_depth_needs(queue_id, n);
	Record	   *r;

	if (needs == 0)
		return true;
	r = need_gauge(queue_id);
	if (!jdg_depth_take(r->gauge, needs, max_depth))
		return false;
	r->c.taken += needs;
	return true;
}

bool
jdg_depth_fills(int32 queue_id, int64 max_depth)
{
	Record	   *r = need_gauge(queue_id);

	if (!jdg_depth_tells(r->gauge, max_depth))
		return false;
	r->c.told = true;
	return true;
}

void
jdg_depth_inserted(int32 queue_id, int64 n)
{
	int64		needs = jdg_depth_needs(queue_id, n);
	Record	   *r = needs > 0 ? need_gauge(queue_id) : jdg_tally_row(&tally, queue_id);

	if (needs > 0)
		jdg_depth_add(r->gauge, needs);
	r->c.taken += needs;
	r->c.inserted += n;
}

void
jdg_depth_freed(int32 queue_id, int64 n)
{
	Record	   *r = jdg_tally_row(&tally, queue_id);

	r->c.freed += n;
}

/* Notes the places that are those of a waiter.  Under JdgSharedLock. */
static void
note_waiting(bool now)
{
	waiting = now;
	for (int i = 0; i < tally.n; i++)
	{
		Record	   *r = record_at(i);
		int64		n = now ? r->c.taken : 0;

		if (r->c.waiting == n)
			continue;
		jdg_depth_note_waiting(r->gauge, n - r->c.waiting);
		r->c.waiting = n;
	}
}

void
jdg_depth_wait_end(void)
{
	if (!waiting)
		return;
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	note_waiting(false);
	LWLockRelease(JdgSharedLock);
}

bool
jdg_depth_may_wait(JdgDepth *depth, int32 queue_id, int64 n, int64 max_depth)
{
	int64		needs = jdg_depth_needs(queue_id, n);
	bool		begins = !waiting;
	bool		may;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	note_waiting(true);
	may = jdg_depth_mine(queue_id) + needs <= max_depth &&
		!jdg_depth_stuck(depth, needs, max_depth);
	if (!may)
		note_waiting(false);
	LWLockRelease(JdgSharedLock);

	/* those who wait in other queues may now wait for this transaction */
	for (int i = 0; may && begins && i < tally.n; i++)
	{
		if (record_at(i)->c.waiting > 0)
			jdg_depth_wake(record_at(i)->gauge);
	}
	return may;
}

/*
 * Before a commit or PREPARE: from here on, counts of the queue's tasks have to
 * reckon with this transaction.
 */
static void
note_ending(Record *r)
{
	if (r->gauge == NULL)
		r->gauge = jdg_depth_pin(r->of.id);
	if (r->gauge != NULL)
		jdg_depth_ending(r->gauge, &r->c);
}

/* JdgTally.event */
static void
end_record(void *row, XactEvent event)
{
	Record	   *r = row;

	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
	{
		note_ending(r);
		return;
	}
	if (r->gauge == NULL)
		return;
	if (event == XACT_EVENT_COMMIT)
		jdg_depth_committed(r->gauge, &r->c);
	else if (event == XACT_EVENT_PREPARE)
		jdg_depth_prepared(r->gauge, &r->c);
	else
		jdg_depth_aborted(r->gauge, &r->c);
	jdg_depth_unpin(r->gauge);
}

/* JdgTally.merge */
static void
merge_records(void *into, const void *from)
{
	Record	   *up = into;
	const Record *r = from;

	up->c.taken += r->c.taken;
	up->c.inserted += r->c.inserted;
	up->c.freed += r->c.freed;
	up->c.told |= r->c.told;
	if (up->gauge == NULL)
		up->gauge = r->gauge;
	else if (r->gauge != NULL)
		jdg_depth_unpin(r->gauge);
}

void
jdg_depth_init(void)
{
	jdg_tally_init(&tally);
}
