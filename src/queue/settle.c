/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  What follows when tasks end.
 *
 * Runs in workers at the end of a group, in the scheduler for tasks whose
 * worker died, and in sessions that cancel; always inside
 * jdg_internal_begin(), with the tasks' rows locked by this transaction.
 * Everything that follows from an end is written here, in one transaction
 * with the task's own effects: the row leaves or is put back, the history
 * row, dependants, the next task of its key, hooks, unique keys, the
 * schedule's statistics.
 *
 * Rows of others that are touched: children of dependencies and waiting
 * tasks of a key (SKIP LOCKED, never waited for), and schedule_stat in the
 * order of schedule_id, by processes of ours only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/command.h"
#include "catalog/pg_type.h"
#include "catalog/queue.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/json.h"
#include "core/settings.h"
#include "core/shmem.h"
#include "core/spi.h"
#include "miscadmin.h"
#include "queue/enqueue.h"
#include "queue/resolve.h"
#include "queue/retry.h"
#include "queue/settle.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* what is decided about one task */
typedef struct Decision
{
	bool		stays;			/* its row is put back */
	char		state;			/* then: its new state */
	TimestampTz run_at;
	char		status;			/* of the history row, '\0': none */
	const char *error_code;
} Decision;

static void
decide_failed(JdgTask *t, const JdgOutcome *o, Decision *d)
{
	d->status = JDG_STATUS_FAILED;
	d->error_code = jdg_error_name(o->sqlerrcode);
	t->attempt++;
	if (t->attempt < t->max_attempts &&
		jdg_retry_wanted(t->retry, o->sqlerrcode))
	{
		int64		delay = jdg_retry_delay(t->retry, t->attempt);

		d->stays = true;
		d->run_at = o->finished_at + delay;
		d->state = delay > 0 ? JDG_STATE_SCHEDULED : JDG_STATE_READY;
	}
}

/*
 * Its worker died.  The work of a transaction was undone with it, so such a
 * task goes on whatever its policy says, until it has done so too often.
 */
static void
decide_crashed(JdgTask *t, const JdgOutcome *o, Decision *d)
{
	d->error_code = "WORKER_CRASHED";
	t->attempt++;
	t->crashes++;
	t->isolate = true;
	if (t->crashes >= jdg_max_crashes)
	{
		d->status = JDG_STATUS_FAILED;
		return;
	}
	d->status = JDG_STATUS_LOST;
	d->stays = true;
	d->run_at = t->crashes == 1 ? t->run_at :
		o->finished_at + (t->crashes - 1) * USECS_PER_SEC;
	d->state = t->crashes == 1 ? JDG_STATE_READY : JDG_STATE_SCHEDULED;
}

static void
decide_lost(JdgTask *t, const JdgOutcome *o, Decision *d)
{
	decide_failed(t, o, d);
	d->error_code = "WORKER_CRASHED";
	if (o->guilty && ++t->crashes >= jdg_max_crashes)
		d->stays = false;
	if (d->stays)
		d->status = JDG_STATUS_LOST;
}

static void
decide(JdgTask *t, const JdgOutcome *o, Decision *d)
{
	memset(d, 0, sizeof(*d));
	switch (o->end)
	{
		case JDG_END_COMPLETED:
			d->status = JDG_STATUS_COMPLETED;
			t->attempt++;
			break;
		case JDG_END_FAILED:
			decide_failed(t, o, d);
			break;
		case JDG_END_CANCELLED:
			d->status = JDG_STATUS_CANCELLED;
			if (o->started_at != DT_NOBEGIN)
				t->attempt++;
			break;
		case JDG_END_DISCARDED:
			d->status = JDG_STATUS_FAILED;
			d->error_code = "TASK_EXECUTION_ERROR";
			t->attempt++;
			break;
		case JDG_END_SNOOZED:
			d->stays = true;
			d->state = JDG_STATE_SCHEDULED;
			d->run_at = o->finished_at + o->snooze_us;
			break;
		case JDG_END_LOST:
			decide_lost(t, o, d);
			break;
		case JDG_END_CRASHED:
			decide_crashed(t, o, d);
			break;
		case JDG_END_PAUSED:
			d->stays = true;
			d->state = JDG_STATE_PAUSED;
			d->run_at = t->run_at;
			break;
	}
}

/* What retry_task() needs besides the columns of the history. */
static Jsonb *
options_of(const JdgTask *t)
{
	JsonbParseState *st;
	char		transaction[2] = {t->transaction, '\0'};

	jdg_json_begin(&st);
	jdg_json_text(&st, "transaction", transaction);
	jdg_json_text(&st, "isolate", t->isolate ? "true" : "false");
	if (t->timeout)
		jdg_json_text(&st, "timeout",
					  DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(t->timeout))));
	jdg_json_jsonb(&st, "retry", t->retry);
	jdg_json_jsonb(&st, "settings", t->settings);
	jdg_json_text(&st, "unique_key", t->unique_key);
	jdg_json_text(&st, "concurrency_key", t->concurrency_key);
	jdg_json_int64(&st, "max_attempts", t->max_attempts);
	return jdg_json_finish(&st);
}

static bool
keeps_history(const JdgQueue *queue, char status)
{
	switch (queue->keep)
	{
		case JDG_KEEP_ALL:
			return true;
		case JDG_KEEP_FAILURES:
			return status != JDG_STATUS_COMPLETED;
		case JDG_KEEP_NONE:
			return false;
	}
	return true;
}

static void
write_history(const JdgTask *t, const JdgOutcome *o, const Decision *d)
{
	JdgHistory	h;
	char		sqlstate[6] = "";

	jdg_history_from_task(&h, t);
	h.status = d->status;
	h.final = !d->stays;
	h.started_at = o->started_at;
	h.finished_at = o->finished_at;
	h.worker_pid = o->worker_pid;
	h.row_count = o->row_count;
	h.reason = o->reason;
	h.result = o->result;
	h.error_code = d->error_code;
	h.error = o->error;
	if (o->sqlerrcode != 0 && (d->status == JDG_STATUS_FAILED ||
							   d->status == JDG_STATUS_LOST))
	{
		strlcpy(sqlstate, unpack_sql_state(o->sqlerrcode), sizeof(sqlstate));
		h.sqlstate = sqlstate;
	}
	if (h.final && d->status != JDG_STATUS_COMPLETED)
		h.options = options_of(t);
	jdg_history_insert(&h);
}

static void
put_back(JdgTask *t, const Decision *d)
{
	static JdgQuery q = {
		"UPDATE jadugar.task SET state = $2, run_at = $3, attempt = $4, "
		"crashes = $5, isolate = $6, started_at = NULL WHERE task_id = $1", 6,
		{INT8OID, CHAROID, TIMESTAMPTZOID, INT4OID, INT4OID, BOOLOID}
	};
	Datum		v[6];

	v[0] = Int64GetDatum(t->task_id);
	v[1] = CharGetDatum(d->state);
	v[2] = TimestampTzGetDatum(d->run_at);
	v[3] = Int32GetDatum(t->attempt);
	v[4] = Int32GetDatum(t->crashes);
	v[5] = BoolGetDatum(t->isolate);
	jdg_run(&q, v, NULL, 0);
	t->state = d->state;
	t->run_at = d->run_at;
	jdg_wake_at_commit(t->owner, t);
}

/* What a task that leaves before its time was still waiting for. */
static void
delete_dependencies(int64 task_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar.dependency WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	jdg_run(&q, v, NULL, 0);
}

static void
delete_rows(JdgTask *tasks, const Decision *d, int n)
{
	static JdgQuery q = {
		"DELETE FROM jadugar.task WHERE task_id = ANY ($1)", 1, {INT8ARRAYOID}
	};
	Datum	   *ids = palloc(sizeof(Datum) * n);
	Datum		v[1];
	int			k = 0;

	for (int i = 0; i < n; i++)
	{
		if (d[i].stays)
			continue;
		ids[k++] = Int64GetDatum(tasks[i].task_id);
		if (tasks[i].state == JDG_STATE_DEPENDENCY ||
			tasks[i].state == JDG_STATE_PAUSED)
			delete_dependencies(tasks[i].task_id);
	}
	if (k == 0)
		return;
	v[0] = PointerGetDatum(construct_array(ids, k, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (jdg_run(&q, v, NULL, 0) != k)
		elog(ERROR, "a settled task was not there any more");
}

static void
release_unique_key(const JdgTask *t, TimestampTz now)
{
	static JdgQuery q = {
		"DELETE FROM jadugar.unique_key WHERE owner = $1 AND queue_id = $2 "
		"AND key = $3 AND task_id = $4 AND (until IS NULL OR until <= $5)", 5,
		{OIDOID, INT4OID, TEXTOID, INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[5];

	v[0] = ObjectIdGetDatum(t->owner);
	v[1] = Int32GetDatum(t->queue_id);
	v[2] = CStringGetTextDatum(t->unique_key);
	v[3] = Int64GetDatum(t->task_id);
	v[4] = TimestampTzGetDatum(now);
	jdg_run(&q, v, NULL, 0);
}

static const char *
status_name(char status)
{
	switch (status)
	{
		case JDG_STATUS_COMPLETED:
			return "completed";
		case JDG_STATUS_FAILED:
			return "failed";
		case JDG_STATUS_CANCELLED:
			return "cancelled";
		case JDG_STATUS_LOST:
			return "lost";
		default:
			return "skipped";
	}
}

static void
count_for_schedule(const JdgTask *t, const JdgOutcome *o, const Decision *d)
{
	static JdgQuery q = {
		"INSERT INTO jadugar.schedule_stat AS s (schedule_id, last_run_at, "
		"last_status, last_success_at, completed, failures) "
		"SELECT $1, $2, $3, CASE WHEN $4 THEN $5 END, $4::int, (NOT $4)::int "
		"ON CONFLICT (schedule_id) DO UPDATE SET "
		"last_run_at = coalesce($2, s.last_run_at), last_status = $3, "
		"last_success_at = CASE WHEN $4 THEN $5 ELSE s.last_success_at END, "
		"completed = s.completed + $4::int, "
		"failures = s.failures + (NOT $4)::int", 5,
		{INT8OID, TIMESTAMPTZOID, TEXTOID, BOOLOID, TIMESTAMPTZOID}
	};
	Datum		v[5];
	char		n[6] = "     ";

	v[0] = Int64GetDatum(t->schedule_id);
	jdg_put_time(&v[1], &n[1], o->started_at);
	v[2] = CStringGetTextDatum(status_name(d->status));
	v[3] = BoolGetDatum(d->status == JDG_STATUS_COMPLETED);
	v[4] = TimestampTzGetDatum(o->finished_at);
	jdg_run(&q, v, n, 0);
}

/*
 * What was cancelled before it began says nothing about how a schedule runs.
 * It is also what sessions settle, and a session would keep schedule_stat's
 * row locked until it commits, with every worker that settles waiting.
 */
static bool
counts_for_schedule(const JdgOutcome *o, const Decision *d)
{
	return !d->stays &&
		(o->end != JDG_END_CANCELLED || o->started_at != DT_NOBEGIN);
}

/* Statistics of schedules, in the order of their ids: see the header. */
static void
count_for_schedules(JdgTask *tasks, const JdgOutcome *o, const Decision *d,
					int n)
{
	int64		last = 0;

	for (;;)
	{
		int64		next = PG_INT64_MAX;

		for (int i = 0; i < n; i++)
		{
			if (tasks[i].schedule_id > last &&
				counts_for_schedule(&o[i], &d[i]) &&
				tasks[i].schedule_id < next)
				next = tasks[i].schedule_id;
		}
		if (next == PG_INT64_MAX)
			break;
		for (int i = 0; i < n; i++)
		{
			if (tasks[i].schedule_id == next &&
				counts_for_schedule(&o[i], &d[i]))
				count_for_schedule(&tasks[i], &o[i], &d[i]);
		}
		last = next;
	}
}

/* A hook of a handler runs as a task of its own, as the same owner. */
static void
enqueue_hook(const JdgTask *t, const JdgOutcome *o, const Decision *d,
			 const char *function)
{
	JsonbParseState *st;
	JdgTask		hook;
	char	   *name = pstrdup(function);
	char	   *paren = strrchr(name, '(');
	char	   *sql;

	if (paren)
		*paren = '\0';
	sql = psprintf("SELECT %s($1)", name);
	jdg_json_begin(&st);
	jdg_json_int64(&st, "task_id", t->task_id);
	jdg_json_int64(&st, "attempt", t->attempt);
	jdg_json_text(&st, "status", status_name(d->status));
	jdg_json_text(&st, "error_code", d->error_code);
	jdg_json_jsonb(&st, "payload", t->payload);
	jdg_json_jsonb(&st, "result", o->result);
	jdg_json_jsonb(&st, "error", o->error);
	memset(&hook, 0, sizeof(hook));
	hook.payload = jdg_json_finish(&st);
	hook.task_id = jdg_task_next_id();
	hook.owner = t->owner;
	hook.queue_id = t->queue_id;
	hook.priority = t->priority;
	hook.state = JDG_STATE_READY;
	hook.transaction = JDG_XACT_COMMITTED;
	hook.bounded = t->bounded;
	hook.max_attempts = jdg_task_max_attempts;
	hook.command_id = jdg_command_id(sql, JDG_COMMAND_SQL, false);
	hook.run_at = hook.created_at = o->finished_at;
	hook.scheduled_for = hook.started_at = DT_NOBEGIN;
	hook.tenant = t->tenant;
	hook.trace = t->trace;
	jdg_task_insert(&hook);
	jdg_wake_at_commit(hook.owner, &hook);
	jdg_count_enqueued(1);
}

static void
run_hooks(const JdgTask *t, const JdgOutcome *o, const Decision *d)
{
	if (d->stays)
		return;
	if (o->on_error && d->status == JDG_STATUS_FAILED)
		enqueue_hook(t, o, d, o->on_error);
	if (o->cleanup)
		enqueue_hook(t, o, d, o->cleanup);
}

static void
release_keys(JdgTask *tasks, const JdgOutcome *o, const Decision *d, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool		left_place = !d[i].stays || o[i].end == JDG_END_PAUSED ||
		(o[i].end == JDG_END_SNOOZED && tasks[i].attempt == 0);

		if (tasks[i].concurrency_key != NULL && left_place)
			jdg_resolve_key(tasks[i].owner, tasks[i].concurrency_key);
		if (tasks[i].unique_key != NULL && !d[i].stays)
			release_unique_key(&tasks[i], o[i].finished_at);
	}
}

static void
count_stats(const JdgTask *tasks, const JdgOutcome *o, const Decision *d,
			int n)
{
	JdgDb	   *db = JdgShared ? jdg_db_lookup(MyDatabaseId, true) : NULL;

	for (int i = 0; db != NULL && i < n; i++)
	{
		pg_atomic_uint64 *counter = NULL;

		if (d[i].stays && d[i].status == JDG_STATUS_FAILED)
			counter = &db->stats.retried;
		else if (d[i].status == JDG_STATUS_COMPLETED)
			counter = &db->stats.completed;
		else if (d[i].status == JDG_STATUS_FAILED)
			counter = &db->stats.failed;
		else if (d[i].status == JDG_STATUS_CANCELLED)
			counter = &db->stats.cancelled;
		else if (d[i].status == JDG_STATUS_LOST)
			counter = &db->stats.lost;
		if (counter)
			pg_atomic_fetch_add_u64(counter, 1);
		if (o[i].started_at != DT_NOBEGIN)
		{
			jdg_hist_add(db->stats.wait_hist, o[i].started_at -
						 Max(tasks[i].run_at, tasks[i].created_at));
			jdg_hist_add(db->stats.run_hist,
						 o[i].finished_at - o[i].started_at);
		}
	}
}

/* Returns the ids of dependants that are to be cancelled. */
static List *
settle(JdgTask *tasks, const JdgOutcome *outcomes, int n)
{
	List	   *to_cancel = NIL;
	Decision   *d = palloc(sizeof(Decision) * Max(n, 1));
	JdgFinished *done = palloc(sizeof(JdgFinished) * Max(n, 1));
	int			ndone = 0;
	JdgQueue	queue;

	queue.queue_id = 0;
	for (int i = 0; i < n; i++)
		decide(&tasks[i], &outcomes[i], &d[i]);
	delete_rows(tasks, d, n);
	for (int i = 0; i < n; i++)
	{
		if (d[i].stays)
			put_back(&tasks[i], &d[i]);
		else
		{
			done[ndone].task_id = tasks[i].task_id;
			done[ndone++].success = d[i].status == JDG_STATUS_COMPLETED;
		}
		if (d[i].status == '\0')
			continue;
		if (queue.queue_id != tasks[i].queue_id &&
			!jdg_queue_by_id(tasks[i].queue_id, &queue))
			queue.keep = JDG_KEEP_ALL;
		if (keeps_history(&queue, d[i].status))
			write_history(&tasks[i], &outcomes[i], &d[i]);
		run_hooks(&tasks[i], &outcomes[i], &d[i]);
	}
	count_for_schedules(tasks, outcomes, d, n);
	release_keys(tasks, outcomes, d, n);
	if (ndone > 0)
	{
		to_cancel = jdg_resolve_finished(done, ndone);
		jdg_finished_at_commit();
	}
	count_stats(tasks, outcomes, d, n);
	return to_cancel;
}

/* Cancel one task that never ran; returns its dependants likewise. */
static List *
settle_cancel(JdgTask *task, const char *reason)
{
	JdgOutcome	o;
	List	   *to_cancel;

	memset(&o, 0, sizeof(o));
	o.end = JDG_END_CANCELLED;
	o.started_at = DT_NOBEGIN;
	o.finished_at = jdg_now();
	o.row_count = -1;
	o.reason = reason;
	to_cancel = settle(task, &o, 1);
	/* this session is in no slot: see resolve.c */
	if (task->concurrency_key != NULL)
		jdg_wake_scheduler_at_commit(JDG_WAKE_SWEEP);
	else
		jdg_recheck_at_commit(task->task_id, true);
	return to_cancel;
}

/*
 * Cancel dependants, their dependants, and so on.  One may come up twice,
 * through two of its parents.
 */
static void
cancel_dependants(List *ids)
{
	while (ids != NIL)
	{
		int64		id = *(int64 *) linitial(ids);
		JdgTask		t;

		CHECK_FOR_INTERRUPTS();
		ids = list_delete_first(ids);
		if (jdg_task_load(id, true, &t, CurrentMemoryContext))
			ids = list_concat(settle_cancel(&t, "dependency"), ids);
	}
}

void
jdg_settle(JdgTask *tasks, const JdgOutcome *outcomes, int n)
{
	cancel_dependants(settle(tasks, outcomes, n));
}

/*
 * Cancel a task that is not running and whose row this transaction has
 * locked.
 */
void
jdg_settle_cancel(JdgTask *task, const char *reason)
{
	cancel_dependants(settle_cancel(task, reason));
}
