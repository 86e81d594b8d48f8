/*-------------------------------------------------------------------------
 *
 * enqueue_funcs.c
 *	  enqueue() and enqueue_batch().
 *
 * Runs in the caller's backend, as the caller.  What is given is checked as
 * the caller (prepare.c), then rows are written as bookkeeping; one
 * transaction, the caller's: rolled back, nothing happened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "shared/shmem.h"
#include "task/enqueue.h"
#include "task/locktask.h"
#include "task/prepare.h"
#include "task/resolve.h"
#include "task/wakeup.h"

#define MAX_DEPENDENCIES 10000

/* argument numbers, the same in both functions; see sql/30_tasks.sql */
enum
{
	A_COMMAND, A_PAYLOAD, A_QUEUE, A_PRIORITY, A_RUN_AT, A_DELAY, A_TIMEOUT,
	A_RETRY, A_TRANSACTION, A_ISOLATE, A_SETTINGS, A_CONCURRENCY_KEY,
	A_DEPENDS_ON, A_ON_DEPENDENCY_FAILURE, A_TRACE, A_METADATA, A_TENANT,
	A_OWNER,
	/* enqueue() only */
	A_UNIQUE_KEY, A_UNIQUE_FOR, A_ON_CONFLICT
};

typedef enum OnConflict
{
	CONFLICT_RETURN,
	CONFLICT_ERROR,
	CONFLICT_REPLACE,
	CONFLICT_RESCHEDULE
} OnConflict;

static void
read_options(FunctionCallInfo fcinfo, const char *function,
			 JdgTaskOptions *o)
{
	memset(o, 0, sizeof(*o));
	o->command = jdg_need_text(fcinfo, A_COMMAND, function, "command");
	o->queue = jdg_arg_text(fcinfo, A_QUEUE);
	o->has_priority = !PG_ARGISNULL(A_PRIORITY);
	o->priority = o->has_priority ? PG_GETARG_INT32(A_PRIORITY) : 0;
	o->timeout = jdg_arg_interval(fcinfo, A_TIMEOUT);
	o->retry = jdg_arg_jsonb(fcinfo, A_RETRY);
	o->transaction = jdg_arg_text(fcinfo, A_TRANSACTION);
	o->has_isolate = !PG_ARGISNULL(A_ISOLATE);
	o->isolate = o->has_isolate && PG_GETARG_BOOL(A_ISOLATE);
	o->settings = jdg_arg_jsonb(fcinfo, A_SETTINGS);
	o->concurrency_key = jdg_arg_text(fcinfo, A_CONCURRENCY_KEY);
	o->trace = jdg_arg_text(fcinfo, A_TRACE);
	o->metadata = jdg_arg_jsonb(fcinfo, A_METADATA);
	o->tenant = jdg_arg_text(fcinfo, A_TENANT);
}

/* run_at or now plus delay */
static TimestampTz
read_run_at(FunctionCallInfo fcinfo, TimestampTz now)
{
	if (!PG_ARGISNULL(A_RUN_AT))
	{
		TimestampTz t = PG_GETARG_TIMESTAMPTZ(A_RUN_AT);

		if (!PG_ARGISNULL(A_DELAY))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("run_at and delay can not both be given")));
		if (TIMESTAMP_NOT_FINITE(t))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("run_at must be a finite instant"),
					 errhint("A task that nobody should run yet can be paused with jadugar.pause_task().")));
		return Max(t, now);
	}
	if (!PG_ARGISNULL(A_DELAY))
	{
		Interval   *delay = PG_GETARG_INTERVAL_P(A_DELAY);

		jdg_check_interval("delay", delay, true);
		return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(delay)));
	}
	return now;
}

static char
read_dependency_policy(FunctionCallInfo fcinfo)
{
	char	   *s = jdg_arg_text(fcinfo, A_ON_DEPENDENCY_FAILURE);

	if (s == NULL || strcmp(s, "cancel") == 0)
		return 'c';
	if (strcmp(s, "run") == 0)
		return 'r';
	if (strcmp(s, "wait") == 0)
		return 'w';
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unknown on_dependency_failure \"%s\"", s),
			 errhint("Use 'cancel', 'run' or 'wait'.")));
	return 'c';					/* keep compiler quiet */
}

static int64 *
read_parents(FunctionCallInfo fcinfo, int *n)
{
	ArrayType  *array;
	Datum	   *elems;
	bool	   *nulls;
	int64	   *ids;

	*n = 0;
	if (PG_ARGISNULL(A_DEPENDS_ON))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(A_DEPENDS_ON);
	deconstruct_array(array, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elems, &nulls, n);
	if (*n > MAX_DEPENDENCIES)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("depends_on has %d tasks, the most is %d", *n,
						MAX_DEPENDENCIES)));
	ids = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("depends_on must not contain null"),
					 errdetail("Element %d is null.", i + 1)));
		ids[i] = DatumGetInt64(elems[i]);
	}
	return ids;
}

static OnConflict
read_on_conflict(FunctionCallInfo fcinfo)
{
	char	   *s = jdg_arg_text(fcinfo, A_ON_CONFLICT);

	if (s == NULL || strcmp(s, "return") == 0)
		return CONFLICT_RETURN;
	if (strcmp(s, "error") == 0)
		return CONFLICT_ERROR;
	if (strcmp(s, "replace") == 0)
		return CONFLICT_REPLACE;
	if (strcmp(s, "reschedule") == 0)
		return CONFLICT_RESCHEDULE;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unknown on_conflict \"%s\"", s),
			 errhint("Use 'return', 'error', 'replace' or 'reschedule'.")));
	return CONFLICT_RETURN;		/* keep compiler quiet */
}

/* The instant until which a unique key holds, DT_NOBEGIN: while unfinished. */
static TimestampTz
read_unique(FunctionCallInfo fcinfo, JdgTask *t, TimestampTz now)
{
	t->unique_key = jdg_arg_text(fcinfo, A_UNIQUE_KEY);
	if (t->unique_key == NULL)
	{
		if (!PG_ARGISNULL(A_UNIQUE_FOR))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("unique_for needs a unique_key")));
		return DT_NOBEGIN;
	}
	if (t->unique_key[0] == '\0' || strlen(t->unique_key) > 1024)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("unique_key must have from 1 to 1024 bytes"),
				 errdetail("The value has %zu bytes.", strlen(t->unique_key))));
	if (PG_ARGISNULL(A_UNIQUE_FOR))
		return DT_NOBEGIN;
	jdg_check_interval("unique_for", PG_GETARG_INTERVAL_P(A_UNIQUE_FOR), false);
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   PG_GETARG_DATUM(A_UNIQUE_FOR)));
}

static void
rewrite_task(const JdgTask *t, int64 task_id, bool all)
{
	static JdgQuery move = {
		"UPDATE jadugar_internal.task SET run_at = $2, state = $3 "
		"WHERE task_id = $1",
		3, {INT8OID, TIMESTAMPTZOID, CHAROID}
	};
	static JdgQuery rewrite = {
		"UPDATE jadugar_internal.task SET command_id = $2, payload = $3, "
		"priority = $4, timeout = $5, retry = $6, max_attempts = $7, "
		"settings = $8, metadata = $9, tenant = $10, trace = $11, "
		"transaction = $12, isolate = $13 WHERE task_id = $1", 13,
		{INT8OID, INT8OID, JSONBOID, INT4OID, INTERVALOID, JSONBOID, INT4OID,
		JSONBOID, JSONBOID, TEXTOID, TEXTOID, CHAROID, BOOLOID}
	};
	Datum		v[13];
	char		n[14] = "             ";

	v[0] = Int64GetDatum(task_id);
	v[1] = TimestampTzGetDatum(t->run_at);
	v[2] = CharGetDatum(t->state);
	jdg_run(&move, v, NULL, 0);
	if (!all)
		return;
	v[1] = Int64GetDatum(t->command_id);
	v[2] = PointerGetDatum(t->payload);
	v[3] = Int32GetDatum(t->priority);
	jdg_put_pointer(&v[4], &n[4], t->timeout);
	jdg_put_pointer(&v[5], &n[5], t->retry);
	v[6] = Int32GetDatum(t->max_attempts);
	jdg_put_pointer(&v[7], &n[7], t->settings);
	jdg_put_pointer(&v[8], &n[8], t->metadata);
	jdg_put_text(&v[9], &n[9], t->tenant);
	jdg_put_text(&v[10], &n[10], t->trace);
	v[11] = CharGetDatum(t->transaction);
	v[12] = BoolGetDatum(t->isolate);
	jdg_run(&rewrite, v, n, 0);
}

/*
 * Another task has the unique key: what on_conflict asks for.  Returns its
 * id, or 0 if it has finished meanwhile.
 */
static int64
resolve_conflict(JdgTask *t, int64 holder, OnConflict how)
{
	JdgTask		old;

	if (how == CONFLICT_RETURN)
		return holder;
	if (how == CONFLICT_ERROR)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("unique_key \"%s\" is taken", t->unique_key),
				 errdetail("Task %lld has it.", (long long) holder),
				 errhint("Use on_conflict => 'return' to get its id instead.")));
	switch (jdg_task_hold(holder, &old, CurrentMemoryContext))
	{
		case JDG_HOLD_GONE:
			return 0;
		case JDG_HOLD_RUNNING:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("task %lld, which has unique_key \"%s\", is running",
							(long long) holder, t->unique_key),
					 errhint("Wait for it, or use on_conflict => 'return'.")));
			break;
		case JDG_HOLD_LOCKED:
			break;
	}
	if (old.state == JDG_STATE_READY || old.state == JDG_STATE_SCHEDULED ||
		old.state == JDG_STATE_KEY)
		t->state = jdg_state_without_dependencies(&old) == JDG_STATE_KEY ||
			t->run_at > jdg_now() ? t->state : JDG_STATE_READY;
	else
		t->state = old.state;	/* waits or is paused: it goes on so */
	if (old.concurrency_key != NULL && t->state == JDG_STATE_READY)
		t->state = JDG_STATE_KEY;
	rewrite_task(t, holder, how == CONFLICT_REPLACE);
	old.run_at = t->run_at;
	old.state = t->state;
	if (how == CONFLICT_REPLACE)
		old.priority = t->priority;
	if (old.concurrency_key != NULL)
		jdg_key_place_given_up(&old);
	jdg_wake_at_commit(old.owner, &old);
	return holder;
}

static void
insert_one(const JdgTask *t)
{
	jdg_task_insert(t);
	jdg_wake_at_commit(t->owner, t);
	jdg_count_enqueued(1);
}

PG_FUNCTION_INFO_V1(jdg_enqueue);

Datum
jdg_enqueue(PG_FUNCTION_ARGS)
{
	JdgTaskOptions o;
	JdgTask		t;
	JdgQueue	queue;
	JdgInternal in;
	OnConflict	how = read_on_conflict(fcinfo);
	TimestampTz now = jdg_now();
	TimestampTz until;
	Oid			role = GetUserId();
	Oid			owner;
	int64	   *parents;
	int			nparents;
	int64		id = 0;

	jdg_require_shmem();
	read_options(fcinfo, "enqueue", &o);
	o.payload = jdg_arg_jsonb(fcinfo, A_PAYLOAD);
	if (o.payload == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						"payload", "enqueue"),
				 errhint("Leave it out for an empty payload.")));
	memset(&t, 0, sizeof(t));
	owner = jdg_resolve_owner(jdg_arg_text(fcinfo, A_OWNER));
	until = read_unique(fcinfo, &t, now);
	t.run_at = read_run_at(fcinfo, now);
	parents = read_parents(fcinfo, &nparents);
	jdg_task_prepare(&o, owner, jdg_task_max_attempts, &t, &queue, NULL);
	t.created_at = now;
	t.on_dependency_failure = read_dependency_policy(fcinfo);
	t.task_id = jdg_task_next_id();
	if (t.unique_key == NULL && queue.max_depth <= 0 && nparents == 0)
	{
		/* nothing to look up */
		t.state = jdg_state_without_dependencies(&t);
		insert_one(&t);
		PG_RETURN_INT64(t.task_id);
	}

	jdg_internal_begin(&in);
	if (t.unique_key)
	{
		int64		holder = jdg_unique_key_take(&t, until);

		if (holder != 0)
		{
			t.state = jdg_state_without_dependencies(&t);
			id = resolve_conflict(&t, holder, how);
		}

		/* finished meanwhile: the key is free, or unique_for still holds */
		if (holder != 0 && id == 0)
			id = jdg_unique_key_take(&t, until);
	}
	if (id == 0)
	{
		jdg_queue_make_room(&queue, 1);
		jdg_task_place(&t, parents, nparents, role);
		insert_one(&t);
		id = t.task_id;
	}
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}

/*
 * Insert one task for each payload, all alike otherwise, and return their
 * ids.  What waits for others is placed one by one.
 */
static void
insert_batch(JdgTask *t, const int64 *parents, int nparents,
			 const JdgQueue *queue, Datum *payloads, int n,
			 ReturnSetInfo *rsinfo)
{
	Oid			role = GetUserId();
	JdgTaskWriter *w;
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_queue_make_room(queue, n);
	w = jdg_task_writer_begin();
	for (int i = 0; i < n; i++)
	{
		Datum		id;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		t->task_id = jdg_task_next_id();
		t->payload = DatumGetJsonbP(payloads[i]);
		jdg_task_place(t, parents, nparents, role);
		jdg_task_writer_put(w, t);
		jdg_wake_at_commit(t->owner, t);
		id = Int64GetDatum(t->task_id);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
	jdg_task_writer_end(w);
	jdg_count_enqueued(n);
	jdg_internal_end(&in);
}

PG_FUNCTION_INFO_V1(jdg_enqueue_batch);

Datum
jdg_enqueue_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	JdgTaskOptions o;
	JdgTask		t;
	JdgQueue	queue;
	JdgHandler *handler;
	TimestampTz now = jdg_now();
	Oid			owner;
	int64	   *parents;
	int			nparents;
	Datum	   *payloads;
	bool	   *nulls;
	int			n;

	jdg_require_shmem();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	read_options(fcinfo, "enqueue_batch", &o);
	if (PG_ARGISNULL(A_PAYLOAD))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" of jadugar.%s() must not be null",
						"payloads", "enqueue_batch")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(A_PAYLOAD), JSONBOID, -1, false,
					  TYPALIGN_INT, &payloads, &nulls, &n);
	memset(&t, 0, sizeof(t));
	owner = jdg_resolve_owner(jdg_arg_text(fcinfo, A_OWNER));
	t.run_at = read_run_at(fcinfo, now);
	parents = read_parents(fcinfo, &nparents);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("payloads must not contain null"),
					 errdetail("Element %d is null.", i + 1)));
	}
	if (n == 0)
		return (Datum) 0;
	o.payload = DatumGetJsonbP(payloads[0]);
	jdg_task_prepare(&o, owner, jdg_task_max_attempts, &t, &queue, &handler);
	for (int i = 1; handler != NULL && i < n; i++)
		jdg_handler_check_payload(handler, DatumGetJsonbP(payloads[i]));
	t.created_at = now;
	t.on_dependency_failure = read_dependency_policy(fcinfo);

	insert_batch(&t, parents, nparents, &queue, payloads, n, rsinfo);
	return (Datum) 0;
}
