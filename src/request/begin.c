/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  Claims HTTP tasks, marks them and sends their requests.
 *
 * Runs in the process "jadugar http".  Tasks of all roles are claimed, one role
 * after another.  Their rows get state x and their start in one transaction,
 * which commits before any byte is sent: whatever happens then, the attempt
 * counts.  A task whose request cannot be made is marked, too, and has ended.
 *
 * If this process has crashed the server, the requests that were under way are
 * suspects.  From then on, one of each role runs at a time, beside others: so
 * the guilty one is there again at each crash, and hardly another.  It fails
 * after jadugar.max_crashes.
 *
 * The mark commits with synchronous_commit = local, so a standby that hangs
 * does not hold up requests; after a failover, marks that were not replicated
 * run again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/sleep.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "request/request.h"
#include "request/transfer.h"
#include "shared/database.h"
#include "shared/gate.h"
#include "shared/gateview.h"
#include "shared/guard.h"
#include "shared/lane.h"
#include "shared/suspect.h"
#include "shared/work.h"
#include "task/claim.h"
#include "task/hold.h"
#include "task/settle.h"

/* tasks that one transaction marks */
#define BATCH 64

/* the ticket of a call at a breaker is good for the settling, too */
#define SETTLE_MS 5000

/* bodies that one transaction makes, and one more */
#define BATCH_BYTES (4 * 1024 * 1024)

/* a suspect that has to wait for another is looked at again after this time */
#define SUSPECT_US USECS_PER_SEC

/* the state of one call */
typedef struct Batch
{
	int			first;			/* of the slot's tasks */
	int			n;
	JdgTask		task[BATCH];
	JdgTransfer *transfer[BATCH];	/* NULL: it is given back */
	bool		postponed[BATCH];	/* and is due later */
} Batch;

/*
 * Requests of a batch run at the same time, so a task does not join the holder
 * of its key.
 */
static JdgJoin
join_batch(const JdgTask *task, int n)
{
	return task->state == JDG_STATE_KEY ? JDG_JOIN_NO : JDG_JOIN_YES;
}

/* the role whose tasks were claimed last */
static Oid	last = InvalidOid;

/*
 * Claims tasks of these roles, which have some.  Those of a role that may not
 * run work wait, as other tasks do.
 */
static bool
claim(Batch *b, const Oid *owners, int nowners, MemoryContext mcxt)
{
	bool		any = false;

	b->first = jdg_http_slot->ntasks;
	for (int i = 0; i < nowners; i++)
	{
		int			room = BATCH - b->n;
		int			places = jdg_room_places(owners[i]);
		bool		more;

		if (room == 0)
			return true;
		if (places == 0 || jdg_role_obstacle(owners[i]) != NULL)
			continue;
		b->n += jdg_claim(jdg_http_slot, owners[i], JDG_CARRIER_HTTP,
						  &b->task[b->n], Min(room, places), join_batch, mcxt,
						  &more);
		any |= more;
		last = owners[i];
	}
	return any;
}

/*
 * A task whose limits have changed since it was claimed does not begin.  What
 * remains of the promised tokens is used here.
 */
static bool
may_begin(JdgTask *task, JdgTransfer *t, JdgSlotTask *st, TimestampTz now)
{
	int64		longest = (t->deadline - jdg_steady_ms() + SETTLE_MS) * 1000;

	if (task->limits == NULL)
		return true;
	task->limits->longest = longest;
	if (jdg_gates_begin(task->limits, now, &st->places) >= 0)
		return false;
	if (jdg_gates_are_probing(&st->places))
		jdg_probe_begin(t, task);
	return true;
}

/* Is a suspect of this role under way, or in the batch? */
static bool
has_suspect(const Batch *b, Oid owner)
{
	bool		found = false;

	for (int i = 0; i < jdg_ntransfers; i++)
		found |= jdg_transfers[i]->suspect && jdg_transfers[i]->owner == owner;
	for (int i = 0; i < b->n; i++)
		found |= b->transfer[i] != NULL && b->transfer[i]->suspect &&
			b->transfer[i]->owner == owner;
	return found;
}

/* What make_transfers() does with a task. */
typedef enum Made
{
	MADE,						/* it has a transfer */
	MADE_LATER,					/* it is given back, and can be claimed again */
	MADE_NO_ROOM				/* given back; its role has to wait for room */
} Made;

/* A crash of the server meanwhile is this task's. */
static Made
make_transfer(Batch *b, int i, TimestampTz now)
{
	JdgCall		none = {0};
	JdgTransfer *t;
	Made		made = MADE;

	jdg_suspect_begin(b->task[i].task_id, b->task[i].attempt, &none, now);
	b->transfer[i] = t = jdg_transfer_make(&b->task[i], now);
	JDG_FAULT("http-made");
	jdg_suspect_requests();
	if (!t->ended)
	{
		if (!jdg_room_fits(t, b->transfer, i))
			made = MADE_NO_ROOM;
		else if (!may_begin(&b->task[i], t,
							&jdg_http_slot->task[b->first + i], now))
			made = MADE_LATER;
	}
	if (made != MADE)
	{
		b->transfer[i] = NULL;
		MemoryContextDelete(t->mcxt);
	}
	return made;
}

/*
 * Makes the transfers of a batch, up to so many bytes that the process is not
 * kept from its other work.  Returns whether tasks were given back that can be
 * claimed again at once.
 */
static bool
make_transfers(Batch *b, TimestampTz now)
{
	bool		again = false;
	Oid			full = InvalidOid;	/* has no room */
	Size		bytes = 0;

	for (int i = 0; i < b->n; i++)
	{
		if (b->task[i].owner == full)
			continue;
		if (bytes >= BATCH_BYTES)
		{
			again = true;
			continue;
		}
		if (b->task[i].crashes > 0 && has_suspect(b, b->task[i].owner))
		{
			b->postponed[i] = true;
			continue;
		}
		switch (make_transfer(b, i, now))
		{
			case MADE:
				bytes += b->transfer[i]->request.body_len;
				break;
			case MADE_LATER:
				again = true;
				break;
			case MADE_NO_ROOM:
				full = b->task[i].owner;
				break;
		}
	}
	return again;
}

/* Suspects that have to wait for another are due again later. */
static void
postpone(Batch *b, TimestampTz now)
{
	JdgTask    *tasks = palloc(sizeof(JdgTask) * BATCH);
	JdgOutcome *outcomes = palloc0(sizeof(JdgOutcome) * BATCH);
	int			n = 0;

	for (int i = 0; i < b->n; i++)
	{
		JdgOutcome *o = &outcomes[n];

		if (!b->postponed[i])
			continue;
		tasks[n++] = b->task[i];
		o->end = JDG_END_SNOOZED;
		o->started_at = o->finished_at = now;
		o->worker_pid = MyProcPid;
		o->row_count = -1;
		o->snooze_us = n * SUSPECT_US;
	}
	if (n > 0)
		jdg_settle(tasks, outcomes, n, NULL);
}

/* --- marks --------------------------------------------------------------- */

/* Marks the rows of the tasks that have a transfer. */
static void
mark(const Batch *b, TimestampTz now)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = " JDG_SQL_STANDALONE ", "
		"started_at = $2 WHERE task_id = ANY ($1)", 2,
		{INT8ARRAYOID, TIMESTAMPTZOID}
	};
	Datum		ids[BATCH];
	Datum		v[2];
	int			n = 0;
	JdgInternal in;

	for (int i = 0; i < b->n; i++)
	{
		if (b->transfer[i] != NULL)
			ids[n++] = Int64GetDatum(b->task[i].task_id);
	}
	if (n == 0)
		return;
	v[0] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	v[1] = TimestampTzGetDatum(now);
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 0) != n)
		elog(ERROR, "a claimed task was not there any more");
	jdg_internal_end(&in);
}

/* The slot shows the requests; tasks that are given back go. */
static void
publish(Batch *b)
{
	JdgSlot    *slot = jdg_http_slot;
	JdgPlaces	given[BATCH];
	int			ngiven = 0;
	int			at = b->first;
	int64		now_ms = jdg_steady_ms();

	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < b->n; i++)
	{
		JdgTransfer *t = b->transfer[i];
		JdgSlotTask *st = &slot->task[b->first + i];

		if (t == NULL)
		{
			if (st->limited)
				given[ngiven++] = st->places;
			continue;
		}
		st->phase = JDG_TASK_RUNNING;
		st->standalone = true;
		st->started_at = t->started_at;
		st->deadline = t->ended ? DT_NOEND : t->started_at + (t->deadline - now_ms) * 1000;
		slot->task[at] = *st;
		jdg_transfers[at++] = t;
	}
	slot->ntasks = jdg_ntransfers = at;
	slot->state = JDG_SLOT_BUSY;
	SpinLockRelease(&slot->mutex);
	jdg_slot_give_back(given, ngiven);
}

/* the batch that is being made, or NULL */
static Batch *making = NULL;

void
jdg_requests_begin_failed(void)
{
	JdgPlaces	given[BATCH];
	bool		failed = making != NULL;
	int			n;

	for (int i = 0; failed && i < making->n; i++)
	{
		if (making->transfer[i] != NULL)
			MemoryContextDelete(making->transfer[i]->mcxt);
	}
	making = NULL;
	jdg_suspect_requests();
	SpinLockAcquire(&jdg_http_slot->mutex);
	n = jdg_slot_take_out(jdg_http_slot, jdg_ntransfers, given);
	SpinLockRelease(&jdg_http_slot->mutex);
	jdg_slot_give_back(given, n);
	/* if it was after the commit, the scheduler settles them as lost */
	if (failed)
		jdg_requests_left(jdg_my_db());
}

bool
jdg_requests_begin(void)
{
	Batch	   *b = palloc0(sizeof(Batch));
	TimestampTz now;
	int			nowners;
	Oid		   *owners = jdg_lanes_owners(MyDatabaseId, JDG_CARRIER_HTTP, last,
										  &nowners);
	bool		more;

	if (nowners == 0)
		return false;
	jdg_work_begin_bare();
	making = b;
	more = claim(b, owners, nowners, CurrentMemoryContext);
	now = jdg_now();
	PushActiveSnapshot(GetTransactionSnapshot());
	more |= make_transfers(b, now);
	mark(b, now);
	postpone(b, now);
	PopActiveSnapshot();
	JDG_FAULT("http-before-mark");
	jdg_work_end_bare();
	JDG_FAULT("http-marked");
	making = NULL;
	publish(b);
	for (int i = 0; i < b->n; i++)
	{
		if (b->transfer[i] != NULL && !b->transfer[i]->ended)
			jdg_connections_add(b->transfer[i]);
	}
	return more;
}
