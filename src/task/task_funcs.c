/*-------------------------------------------------------------------------
 *
 * task_funcs.c
 *	  SQL functions on one task: cancel, pause, resume, retry, update;
 *	  purge.
 *
 * Runs in the caller's backend.  A role acts on its own tasks and on those of
 * roles it is a member of, an operator on all; other tasks do not exist for
 * it.  A running task is reached through its worker's slot, immediately and
 * whether or not this transaction commits.  Any other change is a change of
 * rows in this transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "base/settings.h"
#include "flow/run/prune.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/wakeup.h"
#include "task/depth.h"
#include "task/fallback.h"
#include "task/key.h"
#include "task/locktask.h"
#include "task/prepare.h"
#include "task/resolve.h"
#include "task/retry.h"
#include "task/room.h"
#include "task/settle.h"
#include "task/target.h"
#include "task/tenant_quota.h"
#include "task/wakeup.h"

/* a thousand years, in microseconds */
#define NOTHING_IS_OLDER (INT64CONST(365250) * USECS_PER_DAY)

/* cancel(), pause_task(), resume_task(), retry_task() */
static const JdgArg id_args[] = {
	{"task_id", INT8OID, 0, JDG_NEEDED},
};

static const JdgArg purge_args[] = {
	{"age", INTERVALOID, 0, JDG_NEEDED},
};

typedef struct UpdateArgs
{
	int64		task_id;
	Jsonb	   *payload;
	int32	   *priority;
	TimestampTz *run_at;
	char	   *queue;
	Interval   *timeout;
	Jsonb	   *retry;
	Jsonb	   *metadata;
} UpdateArgs;

#define FIELD(field) offsetof(UpdateArgs, field)

static const JdgArg update_args[] = {
	{"task_id", INT8OID, FIELD(task_id), JDG_NEEDED},
	{"payload", JSONBOID, FIELD(payload)},
	{"priority", INT4OID, FIELD(priority)},
	{"run_at", TIMESTAMPTZOID, FIELD(run_at)},
	{"queue", TEXTOID, FIELD(queue)},
	{"timeout", INTERVALOID, FIELD(timeout)},
	{"retry", JSONBOID, FIELD(retry)},
	{"metadata", JSONBOID, FIELD(metadata)},
};

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
			jdg_task_is_running(task_id);
			break;
		case JDG_HOLD_LOCKED:
			if (jdg_task_is_begun(t))
				jdg_task_is_running(task_id);
			break;
	}
}

/*
 * Cancels a task; false: it has finished, or with missing_ok there is none on
 * which the caller may act.  Sets the owner of a task that is
 * cancelled.  The section is its own, so that it frees what it has read.
 */
static bool
cancel_task(int64 id, bool missing_ok, Oid *owner)
{
	JdgInternal in;
	JdgTask		t;
	JdgTaskLook look;
	bool		cancelled = false;

	jdg_internal_begin(&in);
	look = jdg_task_look(id, in.save_user, &t, CurrentMemoryContext);
	if ((look == JDG_TASK_GONE || look == JDG_TASK_HIDDEN) && !missing_ok)
		jdg_task_refuse(id, in.save_user, &t);
	if (look == JDG_TASK_UNFINISHED)
	{
		switch (jdg_task_stop(id, JDG_CANCEL_TASK, in.save_user, &t, CurrentMemoryContext))
		{
			case JDG_HOLD_GONE:
				break;
			case JDG_HOLD_RUNNING:
				cancelled = true;
				break;
			case JDG_HOLD_LOCKED:
				jdg_settle_cancel(&t, "cancelled", in.save_user);
				cancelled = true;
				break;
		}
	}
	jdg_internal_end(&in);
	if (cancelled)
		*owner = t.owner;
	return cancelled;
}

/* cancel(task_id) */
JDG_FUNCTION(jdg_cancel, JDG_LEVEL_USER)
{
	int64		id;
	Oid			owner;
	bool		cancelled;

	JDG_READ_ARGS("cancel", id_args, &id);
	jdg_require_shmem();
	cancelled = cancel_task(id, false, &owner);
	if (cancelled)
		jdg_audit_work("cancel", "task", id, owner);
	PG_RETURN_BOOL(cancelled);
}

/*
 * _v_cancel_tasks(function, task_ids): cancels tasks, and returns the number
 * of those that had not finished.  A confined caller of cancel_tasks() may see
 * some on which it may not act; these stay.
 */
JDG_FUNCTION(jdg_v_cancel_tasks, JDG_LEVEL_USER)
{
	char	   *function = jdg_arg_text(fcinfo, 0);
	JdgAuditTally *tally = jdg_audit_tally();
	ArrayType  *array;
	Datum	   *ids;
	int			nids;
	int64		n = 0;
	bool		filtered = strcmp(function, "cancel_tasks") == 0;

	jdg_require_shmem();
	if (PG_ARGISNULL(1))
		PG_RETURN_INT64(0);
	array = PG_GETARG_ARRAYTYPE_P(1);
	/* before a worker is asked to stop a task */
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("task_ids must not contain null")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &ids, NULL, &nids);
	for (int i = 0; i < nids; i++)
	{
		Oid			owner;

		CHECK_FOR_INTERRUPTS();
		if (!cancel_task(DatumGetInt64(ids[i]), filtered, &owner))
			continue;
		jdg_audit_count(tally, owner, 1);
		n++;
	}
	jdg_audit_counted(tally, function, "tasks");
	PG_RETURN_INT64(n);
}

JDG_FUNCTION(jdg_pause_task, JDG_LEVEL_USER)
{
	int64		id;
	JdgInternal in;
	JdgTask		t;

	JDG_READ_ARGS("pause_task", id_args, &id);
	jdg_require_shmem();
	jdg_internal_begin(&in);
	if (!jdg_task_find(id, in.save_user, &t, CurrentMemoryContext))
		raise_finished(id);
	switch (jdg_task_stop(id, JDG_CANCEL_PAUSE, in.save_user, &t, CurrentMemoryContext))
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
				jdg_task_is_running(id);
			if (t.state == JDG_STATE_FLOW)
				ereport(ERROR,
						(errcode(JDG_ERRCODE_CONFLICT),
						 errmsg("task %lld waits for the run of a flow",
								(long long) id),
						 errhint("Pause the run with jadugar.pause_flow().")));
			jdg_key_pause(&t, in.save_user);
			break;
	}
	jdg_audit_work("pause_task", "task", id, t.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

JDG_FUNCTION(jdg_resume_task, JDG_LEVEL_USER)
{
	int64		id;
	JdgInternal in;
	JdgTask		t;

	JDG_READ_ARGS("resume_task", id_args, &id);
	jdg_require_shmem();
	jdg_internal_begin(&in);
	hold_idle(id, in.save_user, &t);
	if (t.state != JDG_STATE_PAUSED)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld is not paused", (long long) id)));
	jdg_task_set_state(&t, jdg_has_dependencies(id) ? JDG_STATE_DEPENDENCY :
					   jdg_state_without_dependencies(&t));
	jdg_audit_work("resume_task", "task", id, t.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* The new queue of a task: it must exist, be usable and have room. */
static void
move_to_queue(JdgTask *t, const char *name, Oid role)
{
	JdgQueue	queue;

	jdg_queue_for_role(name, role, &queue);
	if (queue.queue_id == t->queue_id)
		return;
	if (t->unique_key != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot move a task with a unique_key to another queue"),
				 errhint("Cancel it and enqueue it there.")));
	jdg_room_make_for_move(&queue);
	if (t->bounded)
		jdg_depth_freed(t->queue_id, 1);
	t->queue_id = queue.queue_id;
	t->bounded = queue.max_depth > 0;
	if (t->bounded)
		jdg_depth_inserted(t->queue_id, 1);
}

/* Writes the columns that update_task() may change. */
static void
store_update(const JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET payload = $payload, priority = $priority, "
		"run_at = $run_at, queue_id = $queue_id, bounded = $bounded, "
		"timeout = $timeout, retry = $retry, max_attempts = $max_attempts, "
		"metadata = $metadata, state = $state, key_place = $key_place, "
		"lane = $lane, endpoint_id = NULLIF($endpoint_id, 0), host = $host "
		"WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_jsonb(&p, "payload", t->payload);
	jdg_bind_int32(&p, "priority", t->priority);
	jdg_bind_time(&p, "run_at", t->run_at);
	jdg_bind_int32(&p, "queue_id", t->queue_id);
	jdg_bind_bool(&p, "bounded", t->bounded);
	jdg_bind_interval(&p, "timeout", t->timeout);
	jdg_bind_jsonb(&p, "retry", t->retry);
	jdg_bind_int32(&p, "max_attempts", t->max_attempts);
	jdg_bind_jsonb(&p, "metadata", t->metadata);
	jdg_bind_char(&p, "state", t->state);
	jdg_bind_bool(&p, "key_place", t->key_place);
	jdg_bind_int32(&p, "lane", t->lane);
	jdg_bind_int32(&p, "endpoint_id", t->endpoint_id);
	jdg_bind_text(&p, "host", t->host);
	jdg_run_params(&q, &p, 0);
}

/* Checks the arguments that need no row; raises VALIDATION_ERROR. */
static void
check_update(const UpdateArgs *a)
{
	if (a->run_at && TIMESTAMP_NOT_FINITE(*a->run_at))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("run_at must be a finite timestamp")));
	if (a->timeout)
		jdg_check_interval("timeout", a->timeout, false);
	if (a->retry)
		jdg_retry_check(a->retry);
	jdg_check_metadata(a->metadata);
}

/*
 * The kind and the text of the command that the payload of a task is for: its
 * first one.
 */
static JdgCommandKind
first_command(const JdgTask *t, const char **text)
{
	const JdgCommand *c = jdg_command_get(t->command_id);
	JdgFirstCommand first;

	*text = c->text;
	if (t->fallback == NULL)
		return c->kind;
	jdg_fallback_first(t, &first);
	*text = first.text;
	return first.kind[0];
}

/*
 * A new payload and a new fallback, as the caller: the task's handler, or the
 * rules of requests, decide whether the payload is acceptable.  Outside jdg_internal_begin().
 */
static void
check_work(int64 task_id, Jsonb *payload, Jsonb *retry)
{
	JdgHandler *handler = NULL;
	JdgCommandKind kind;
	const char *text;
	JdgTask		t;
	JdgInternal in;

	Assert(!jdg_is_bookkeeping());
	jdg_internal_begin(&in);
	if (!jdg_task_find(task_id, in.save_user, &t, CurrentMemoryContext))
		raise_finished(task_id);
	kind = first_command(&t, &text);
	if (payload != NULL && kind == JDG_COMMAND_HANDLER)
		handler = jdg_handler_get(text, t.owner);
	jdg_internal_end(&in);
	/* only a role that may give work to the owner may change that work */
	if (t.owner != GetUserId())
		jdg_resolve_owner(GetUserNameFromId(t.owner, false));
	jdg_check_fallback(retry, t.owner);
	if (payload != NULL)
		jdg_target_check(jdg_sends_request(kind, handler), handler, t.owner,
						 payload);
}

/* update_task(task_id, ...): arguments that are null change nothing */
JDG_FUNCTION(jdg_update_task, JDG_LEVEL_USER)
{
	UpdateArgs	a;
	JdgInternal in;
	JdgTask		t;
	bool		given_up = false;

	JDG_READ_ARGS("update_task", update_args, &a);
	jdg_require_shmem();
	check_update(&a);
	if (a.payload || jdg_retry_fallback(a.retry) != NULL)
		check_work(a.task_id, a.payload, a.retry);

	jdg_internal_begin(&in);
	hold_idle(a.task_id, in.save_user, &t);
	if (a.payload)
	{
		t.payload = a.payload;
		jdg_target_find(&t);
		t.lane = jdg_task_lane(&t);
	}
	if (a.priority)
		t.priority = jdg_tenant_priority(t.tenant, *a.priority);
	if (a.run_at)
		t.run_at = *a.run_at;
	if (a.queue)
		move_to_queue(&t, a.queue, in.save_user);
	if (a.timeout)
		t.timeout = a.timeout;
	if (a.retry)
	{
		t.retry = a.retry;
		t.max_attempts = jdg_retry_max_attempts(t.retry, t.max_attempts);
	}
	if (a.metadata)
		t.metadata = a.metadata;
	if (a.run_at && (t.state == JDG_STATE_READY ||
					 t.state == JDG_STATE_SCHEDULED ||
					 t.state == JDG_STATE_KEY))
		given_up = jdg_key_task_moved(&t);
	store_update(&t);
	if (given_up)
		jdg_key_place_given_up(&t);
	jdg_wake_at_commit(t.owner, &t);
	jdg_audit_work("update_task", "task", a.task_id, t.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* Counts an attempt that has been deleted, by its owner. */
static void
count_purged(TupleTableSlot *row, void *tally)
{
	bool		isnull;

	jdg_audit_count(tally, DatumGetObjectId(slot_getattr(row, 1, &isnull)), 1);
}

/* purge_completed(age) returns the number */
JDG_FUNCTION(jdg_purge_completed, JDG_LEVEL_USER)
{
	static JdgQuery owners = {"SELECT role FROM jadugar_internal.owner", 0};
	static JdgQuery purge = {
		"DELETE FROM jadugar_internal.attempt WHERE status = "
		JDG_SQL_COMPLETED " "
		"AND finished_at < $1 AND owner = ANY ($2) "
		"AND ($3 IS NULL OR tenant = ANY ($3)) RETURNING owner", 3,
		{TIMESTAMPTZOID, OIDARRAYOID, TEXTARRAYOID}
	};
	JdgAuditTally *tally = jdg_audit_tally();
	JdgInternal in;
	Datum	   *mine;
	int64		n;
	int			k = 0;
	Interval   *age;
	Datum		v[3];
	char		nulls[3] = {' ', ' ', ' '};

	JDG_READ_ARGS("purge_completed", purge_args, &age);
	jdg_check_interval("age", age, true);
	if (jdg_interval_us(age) > NOTHING_IS_OLDER)
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
							   IntervalPGetDatum(age));
	v[1] = jdg_array(OIDOID, mine, NULL, k);
	jdg_put_tenants(&v[2], &nulls[2], in.save_user);
	n = jdg_run_each(&purge, v, nulls, count_purged, tally);
	n += jdg_flow_purge_completed(v, nulls, tally);
	jdg_audit_counted(tally, "purge_completed", "history");
	jdg_internal_end(&in);
	PG_RETURN_INT64(n);
}
