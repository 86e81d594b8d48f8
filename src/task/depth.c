/*-------------------------------------------------------------------------
 *
 * depth.c
 *	  Places of bounded queues that this transaction takes and frees, see
 *	  depth.h.
 *
 * Runs in any backend and in our own processes.  There is one record for each
 * queue and level of subtransactions.  The places taken are in the gauge
 * (shared/depth.h) at once.  Those freed stay taken for others until the
 * commit, since this transaction may be rolled back; but it may put its own
 * tasks there: a rollback to a savepoint before the end of a task undoes what
 * was enqueued after it, too.
 *
 * A record pins its gauge, so that callbacks need no lock but its mutex.
 *
 * A prepared transaction leaves its places to the gauge, which is counted when
 * it is full: nobody is told what that transaction had freed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "shared/shmem.h"
#include "task/depth.h"

typedef struct Record
{
	int32		queue_id;
	int			level;			/* of subtransactions */
	JdgDepth   *gauge;			/* NULL: nothing taken yet */
	JdgDepthChange c;
} Record;

static Record *records = NULL;
static int	nrecords = 0;
static int	max_records = 0;
static bool waiting = false;

/* The record of the queue at this level, or NULL. */
static Record *
find(int32 queue_id, int level)
{
	/* records of deeper levels come later */
	for (int i = nrecords - 1; i >= 0 && records[i].level >= level; i--)
	{
		if (records[i].queue_id == queue_id && records[i].level == level)
			return &records[i];
	}
	return NULL;
}

/* The record of the queue at the current level. */
static Record *
need_record(int32 queue_id)
{
	int			level = GetCurrentTransactionNestLevel();
	Record	   *r = find(queue_id, level);

	if (r != NULL)
		return r;
	if (records == NULL)
	{
		records = MemoryContextAlloc(TopMemoryContext, sizeof(Record) * 8);
		max_records = 8;
	}
	else if (nrecords == max_records)
	{
		records = repalloc_huge(records, sizeof(Record) * max_records * 2);
		max_records *= 2;
	}
	r = &records[nrecords++];
	memset(r, 0, sizeof(Record));
	r->queue_id = queue_id;
	r->level = level;
	return r;
}

/* The same with its gauge; an error if there is none left. */
static Record *
need_gauge(int32 queue_id)
{
	Record	   *r = need_record(queue_id);

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

	for (int i = 0; i < nrecords; i++)
	{
		const JdgDepthChange *c = &records[i].c;

		if (records[i].queue_id == queue_id)
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

	for (int i = 0; i < nrecords; i++)
	{
		if (records[i].queue_id == queue_id)
			n += records[i].c.taken;
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
	Record	   *r = needs > 0 ? need_gauge(queue_id) : need_record(queue_id);

	if (needs > 0)
		jdg_depth_add(r->gauge, needs);
	r->c.taken += needs;
	r->c.inserted += n;
}

void
jdg_depth_freed(int32 queue_id, int64 n)
{
	need_record(queue_id)->c.freed += n;
}

/* Notes the places that are those of a waiter.  Under JdgSharedLock. */
static void
note_waiting(bool now)
{
	waiting = now;
	for (int i = 0; i < nrecords; i++)
	{
		Record	   *r = &records[i];
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
	for (int i = 0; may && begins && i < nrecords; i++)
	{
		if (records[i].c.waiting > 0)
			jdg_depth_wake(records[i].gauge);
	}
	return may;
}

/*
 * Before a commit or PREPARE: from here on, counts of the queues' tasks have
 * to reckon with this transaction.
 */
static void
note_ending(void)
{
	for (int i = 0; i < nrecords; i++)
	{
		Record	   *r = &records[i];

		if (r->gauge == NULL)
			r->gauge = jdg_depth_pin(r->queue_id);
		if (r->gauge != NULL)
			jdg_depth_ending(r->gauge, &r->c);
	}
}

/* Ends all records from the given one on. */
static void
end_records(int from, void (*end) (JdgDepth *, const JdgDepthChange *))
{
	for (int i = from; i < nrecords; i++)
	{
		Record	   *r = &records[i];

		if (r->gauge == NULL)
			continue;
		end(r->gauge, &r->c);
		jdg_depth_unpin(r->gauge);
	}
	nrecords = Min(nrecords, from);
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (nrecords == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			note_ending();
			break;
		case XACT_EVENT_COMMIT:
			end_records(0, jdg_depth_committed);
			break;
		case XACT_EVENT_PREPARE:
			end_records(0, jdg_depth_prepared);
			break;
		case XACT_EVENT_ABORT:
			end_records(0, jdg_depth_aborted);
			waiting = false;
			break;
		default:
			break;
	}
}

/* The records of a released subtransaction become those of its parent. */
static void
merge_level(int level)
{
	int			from = nrecords;

	while (from > 0 && records[from - 1].level >= level)
		from--;
	for (int i = from; i < nrecords; i++)
	{
		Record	   *r = &records[i];
		Record	   *up = NULL;

		for (int j = from - 1; j >= 0 && records[j].level == level - 1; j--)
		{
			if (records[j].queue_id == r->queue_id)
				up = &records[j];
		}
		if (up == NULL)
		{
			/* those of the parent stay together, before deeper ones */
			r->level = level - 1;
			records[from++] = *r;
			continue;
		}
		up->c.taken += r->c.taken;
		up->c.inserted += r->c.inserted;
		up->c.freed += r->c.freed;
		up->c.told |= r->c.told;
		if (up->gauge == NULL)
			up->gauge = r->gauge;
		else if (r->gauge != NULL)
			jdg_depth_unpin(r->gauge);
	}
	nrecords = from;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId me,
				 SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	int			from = nrecords;

	if (nrecords == 0)
		return;
	switch (event)
	{
		case SUBXACT_EVENT_COMMIT_SUB:
			merge_level(level);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			while (from > 0 && records[from - 1].level >= level)
				from--;
			end_records(from, jdg_depth_aborted);
			break;
		default:
			break;
	}
}

void
jdg_depth_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
