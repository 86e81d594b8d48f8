/*-------------------------------------------------------------------------
 *
 * task_funcs.c
 *	  Acting on one task: cancel, pause, resume, retry, update; purge.
 *
 * Runs in the caller's backend.  A role acts on tasks of its own and of
 * roles it is a member of, an operator on all; others' tasks do not exist for
 * it.  A running task is reached through its worker's slot, at once and
 * whether or not this transaction commits; anything else is a change of rows
 * in this transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "flow/run/prune.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/wakeup.h"
#include "task/enqueue.h"
#include "task/locktask.h"
#include "task/resolve.h"
#include "task/retry.h"
#include "task/settle.h"
#include "task/wakeup.h"

/* a thousand years, in microseconds */
#define NOTHING_IS_OLDER (INT64CONST(365250) * USECS_PER_DAY)

static int64
need_id(FunctionCallInfo fcinfo, const char *function)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						"task_id", function)));
	return PG_GETARG_INT64(0);
}

static void
raise_running(int64 task_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("task %lld is running", (long long) task_id),
			 errhint("Wait for it with jadugar.wait(), or cancel it.")));
}

static void
raise_finished(int64 task_id)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("task %lld has finished", (long long) task_id)));
}

/*
 * Lock an unfinished task that is not running, of this role; errors
 * otherwise.
 */
static void
hold_idle(int64 task_id, Oid role, JdgTask *t)
{
	if (!jdg_task_find(task_id, role, t, CurrentMemoryContext))
		raise_finished(task_id);
	switch (jdg_task_hold(task_id, t, CurrentMemoryContext))
	{
		case JDG_HOLD_GONE:
			raise_finished(task_id);
			break;
		case JDG_HOLD_RUNNING:
			raise_running(task_id);
			break;
		case JDG_HOLD_LOCKED:
			if (t->state == JDG_STATE_STANDALONE)
				raise_running(task_id);
			break;
	}
}

PG_FUNCTION_INFO_V1(jdg_cancel);

Datum
jdg_cancel(PG_FUNCTION_ARGS)
{
	int64		id = need_id(fcinfo, "cancel");
	JdgInternal in;
	JdgTask		t;
	bool		cancelled = false;

	jdg_require_shmem();
	jdg_internal_begin(&in);
	if (jdg_task_find(id, in.save_user, &t, CurrentMemoryContext))
	{
		switch (jdg_task_stop(id, JDG_CANCEL_TASK, &t, CurrentMemoryContext))
		{
			case JDG_HOLD_GONE:
				break;
			case JDG_HOLD_RUNNING:
				cancelled = true;
				break;
			case JDG_HOLD_LOCKED:
				jdg_settle_cancel(&t, "cancelled");
				cancelled = true;
				break;
		}
	}
	jdg_internal_end(&in);
	PG_RETURN_BOOL(cancelled);
}

PG_FUNCTION_INFO_V1(jdg_pause_task);

Datum
jdg_pause_task(PG_FUNCTION_ARGS)
{
	int64		id = need_id(fcinfo, "pause_task");
	JdgInternal in;
	JdgTask		t;

	jdg_require_shmem();
	jdg_internal_begin(&in);
	if (!jdg_task_find(id, in.save_user, &t, CurrentMemoryContext))
		raise_finished(id);
	switch (jdg_task_stop(id, JDG_CANCEL_PAUSE, &t, CurrentMemoryContext))
	{
		case JDG_HOLD_GONE:
			raise_finished(id);
			break;
		case JDG_HOLD_RUNNING:
			break;
		case JDG_HOLD_LOCKED:
			if (t.state == JDG_STATE_PAUSED)
				break;
			if (t.state == JDG_STATE_STANDALONE)
				raise_running(id);
			jdg_task_set_state(&t, JDG_STATE_PAUSED);
			jdg_key_place_given_up(&t);
			break;
	}
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_resume_task);

Datum
jdg_resume_task(PG_FUNCTION_ARGS)
{
	int64		id = need_id(fcinfo, "resume_task");
	JdgInternal in;
	JdgTask		t;

	jdg_require_shmem();
	jdg_internal_begin(&in);
	hold_idle(id, in.save_user, &t);
	if (t.state != JDG_STATE_PAUSED)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld is not paused", (long long) id)));
	jdg_task_set_state(&t, jdg_has_dependencies(id) ? JDG_STATE_DEPENDENCY :
					   jdg_state_without_dependencies(&t));
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* An unfinished task that waits for its next attempt runs now. */
static void
retry_waiting(JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET run_at = $2 WHERE task_id = $1", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[2];

	if (t->state != JDG_STATE_SCHEDULED)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld has not failed", (long long) t->task_id),
				 errhint("Only failed, cancelled and scheduled tasks can be retried.")));
	t->run_at = jdg_now();
	v[0] = Int64GetDatum(t->task_id);
	v[1] = TimestampTzGetDatum(t->run_at);
	jdg_run(&q, v, NULL, 0);
	/* a retry has kept the place of its key */
	jdg_task_set_state(t, t->attempt > 0 ? JDG_STATE_READY :
					   jdg_state_without_dependencies(t));
}

/*
 * A finished task comes back under its id, from its last history row; into
 * the default queue if its own has been dropped.
 */
static void
retry_finished(int64 id)
{
	static JdgQuery load = {
		"SELECT h.task_id, h.owner, coalesce(q.queue_id, 1), h.priority, "
		"'r'::\"char\", "
		"coalesce(h.options->>'transaction', 'c')::\"char\", "
		"coalesce((h.options->>'isolate')::boolean, false), "
		"q.max_depth IS NOT NULL, 0, "
		"coalesce((h.options->>'max_attempts')::integer, 1), 0, "
		"h.command_id, $2, coalesce(h.enqueued_at, $2), "
		"coalesce(h.payload, '{}'), h.schedule_id, h.scheduled_for, "
		"NULL::timestamptz, (h.options->>'timeout')::interval, "
		"h.options->'retry', h.options->'settings', h.metadata, "
		"h.options->>'unique_key', h.options->>'concurrency_key', h.tenant, "
		"h.trace, NULL::\"char\", h.flow_run, NULL::bigint, NULL::text, "
		"NULL::\"char\", h.status "
		"FROM jadugar_internal.run h LEFT JOIN jadugar_internal.queue q "
		"USING (queue_id) "
		"WHERE h.task_id = $1 AND h.final ORDER BY h.run_id DESC LIMIT 1", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	static JdgQuery not_final = {
		"UPDATE jadugar_internal.run SET final = false "
		"WHERE task_id = $1 AND final", 1, {INT8OID}
	};
	Datum		v[2];
	JdgTask		t;

	v[0] = Int64GetDatum(id);
	v[1] = TimestampTzGetDatum(jdg_now());
	if (jdg_run(&load, v, NULL, 0) == 0)
		jdg_task_missing(id);
	jdg_task_from_row(0, &t, CurrentMemoryContext);
	if (t.flow_run != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld was a step of flow run %lld",
						(long long) id, (long long) t.flow_run),
				 errhint("Retry it there: jadugar.retry_step().")));
	if (jdg_col_char(0, 32) == JDG_STATUS_COMPLETED)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld has completed", (long long) id),
				 errhint("Enqueue it again to run it once more.")));
	if (t.unique_key != NULL)
	{
		int64		holder = jdg_unique_key_take(&t, DT_NOBEGIN);

		if (holder != 0 && holder != id)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("unique_key \"%s\" of task %lld is taken",
							t.unique_key, (long long) id),
					 errdetail("Task %lld has it.", (long long) holder)));
	}
	if (jdg_run(&not_final, v, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld has been retried by somebody else",
						(long long) id)));
	t.state = jdg_state_without_dependencies(&t);
	jdg_task_insert(&t);
	jdg_wake_at_commit(t.owner, &t);
	/* its schedule has an unfinished task again: see occurrence.c */
	if (t.schedule_id != 0)
		jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
}

PG_FUNCTION_INFO_V1(jdg_retry_task);

Datum
jdg_retry_task(PG_FUNCTION_ARGS)
{
	int64		id = need_id(fcinfo, "retry_task");
	JdgInternal in;
	JdgTask		t;
	bool		unfinished;

	jdg_require_shmem();
	jdg_internal_begin(&in);
	unfinished = jdg_task_find(id, in.save_user, &t, CurrentMemoryContext);
	if (unfinished)
	{
		switch (jdg_task_hold(id, &t, CurrentMemoryContext))
		{
			case JDG_HOLD_RUNNING:
				raise_running(id);
				break;
			case JDG_HOLD_LOCKED:
				retry_waiting(&t);
				break;
			case JDG_HOLD_GONE:
				unfinished = false;
				break;
		}
	}
	if (!unfinished)
		retry_finished(id);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* The new queue of a task: it must exist, be usable and have room. */
static void
move_to_queue(JdgTask *t, const char *name, Oid role)
{
	JdgQueue	queue;

	if (!jdg_queue_use_by_name(name, &queue))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("queue \"%s\" does not exist", name)));
	if (!jdg_queue_usable(&queue, role))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for queue \"%s\"", name)));
	if (queue.queue_id == t->queue_id)
		return;
	if (t->unique_key != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("a task with a unique_key can not move to another queue"),
				 errhint("Cancel it and enqueue it there.")));
	jdg_queue_make_room(&queue, 1);
	t->queue_id = queue.queue_id;
	t->bounded = queue.max_depth > 0;
}

static void
store_update(const JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task "
		"SET payload = $2, priority = $3, run_at = $4, "
		"queue_id = $5, bounded = $6, timeout = $7, retry = $8, "
		"max_attempts = $9, metadata = $10, state = $11 WHERE task_id = $1",
		11, {INT8OID, JSONBOID, INT4OID, TIMESTAMPTZOID, INT4OID, BOOLOID,
		INTERVALOID, JSONBOID, INT4OID, JSONBOID, CHAROID}
	};
	Datum		v[11];
	char		n[12] = "           ";

	v[0] = Int64GetDatum(t->task_id);
	v[1] = PointerGetDatum(t->payload);
	v[2] = Int32GetDatum(t->priority);
	v[3] = TimestampTzGetDatum(t->run_at);
	v[4] = Int32GetDatum(t->queue_id);
	v[5] = BoolGetDatum(t->bounded);
	jdg_put_pointer(&v[6], &n[6], t->timeout);
	jdg_put_pointer(&v[7], &n[7], t->retry);
	v[8] = Int32GetDatum(t->max_attempts);
	jdg_put_pointer(&v[9], &n[9], t->metadata);
	v[10] = CharGetDatum(t->state);
	jdg_run(&q, v, n, 0);
}

/* Only a ready or scheduled task changes its state with its run_at. */
static char
state_after_move(const JdgTask *t)
{
	if (t->state != JDG_STATE_READY && t->state != JDG_STATE_SCHEDULED &&
		t->state != JDG_STATE_KEY)
		return t->state;
	if (t->attempt > 0 && t->run_at <= jdg_now())
		return JDG_STATE_READY; /* a retry has kept the place of its key */
	return jdg_state_without_dependencies(t);
}

PG_FUNCTION_INFO_V1(jdg_update_task);

/* (task_id, payload, priority, run_at, queue, timeout, retry, metadata) */
Datum
jdg_update_task(PG_FUNCTION_ARGS)
{
	int64		id = need_id(fcinfo, "update_task");
	JdgInternal in;
	JdgTask		t;
	JdgHandler *handler = NULL;
	Jsonb	   *payload = jdg_arg_jsonb(fcinfo, 1);
	char		old_state;
	MemoryContext mcxt = CurrentMemoryContext;

	jdg_require_shmem();
	if (!PG_ARGISNULL(3) && TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(3)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("run_at must be a finite instant")));
	if (!PG_ARGISNULL(5))
		jdg_check_interval("timeout", PG_GETARG_INTERVAL_P(5), false);
	if (!PG_ARGISNULL(6))
		jdg_retry_check(PG_GETARG_JSONB_P(6));
	if (!PG_ARGISNULL(7) && !JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(7)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("metadata must be a JSON object")));
	if (payload != NULL)
	{
		const JdgCommand *c;

		jdg_internal_begin(&in);
		if (!jdg_task_find(id, in.save_user, &t, mcxt))
			raise_finished(id);
		c = jdg_command_get(t.command_id);
		if (c != NULL && c->kind == JDG_COMMAND_HANDLER)
			handler = jdg_handler_get(c->text, t.owner);
		jdg_internal_end(&in);
		/* what runs as somebody is for those who may give work to him */
		if (t.owner != GetUserId())
			jdg_resolve_owner(GetUserNameFromId(t.owner, false));
		if (handler != NULL)
			jdg_handler_check_payload(handler, payload);
	}

	jdg_internal_begin(&in);
	hold_idle(id, in.save_user, &t);
	old_state = t.state;
	if (payload)
		t.payload = payload;
	if (!PG_ARGISNULL(2))
		t.priority = PG_GETARG_INT32(2);
	if (!PG_ARGISNULL(3))
		t.run_at = PG_GETARG_TIMESTAMPTZ(3);
	if (!PG_ARGISNULL(4))
		move_to_queue(&t, jdg_arg_text(fcinfo, 4), in.save_user);
	if (!PG_ARGISNULL(5))
		t.timeout = PG_GETARG_INTERVAL_P(5);
	if (!PG_ARGISNULL(6))
	{
		t.retry = PG_GETARG_JSONB_P(6);
		t.max_attempts = jdg_retry_max_attempts(t.retry, t.max_attempts);
	}
	if (!PG_ARGISNULL(7))
		t.metadata = PG_GETARG_JSONB_P(7);
	if (!PG_ARGISNULL(3))
		t.state = state_after_move(&t);
	store_update(&t);
	if (t.state != old_state)
		jdg_key_place_given_up(&t);
	jdg_wake_at_commit(t.owner, &t);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_purge_completed);

Datum
jdg_purge_completed(PG_FUNCTION_ARGS)
{
	static JdgQuery owners = {"SELECT role FROM jadugar_internal.owner", 0};
	static JdgQuery purge = {
		"DELETE FROM jadugar_internal.run WHERE status = 'c' "
		"AND finished_at < $1 AND owner = ANY ($2)", 2,
		{TIMESTAMPTZOID, OIDARRAYOID}
	};
	JdgInternal in;
	Datum	   *mine;
	int64		n;
	int			k = 0;
	Datum		v[2];

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						"age", "purge_completed")));
	jdg_check_interval("age", PG_GETARG_INTERVAL_P(0), true);
	if (jdg_interval_us(PG_GETARG_INTERVAL_P(0)) > NOTHING_IS_OLDER)
		PG_RETURN_INT64(0);
	jdg_internal_begin(&in);
	n = jdg_run(&owners, NULL, NULL, 0);
	mine = palloc(sizeof(Datum) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		SPITupleTable *table = SPI_tuptable;
		Oid			role = jdg_col_oid(i, 1);

		if (jdg_may_manage(in.save_user, role))
			mine[k++] = ObjectIdGetDatum(role);
		SPI_tuptable = table;
	}
	v[0] = DirectFunctionCall2(timestamptz_mi_interval,
							   TimestampTzGetDatum(jdg_now()),
							   PG_GETARG_DATUM(0));
	v[1] = PointerGetDatum(construct_array(mine, k, OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
	n = jdg_run(&purge, v, NULL, 0);
	n += jdg_flow_purge_completed(DatumGetTimestampTz(v[0]), v[1]);
	jdg_internal_end(&in);
	PG_RETURN_INT64(n);
}
