/*-------------------------------------------------------------------------
 *
 * failed.c
 *	  A lone task whose commit failed, to be charged in a new transaction.
 *
 * The note outlives the transaction, so its outcome has a memory context of
 * its own.  It names the attempt: if another worker has run the task
 * meanwhile, nothing is charged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "worker/worker.h"

/* maximum number of reruns of a lone task for a conflict that may be ours */
#define MAX_CONFLICTS 10

static JdgFailed failed;
static MemoryContext failed_context = NULL;

/*
 * A serialization failure or a deadlock outside the task's own code may
 * concern our rows: it is not charged until it has happened MAX_CONFLICTS
 * times in a row for the same task.
 */
static bool
may_be_our_conflict(int64 task_id, int sqlerrcode)
{
	static int64 last = 0;
	static int	times = 0;

	if (ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK)
		return false;
	times = task_id == last ? times + 1 : 1;
	last = task_id;
	return times <= MAX_CONFLICTS;
}

/* The outcome of the failed commit, in the current memory context. */
static void
set_outcome(JdgOutcome *o, const JdgOutcome *before, ErrorData *edata)
{
	memset(o, 0, sizeof(*o));
	o->end = JDG_END_FAILED;
	if (before->end == JDG_END_CANCELLED || before->end == JDG_END_PAUSED)
		o->end = before->end;
	if (before->end == JDG_END_CANCELLED)
		o->reason = "cancelled";
	o->by = before->by;
	o->started_at = before->started_at;
	o->finished_at = jdg_now();
	o->worker_pid = MyProcPid;
	o->row_count = -1;
	o->sqlerrcode = edata->sqlerrcode;
	o->error = jdg_error_to_jsonb(edata, NULL);
	if (before->cleanup)
		o->cleanup = pstrdup(before->cleanup);
	if (before->on_error)
		o->on_error = pstrdup(before->on_error);
}

bool
jdg_failed_note(const JdgTask *task, const JdgOutcome *outcome,
				ErrorData *edata)
{
	MemoryContext mcxt;
	MemoryContext old;

	if (failed.task_id != 0 ||
		may_be_our_conflict(task->task_id, edata->sqlerrcode))
		return false;
	mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar failed commit",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	set_outcome(&failed.outcome, outcome, edata);
	/* if the charge has failed, "outcome" is in the old one */
	if (failed_context != NULL)
		MemoryContextDelete(failed_context);
	failed_context = mcxt;
	failed.task_id = task->task_id;
	failed.attempt = task->attempt;
	MemoryContextSwitchTo(old);
	jdg_turn_failed(task);
	return true;
}

int64
jdg_failed_pending(void)
{
	return failed.task_id;
}

void
jdg_failed_take(JdgFailed *f)
{
	*f = failed;
	failed.task_id = 0;
}
