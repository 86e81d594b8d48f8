/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  Requests to stop tasks of a group that was rolled back.
 *
 * cancel() and pause_task() leave their request in the slot of the worker that
 * holds the task, and answer that it will be stopped.  If the worker's
 * transaction is then aborted, the task is ready again and the slot empty.  So
 * the worker keeps the requests, and serves each in a transaction of its own
 * before it claims again, as the session would have done.  Another worker may
 * have the task by then; it gets the request.
 *
 * A crash of this process in between loses the request, and the task runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "base/spi.h"
#include "task/key.h"
#include "task/locktask.h"
#include "task/resolve.h"
#include "worker/worker.h"

/* a request that raises an error is tried again so many times */
#define MAX_TRIES 5

typedef struct Request
{
	int64		task_id;
	JdgCancelKind kind;
	Oid			by;
} Request;

static Request requests[JDG_GROUP_MAX];
static int	nrequests = 0;
static int	tries = 0;			/* of the last one */

void
jdg_requests_add(int64 task_id, JdgCancelKind kind, Oid by)
{
	for (int i = 0; i < nrequests; i++)
	{
		if (requests[i].task_id == task_id)
			return;
	}
	if (nrequests == JDG_GROUP_MAX)
		return;
	requests[nrequests].task_id = task_id;
	requests[nrequests].kind = kind;
	requests[nrequests].by = by;
	nrequests++;
	tries = 0;
}

/*
 * "locked" is taken from all tasks under the same lock, so that a session
 * which comes now finds no worker and locks the row.
 */
void
jdg_requests_keep(int64 except)
{
	Request		found[JDG_GROUP_MAX];
	int			n = 0;

	SpinLockAcquire(&jdg_my_slot->mutex);
	for (int i = 0; i < jdg_my_slot->ntasks; i++)
	{
		JdgSlotTask *t = &jdg_my_slot->task[i];

		t->locked = false;
		if (t->cancel == JDG_CANCEL_NONE || t->task_id == except)
			continue;
		found[n].task_id = t->task_id;
		found[n].by = t->cancelled_by;
		found[n++].kind = t->cancel;
	}
	SpinLockRelease(&jdg_my_slot->mutex);
	for (int i = 0; i < n; i++)
		jdg_requests_add(found[i].task_id, found[i].kind, found[i].by);
}

bool
jdg_requests_pending(void)
{
	return nrequests > 0;
}

/*
 * Stops a task that no worker has, as cancel() and pause_task() do.  A task
 * that has started a run since then is not paused.
 */
static void
stop_locked(JdgTask *t, JdgCancelKind kind, Oid by)
{
	if (kind != JDG_CANCEL_PAUSE)
		jdg_settle_cancel(t, kind == JDG_CANCEL_REPLACED ? "replaced" :
						  "cancelled", by);
	else if (t->state != JDG_STATE_PAUSED && t->state != JDG_STATE_FLOW &&
			 t->state != JDG_STATE_STANDALONE)
		jdg_key_pause(t, by);
}

void
jdg_requests_serve(void)
{
	Request    *r = &requests[nrequests - 1];
	JdgInternal in;
	JdgTask		t;

	if (++tries > MAX_TRIES)
	{
		ereport(WARNING,
				(errmsg("could not stop task %lld", (long long) r->task_id)));
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	if (jdg_task_stop(r->task_id, r->kind, r->by, &t, jdg_group_context) ==
		JDG_HOLD_LOCKED)
		stop_locked(&t, r->kind, r->by);
	jdg_internal_end(&in);
	PopActiveSnapshot();
}

void
jdg_requests_served(void)
{
	nrequests--;
	tries = 0;
}
