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
 * If a transaction fails, the ends stay in memory and are settled again, one in
 * a transaction.  So an end that cannot be settled does not hold up others.  If
 * that is not the server's state, it becomes a failure with that error at last.
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
#include "base/sleep.h"
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

/* a row that was locked is tried again after, in ms */
#define LOCKED_MS 10
/* and an end that could not be settled alone */
#define FAILED_MS 100
#define FAILED_MS_MAX 5000
/* so many of these in a row have a reason that all ends have */
#define FAILED_ALL 3

/* the ends of the present call */
static JdgTransfer *settling[BATCH];
static int	nsettling = 0;

static int	alone = 0;			/* ends that are settled one by one */
static int	failed_alone = 0;	/* of these, without success in between */

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
	slot->idle_since = t->ended_at;
	/* its place may be another task's */
	slot->wake = true;
	SpinLockRelease(&slot->mutex);
	jdg_transfers[i] = jdg_transfers[last];
	if (limited)
		jdg_slot_give_back(&places, 1);
	jdg_http->forget(&t->http);
	MemoryContextDelete(t->mcxt);
}

/*
 * Has the task of a transfer been asked to stop?  Whoever asks from here on
 * waits for the commit.
 */
static JdgSlotTask
end_in_slot(int i)
{
	JdgSlotTask st;

	SpinLockAcquire(&jdg_http_slot->mutex);
	jdg_http_slot->task[i].phase = JDG_TASK_DONE;
	st = jdg_http_slot->task[i];
	SpinLockRelease(&jdg_http_slot->mutex);
	return st;
}

int64
jdg_requests_finish_at(void)
{
	int64		at = -1;

	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];

		if (t->ended && (at < 0 || t->settle_at < at))
			at = t->settle_at;
	}
	return at;
}

/* Those who ask to stop a task need not wait for its end to be settled. */
static void
ask_again(void)
{
	SpinLockAcquire(&jdg_http_slot->mutex);
	for (int i = 0; i < jdg_ntransfers; i++)
		jdg_http_slot->task[i].phase = JDG_TASK_RUNNING;
	SpinLockRelease(&jdg_http_slot->mutex);
}

/*
 * Does an error come from the state of the server, and not from what is to be
 * written?
 */
static bool
may_pass(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
	}
	return false;
}

/* An end could not be settled alone because of this error. */
static void
set_refused(JdgTransfer *t, const ErrorData *error)
{
	if (may_pass(error->sqlerrcode))
		return;
	if (t->refusal != NULL)
		pfree(t->refusal);
	t->refusal = MemoryContextStrdup(t->mcxt, jdg_excerpt(error->message));
	t->refusal_code = error->sqlerrcode;
	t->refusals++;
}

bool
jdg_requests_finish_failed(const ErrorData *error)
{
	JdgTransfer *t = nsettling == 1 ? settling[0] : NULL;

	if (nsettling == 0)
		return false;
	ask_again();
	if (t == NULL)
		alone = nsettling;
	else
	{
		t->settle_at = jdg_steady_ms() +
			Min(FAILED_MS << Min(t->failures, 6), FAILED_MS_MAX);
		t->failures++;
		/* one that even its error cannot be settled of holds up no other */
		if (t->refusals < JDG_REFUSALS_MAX)
			failed_alone++;
		set_refused(t, error);
	}
	nsettling = 0;
	return failed_alone < FAILED_ALL;
}

void
jdg_requests_finish(void)
{
	JdgTask    *tasks = palloc(sizeof(JdgTask) * BATCH);
	JdgOutcome *outcomes = palloc(sizeof(JdgOutcome) * BATCH);
	bool	   *settled = palloc0(sizeof(bool) * Max(jdg_ntransfers, 1));
	int			max = alone > 0 ? 1 : BATCH;
	int64		now = jdg_steady_ms();
	int			n = 0;
	int			given = 0;

	nsettling = 0;
	jdg_work_begin();
	for (int i = 0; i < jdg_ntransfers && n + given < max; i++)
	{
		JdgTransfer *t = jdg_transfers[i];
		JdgSlotTask st;
		Row			row;

		if (!t->ended || t->settle_at > now)
			continue;
		row = load_row(t, &tasks[n]);
		if (row == ROW_LOCKED)
		{
			t->settle_at = now + LOCKED_MS;
			continue;
		}
		settled[i] = true;
		if (row == ROW_GONE)
			continue;
		settling[nsettling++] = t;
		st = end_in_slot(i);
		if (!jdg_transfer_outcome(t, &tasks[n], &st, &outcomes[n]))
		{
			give_back(&tasks[n]);
			given++;
			continue;
		}
		jdg_endpoint_remember(t, &outcomes[n]);
		jdg_handler_hooks(tasks[n].command_id, CurrentMemoryContext,
						  &outcomes[n].cleanup, &outcomes[n].on_error);
		n++;
	}
	if (n > 0)
		jdg_settle(tasks, outcomes, n, NULL);
	jdg_endpoint_publish_changes();
	JDG_FAULT("http-before-settle");
	jdg_work_end();
	JDG_FAULT("http-settled");
	jdg_endpoint_changes_published();
	nsettling = 0;
	failed_alone = 0;
	alone = Max(alone - 1, 0);
	for (int i = jdg_ntransfers - 1; i >= 0; i--)
	{
		if (settled[i])
			drop(i);
	}
}
