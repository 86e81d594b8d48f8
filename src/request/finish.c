/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  Settles requests that have ended.
 *
 * Runs in the process "jadugar http".  Each row must still have the mark of this
 * attempt: if another process has settled it, what came back is dropped.  A row
 * that another transaction has locked is tried again; this process waits for no
 * lock.  The end of a step is a message to its run, as for a standalone command,
 * so the lock of a run is not needed either.
 *
 * If a transaction fails, the ends stay in memory and are settled again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/spi.h"
#include "handler/handler.h"
#include "request/outcome.h"
#include "request/request.h"
#include "request/transfer.h"
#include "shared/work.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* ends that one transaction settles */
#define BATCH 64

/* The row of a transfer as this process has marked it. */
typedef enum Row
{
	ROW_OURS,
	ROW_GONE,					/* settled by another process */
	ROW_LOCKED
} Row;

static Row
load_row(const JdgTransfer *t, JdgTask *task)
{
	bool		locked = jdg_task_load(t->task_id, true, task,
									   CurrentMemoryContext);

	if (!locked && !jdg_task_load(t->task_id, false, task,
								  CurrentMemoryContext))
		return ROW_GONE;
	if (task->state != JDG_STATE_STANDALONE || task->attempt != t->attempt ||
		task->started_at != t->started_at)
		return ROW_GONE;
	return locked ? ROW_OURS : ROW_LOCKED;
}

/* The task was not sent: it is ready again, and was not tried. */
static void
give_back(JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = " JDG_SQL_READY ", "
		"started_at = NULL WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(t->task_id)};

	jdg_run(&q, v, NULL, 0);
	t->state = JDG_STATE_READY;
	jdg_wake_at_commit(t->owner, t);
}

/* Takes a transfer out of the table, and its task out of the slot. */
static void
drop(int i)
{
	JdgSlot    *slot = jdg_http_slot;
	JdgTransfer *t = jdg_transfers[i];
	JdgPlaces	places;
	bool		limited;
	int			last = --jdg_ntransfers;

	jdg_connections_remove(t);
	SpinLockAcquire(&slot->mutex);
	limited = slot->task[i].limited;
	places = slot->task[i].places;
	slot->task[i] = slot->task[last];
	slot->ntasks = last;
	slot->tasks_done++;
	/* its place may be another task's */
	slot->wake = true;
	SpinLockRelease(&slot->mutex);
	jdg_transfers[i] = jdg_transfers[last];
	if (limited)
		jdg_slot_give_back(&places, 1);
	jdg_http->forget(&t->http);
	MemoryContextDelete(t->mcxt);
}

/* Has the task of a transfer been asked to stop? */
static JdgSlotTask
slot_task(int i)
{
	JdgSlotTask st;

	SpinLockAcquire(&jdg_http_slot->mutex);
	st = jdg_http_slot->task[i];
	SpinLockRelease(&jdg_http_slot->mutex);
	return st;
}

int
jdg_requests_finish(void)
{
	JdgTask    *tasks = palloc(sizeof(JdgTask) * BATCH);
	JdgOutcome *outcomes = palloc(sizeof(JdgOutcome) * BATCH);
	bool		settled[JDG_GROUP_MAX] = {0};
	int			n = 0;
	int			given = 0;
	int			left = 0;

	jdg_work_begin();
	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];
		JdgSlotTask st;
		Row			row;

		if (!t->ended)
			continue;
		if (n == BATCH || given == BATCH)
		{
			left++;
			continue;
		}
		row = load_row(t, &tasks[n]);
		if (row == ROW_LOCKED)
		{
			left++;
			continue;
		}
		settled[i] = true;
		if (row == ROW_GONE)
			continue;
		st = slot_task(i);
		if (!jdg_transfer_outcome(t, &tasks[n], &st, &outcomes[n]))
		{
			give_back(&tasks[n]);
			given++;
			continue;
		}
		jdg_handler_hooks(tasks[n].command_id, CurrentMemoryContext,
						  &outcomes[n].cleanup, &outcomes[n].on_error);
		n++;
	}
	if (n > 0)
		jdg_settle(tasks, outcomes, n, NULL);
	JDG_FAULT("http-before-settle");
	jdg_work_end();
	JDG_FAULT("http-settled");
	for (int i = jdg_ntransfers - 1; i >= 0; i--)
	{
		if (settled[i])
			drop(i);
	}
	return left;
}
