/*-------------------------------------------------------------------------
 *
 * locktask.c
 *	  Locks the row of a task for a session, without waiting for a worker.
 *
 * A worker publishes a task in its slot before it locks the row.  So a locked
 * row is either in a slot, and then the slot is the way to reach it, or held
 * by another session for the rest of that session's transaction.  Only the
 * latter is waited for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"

#include "access/owner.h"
#include "access/row_access.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "task/locktask.h"
#include "task/wakeup.h"

/* between two attempts at a row whose holder is changing, in ms */
#define RETRY_DELAY 1L

/* attempts at a task that is being committed, one each ms */
#define COMMIT_TRIES 500
/* and at a request that is being claimed, whose process waits for no lock */
#define CLAIM_TRIES 10000

/*
 * Another transaction has locked a task's row.  Waiting on the row itself
 * could mean waiting for a worker that takes it in between, for as long as
 * its task runs.  So this function waits for the transaction that holds it
 * now, unless that is a worker's.  The lock manager then sees a deadlock, and
 * lock_timeout applies.
 */
static void
wait_for_holder(int64 task_id)
{
	static JdgQuery q = {
		"SELECT xmax FROM jadugar_internal.task "
		"WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};
	TransactionId holder = InvalidTransactionId;
	bool		isnull;

	if (jdg_run(&q, v, NULL, 0) > 0)
		holder = DatumGetTransactionId(jdg_col(0, 1, &isnull));
	if (JdgSharedLock && jdg_slot_find_task(MyDatabaseId, task_id, NULL))
		return;
	if (TransactionIdIsNormal(holder) && TransactionIdIsInProgress(holder) &&
		!TransactionIdIsCurrentTransactionId(holder))
	{
		XactLockTableWait(holder, NULL, NULL, XLTW_None);
		return;
	}
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 RETRY_DELAY, jdg_wait_task());
	ResetLatch(MyLatch);
}

JdgHold
jdg_task_hold(int64 task_id, JdgTask *task, MemoryContext mcxt)
{
	Assert(jdg_is_bookkeeping());
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (JdgSharedLock && jdg_slot_find_task(MyDatabaseId, task_id, NULL))
			return JDG_HOLD_RUNNING;
		if (jdg_task_load(task_id, true, task, mcxt))
		{
			jdg_row_held();
			return JDG_HOLD_LOCKED;
		}
		if (!jdg_task_load(task_id, false, task, mcxt))
			return JDG_HOLD_GONE;

		wait_for_holder(task_id);
	}
}

/*
 * Stops a running task or locks its row.  JDG_HOLD_RUNNING: its worker has
 * been asked to stop it.  A task whose commit is under way is waited for,
 * since its end is unknown until then.  The wait is limited, because that
 * commit may be waiting for a row of this transaction: the task then counts
 * as finished.
 */
JdgHold
jdg_task_stop(int64 task_id, JdgCancelKind kind, Oid by, JdgTask *task,
			  MemoryContext mcxt)
{
	JdgTaskPhase phase;

	Assert(jdg_is_bookkeeping());
	for (int tries = 0;; tries++)
	{
		JdgHold		hold = jdg_task_hold(task_id, task, mcxt);

		if (hold != JDG_HOLD_RUNNING ||
			jdg_slot_cancel_task(MyDatabaseId, task_id, kind, by))
			return hold;
		if (tries >= (jdg_slot_find_task(MyDatabaseId, task_id, &phase) &&
					  phase == JDG_TASK_CLAIMED ? CLAIM_TRIES : COMMIT_TRIES))
			return JDG_HOLD_GONE;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 1L, jdg_wait_task());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
jdg_task_wait_for_row(int64 task_id)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.task WHERE task_id = $1 FOR UPDATE", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 0);
}

void
jdg_task_missing(int64 task_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_TASK_NOT_FOUND),
			 errmsg("task %lld does not exist", (long long) task_id),
			 errdetail("No task with this ID that you may see is unfinished or kept in the history."),
			 errhint("Check the ID. jadugar.history_retention limits how long finished tasks are kept.")));
	pg_unreachable();
}

void
jdg_task_is_running(int64 task_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("task %lld is running", (long long) task_id),
			 errhint("Wait for it with jadugar.wait(), or cancel it.")));
	pg_unreachable();
}

JdgTaskLook
jdg_task_look(int64 task_id, Oid role, JdgTask *task, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT owner, tenant FROM jadugar_internal.attempt "
		"WHERE task_id = $1 LIMIT 1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	Assert(jdg_is_bookkeeping());
	task->task_id = 0;
	if (jdg_task_load(task_id, false, task, mcxt))
		return jdg_may_manage_row(role, task->owner, task->tenant) ?
			JDG_TASK_UNFINISHED : JDG_TASK_HIDDEN;
	if (jdg_run(&q, v, NULL, 1) == 0)
		return JDG_TASK_GONE;
	return jdg_may_manage_row(role, jdg_col_oid(0, 1),
							  jdg_col_text(0, 2, CurrentMemoryContext)) ?
		JDG_TASK_FINISHED : JDG_TASK_HIDDEN;
}

/* A confined role may see tasks of other roles, and sees so here. */
void
jdg_task_refuse(int64 task_id, Oid role, const JdgTask *task)
{
	if (jdg_confined(role) != NULL && task->task_id == task_id &&
		jdg_row_access(role, task->owner, task->tenant) != JDG_ROW_HIDDEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for task %lld", (long long) task_id),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(task->owner)),
				 errhint("Roles act on their own tasks in the tenants that they have at level \"user\".")));
	jdg_task_missing(task_id);
}

bool
jdg_task_find(int64 task_id, Oid role, JdgTask *task, MemoryContext mcxt)
{
	switch (jdg_task_look(task_id, role, task, mcxt))
	{
		case JDG_TASK_GONE:
		case JDG_TASK_HIDDEN:
			jdg_task_refuse(task_id, role, task);
			break;
		case JDG_TASK_UNFINISHED:
			return true;
		case JDG_TASK_FINISHED:
			break;
	}
	return false;
}
