/*-------------------------------------------------------------------------
 *
 * enqueue_funcs.c
 *	  SQL functions enqueue() and enqueue_batch().
 *
 * Runs in the caller's backend.  Arguments are checked as the caller
 * (prepare.c), then rows are written as bookkeeping.  All of it belongs to
 * the caller's transaction: a rollback leaves nothing.
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

#include "access/row_access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "base/settings.h"
#include "exec/exec.h"
#include "exec/tenant.h"
#include "shared/shmem.h"
#include "task/enqueue.h"
#include "task/key.h"
#include "task/locktask.h"
#include "task/prepare.h"
#include "task/resolve.h"
#include "task/room.h"
#include "task/target.h"
#include "task/tenant_quota.h"
#include "task/unique.h"
#include "task/wakeup.h"

#define MAX_DEPENDENCIES 10000

static const char *const failure_words[] = {"cancel", "run", "wait", NULL};

/* task.on_dependency_failure for each of them */
static const JdgDependencyFailure failure_codes[] = {
	JDG_FAILURE_CANCEL, JDG_FAILURE_RUN, JDG_FAILURE_WAIT
};

static const char *const conflict_words[] = {
	"return", "error", "replace", "reschedule", "next", NULL
};

typedef enum OnConflict
{
	CONFLICT_RETURN,
	CONFLICT_ERROR,
	CONFLICT_REPLACE,
	CONFLICT_RESCHEDULE,
	CONFLICT_NEXT
} OnConflict;

typedef struct EnqueueArgs
{
	JdgTaskOptions o;
	TimestampTz *run_at;
	Interval   *delay;
	ArrayType  *depends_on;
	int			on_dependency_failure;	/* in failure_words */
	char	   *owner;
	/* enqueue_batch() only */
	ArrayType  *payloads;
	Interval   *spread;
	/* enqueue() only */
	char	   *unique_key;
	Interval   *unique_for;
	OnConflict	on_conflict;
} EnqueueArgs;

#define FIELD(field) offsetof(EnqueueArgs, field)

/* the arguments of both functions after the payload */
#define COMMON_ARGS \
	{"queue", TEXTOID, FIELD(o.queue)}, \
	{"priority", INT4OID, FIELD(o.priority)}, \
	{"run_at", TIMESTAMPTZOID, FIELD(run_at)}, \
	{"delay", INTERVALOID, FIELD(delay)}, \
	{"timeout", INTERVALOID, FIELD(o.timeout)}, \
	{"retry", JSONBOID, FIELD(o.retry)}, \
	{"transaction", TEXTOID, FIELD(o.transaction)}, \
	{"isolate", BOOLOID, FIELD(o.isolate)}, \
	{"settings", JSONBOID, FIELD(o.settings)}, \
	{"concurrency_key", TEXTOID, FIELD(o.concurrency_key)}, \
	{"depends_on", INT8ARRAYOID, FIELD(depends_on)}, \
	{"on_dependency_failure", TEXTOID, FIELD(on_dependency_failure), \
	JDG_DEFAULT, failure_words, 0}, \
	{"trace", TEXTOID, FIELD(o.trace)}, \
	{"metadata", JSONBOID, FIELD(o.metadata)}, \
	{"tenant", TEXTOID, FIELD(o.tenant)}, \
	{"owner", TEXTOID, FIELD(owner)}

#define EXPECT_ARG \
	{"expect_rows", TEXTOID, FIELD(o.expect_rows), JDG_OPTIONAL, \
	jdg_expect_rows_words}

static const JdgArg enqueue_args[] = {
	{"command", TEXTOID, FIELD(o.command), JDG_NEEDED},
	{"payload", JSONBOID, FIELD(o.payload), JDG_NEEDED},
	COMMON_ARGS,
	{"unique_key", TEXTOID, FIELD(unique_key)},
	{"unique_for", INTERVALOID, FIELD(unique_for)},
	{"on_conflict", TEXTOID, FIELD(on_conflict), JDG_DEFAULT, conflict_words,
	CONFLICT_RETURN},
	EXPECT_ARG
};

static const JdgArg batch_args[] = {
	{"command", TEXTOID, FIELD(o.command), JDG_NEEDED},
	{"payloads", JSONBARRAYOID, FIELD(payloads), JDG_NEEDED},
	COMMON_ARGS,
	EXPECT_ARG,
	{"spread", INTERVALOID, FIELD(spread)}
};

/* run_at or now plus delay */
static TimestampTz
first_run(const EnqueueArgs *a, TimestampTz now)
{
	if (a->run_at && a->delay)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("run_at and delay cannot both be given")));
	if (a->run_at)
	{
		if (TIMESTAMP_NOT_FINITE(*a->run_at))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("run_at must be a finite timestamp"),
					 errhint("To hold a task back, pause it with jadugar.pause_task().")));
		return Max(*a->run_at, now);
	}
	if (a->delay)
		return jdg_time_after(now, jdg_check_interval("delay", a->delay, true));
	return now;
}

/* The microseconds over which the tasks of a batch are spread from there. */
static int64
spread_of(const EnqueueArgs *a, TimestampTz from)
{
	int64		spread;

	if (a->spread == NULL)
		return 0;
	spread = jdg_interval_us(jdg_check_interval("spread", a->spread, true));
	/* from is not before now, so this does not overflow */
	if (spread >= END_TIMESTAMP - from)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("spread is too long"),
				 errdetail("The last tasks would have no valid run_at."),
				 errhint("Give a shorter interval.")));
	return spread;
}

/*
 * k of n equal parts of a number that is not negative, rounded down.  Exact,
 * and without overflow: n and k are less than 2^31.
 */
static int64
part_of(int64 whole, int k, int n)
{
	return whole / n * k + whole % n * k / n;
}

/* The ids of the tasks that new tasks depend on. */
static int64 *
read_parents(const EnqueueArgs *a, int *n)
{
	Datum	   *elems;
	bool	   *nulls;
	int64	   *ids;

	*n = 0;
	if (a->depends_on == NULL)
		return NULL;
	deconstruct_array(a->depends_on, INT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elems, &nulls, n);
	if (*n > MAX_DEPENDENCIES)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("too many tasks in depends_on"),
				 errdetail("It has %d tasks. The maximum is %d.", *n,
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

/* The instant until which a unique key holds, DT_NOBEGIN: while unfinished. */
static TimestampTz
unique_until(const EnqueueArgs *a, TimestampTz now)
{
	if (a->unique_key == NULL && a->unique_for != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("unique_for requires unique_key")));
	/* without a key, each call would enqueue a task */
	if (a->unique_key == NULL && a->on_conflict != CONFLICT_RETURN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("on_conflict requires unique_key"),
				 errdetail("The value is \"%s\".",
						   conflict_words[a->on_conflict]),
				 errhint("Pass unique_key, or leave on_conflict out.")));
	jdg_check_key("unique_key", a->unique_key);
	if (a->unique_for == NULL)
		return DT_NOBEGIN;
	return jdg_time_after(now,
						  jdg_check_interval("unique_for", a->unique_for, false));
}

/* Move a task, or all that enqueue() says of one, to a task that is there. */
static void
rewrite_task(const JdgTask *t, int64 task_id, bool all)
{
	static JdgQuery move = {
		"UPDATE jadugar_internal.task SET run_at = $2, state = $3, "
		"key_place = $4 WHERE task_id = $1",
		4, {INT8OID, TIMESTAMPTZOID, CHAROID, BOOLOID}
	};
	static JdgQuery rewrite = {
		"UPDATE jadugar_internal.task SET command_id = $command_id, "
		"payload = $payload, priority = $priority, timeout = $timeout, "
		"retry = $retry, max_attempts = $max_attempts, "
		"settings = $settings, metadata = $metadata, tenant = $tenant, "
		"trace = $trace, transaction = $transaction, isolate = $isolate, "
		"expect_rows = $expect_rows, lane = $lane, fallback = NULL, "
		"endpoint_id = NULLIF($endpoint_id, 0), host = $host "
		"WHERE task_id = $task_id"
	};
	Datum		v[4] = {Int64GetDatum(task_id),
		TimestampTzGetDatum(t->run_at), CharGetDatum(t->state),
	BoolGetDatum(t->key_place)};
	JdgParams	p = {0};

	jdg_run(&move, v, NULL, 0);
	if (!all)
		return;
	jdg_bind_int64(&p, "task_id", task_id);
	jdg_bind_int64(&p, "command_id", t->command_id);
	jdg_bind_jsonb(&p, "payload", t->payload);
	jdg_bind_int32(&p, "priority", t->priority);
	jdg_bind_interval(&p, "timeout", t->timeout);
	jdg_bind_jsonb(&p, "retry", t->retry);
	jdg_bind_int32(&p, "max_attempts", t->max_attempts);
	jdg_bind_jsonb(&p, "settings", t->settings);
	jdg_bind_jsonb(&p, "metadata", t->metadata);
	jdg_bind_text(&p, "tenant", t->tenant);
	jdg_bind_text(&p, "trace", t->trace);
	jdg_bind_char(&p, "transaction", t->transaction);
	jdg_bind_bool(&p, "isolate", t->isolate);
	jdg_bind_char_or_null(&p, "expect_rows",
						  jdg_expect_rows_out(t->expect_rows));
	jdg_bind_int32(&p, "lane", t->lane);
	jdg_bind_int32(&p, "endpoint_id", t->endpoint_id);
	jdg_bind_text(&p, "host", t->host);
	jdg_run_params(&rewrite, &p, 0);
}

static void
raise_runs(const JdgTask *t, int64 holder)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("task %lld with unique_key \"%s\" is running",
					(long long) holder, t->unique_key),
			 errhint("Use on_conflict => 'next' to enqueue a task that runs after it, or 'return' to get its id.")));
}

/*
 * Applies on_conflict when another task has the unique key.  Returns that
 * task's id, or 0 if it has finished meanwhile.
 */
static int64
resolve_conflict(JdgTask *t, int64 holder, OnConflict how)
{
	JdgTask		old;
	bool		given_up = false;

	jdg_unique_key_check(t, holder, true);
	if (how == CONFLICT_RETURN || how == CONFLICT_NEXT)
		return holder;
	if (how == CONFLICT_ERROR)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("unique_key \"%s\" is already in use", t->unique_key),
				 errdetail("Task %lld has it.", (long long) holder),
				 errhint("Use on_conflict => 'return' to get its id instead.")));
	switch (jdg_task_hold(holder, &old, CurrentMemoryContext))
	{
		case JDG_HOLD_GONE:
			return 0;
		case JDG_HOLD_RUNNING:
			raise_runs(t, holder);
			break;
		case JDG_HOLD_LOCKED:
			if (jdg_task_is_begun(&old))
				raise_runs(t, holder);
			break;
	}
	old.run_at = t->run_at;
	/* a task that waits for others, or is paused, stays so */
	if (old.state == JDG_STATE_READY || old.state == JDG_STATE_SCHEDULED ||
		old.state == JDG_STATE_KEY)
		given_up = jdg_key_task_moved(&old);
	t->state = old.state;
	t->key_place = old.key_place;
	if (how == CONFLICT_REPLACE)
	{
		old.priority = t->priority;
		old.tenant = t->tenant;
		old.command_id = t->command_id;
		jdg_target_find(t);
		old.endpoint_id = t->endpoint_id;
		old.host = t->host;
		old.lane = t->lane;
		t->lane = old.lane = jdg_task_lane(&old);
	}
	rewrite_task(t, holder, how == CONFLICT_REPLACE);
	if (given_up)
		jdg_key_place_given_up(&old);
	jdg_wake_at_commit(old.owner, &old);
	return holder;
}

/*
 * Takes the unique key of a new task, or applies on_conflict.  Returns the id
 * of the task that has it, or 0; then *runs receives the task after which the
 * new one is to run, or 0.  The key of the task that calls this does not count,
 * since that one ends without seeing what has changed.
 */
static int64
take_unique_key(JdgTask *t, TimestampTz until, OnConflict how, int64 *runs)
{
	int64		self = jdg_current_task ? jdg_current_task->task_id : 0;
	int64		holder = self;
	int64		id;

	*runs = 0;
	if (how != CONFLICT_NEXT)
		holder = jdg_unique_key_take(t, until);
	if (how == CONFLICT_NEXT || (holder != 0 && holder == self))
		holder = jdg_unique_key_take_next(t, self, until, runs);
	if (*runs != 0 && *runs != self)
		jdg_unique_key_check(t, *runs, true);
	if (holder == 0)
		return 0;
	t->state = jdg_state_without_dependencies(t);
	id = resolve_conflict(t, holder, how);
	/* finished meanwhile: the key is free, or unique_for still holds */
	return id != 0 ? id : jdg_unique_key_take(t, until);
}

static void
insert_one(JdgTask *t)
{
	jdg_task_insert(t);
	jdg_wake_at_commit(t->owner, t);
	jdg_count_enqueued(1);
}

JDG_FUNCTION(jdg_enqueue, JDG_LEVEL_USER)
{
	EnqueueArgs a = {0};
	JdgTask		t;
	JdgQueue	queue;
	JdgInternal in;
	TimestampTz now = jdg_now();
	TimestampTz until;
	Oid			role = GetUserId();
	Oid			owner;
	int64	   *parents;
	int			nparents;
	int64		runs = 0;
	int64		id = 0;

	jdg_require_shmem();
	JDG_READ_ARGS("enqueue", enqueue_args, &a);
	memset(&t, 0, sizeof(t));
	owner = jdg_resolve_owner(a.owner);
	a.o.tenant = jdg_tenant_of_call(a.o.tenant);
	until = unique_until(&a, now);
	t.unique_key = a.unique_key;
	t.run_at = first_run(&a, now);
	parents = read_parents(&a, &nparents);
	jdg_task_prepare(&a.o, owner, jdg_task_max_attempts, &t, &queue, NULL);
	jdg_tenant_quota_check(t.tenant, 1);
	t.created_at = now;
	t.on_dependency_failure = failure_codes[a.on_dependency_failure];
	t.task_id = jdg_task_next_id();
	if (t.unique_key == NULL && nparents == 0 && jdg_room_quick(&queue, 1))
	{
		/* nothing to look up */
		t.state = jdg_state_without_dependencies(&t);
		insert_one(&t);
		jdg_audit_given("enqueue", "task", t.task_id, owner);
		PG_RETURN_INT64(t.task_id);
	}

	jdg_internal_begin(&in);
	if (t.unique_key)
		id = take_unique_key(&t, until, a.on_conflict, &runs);
	if (id == 0)
	{
		jdg_room_make(&queue, 1);
		jdg_task_place(&t, parents, nparents, runs, role);
		insert_one(&t);
		id = t.task_id;
		jdg_audit_given("enqueue", "task", id, owner);
	}
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}

/*
 * Inserts one task for each payload, otherwise alike but for their run_at, and
 * returns their ids.  Each is placed separately, since tasks may depend on
 * others.
 */
static void
insert_batch(JdgTask *t, const int64 *parents, int nparents,
			 const JdgQueue *queue, Datum *payloads, int n, int64 spread,
			 ReturnSetInfo *rsinfo)
{
	Oid			role = GetUserId();
	TimestampTz from = t->run_at;
	JdgTaskWriter *w;
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_room_make(queue, n);
	w = jdg_task_writer_begin();
	for (int i = 0; i < n; i++)
	{
		Datum		id;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		t->task_id = jdg_task_next_id();
		t->payload = DatumGetJsonbP(payloads[i]);
		t->run_at = from + part_of(spread, i, n);
		jdg_task_place(t, parents, nparents, 0, role);
		jdg_task_writer_put(w, t);
		jdg_wake_at_commit(t->owner, t);
		id = Int64GetDatum(t->task_id);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
	jdg_task_writer_end(w);
	jdg_count_enqueued(n);
	jdg_internal_end(&in);
}

JDG_FUNCTION(jdg_enqueue_batch, JDG_LEVEL_USER)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EnqueueArgs a = {0};
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
	int64		spread;

	jdg_require_shmem();
	jdg_init_materialized_srf(fcinfo, JDG_SRF_EXPECTED_DESC);
	JDG_READ_ARGS("enqueue_batch", batch_args, &a);
	deconstruct_array(a.payloads, JSONBOID, -1, false, TYPALIGN_INT,
					  &payloads, &nulls, &n);
	memset(&t, 0, sizeof(t));
	owner = jdg_resolve_owner(a.owner);
	a.o.tenant = jdg_tenant_of_call(a.o.tenant);
	t.run_at = first_run(&a, now);
	spread = spread_of(&a, t.run_at);
	parents = read_parents(&a, &nparents);
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
	a.o.payload = DatumGetJsonbP(payloads[0]);
	jdg_task_prepare(&a.o, owner, jdg_task_max_attempts, &t, &queue, &handler);
	for (int i = 1; i < n; i++)
		jdg_target_check(t.transaction == JDG_XACT_HTTP, handler, owner,
						 DatumGetJsonbP(payloads[i]));
	jdg_tenant_quota_check(t.tenant, n);
	t.created_at = now;
	t.on_dependency_failure = failure_codes[a.on_dependency_failure];

	insert_batch(&t, parents, nparents, &queue, payloads, n, spread, rsinfo);
	if (jdg_audit_is_given(owner))
		jdg_audit_number("enqueue_batch", "tasks", owner, n);
	return (Datum) 0;
}
