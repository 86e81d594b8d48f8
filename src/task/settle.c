/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Writes everything that follows when tasks end.
 *
 * Runs in workers at the end of a group, in the scheduler for tasks whose
 * worker died, and in sessions that cancel, with the tasks' rows locked by
 * this transaction.  Everything that follows from an end is written here, in
 * one transaction with the task's own effects: the row leaves or is put back,
 * the history row, dependants, the next task of its key, hooks, unique keys,
 * the schedule's statistics.
 *
 * The parts that every task needs are written directly and in bulk; SQL runs
 * only for a task that needs more.
 *
 * Rows of other tasks that are touched: children of dependencies and waiting
 * tasks of a key (SKIP LOCKED, never waited for).  Rows of schedule_stat are
 * touched in the order of schedule_id, by processes of ours only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/params.h"
#include "base/rows.h"
#include "base/settings.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "queue/queue.h"
#include "shared/wakeup.h"
#include "task/count.h"
#include "task/decide.h"
#include "task/depth.h"
#include "task/failure_log.h"
#include "task/fallback.h"
#include "task/history.h"
#include "task/hook.h"
#include "task/key.h"
#include "task/outcome.h"
#include "task/resolve.h"
#include "task/handed.h"
#include "task/settle.h"
#include "task/tenant_quota.h"
#include "task/unique.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

/*
 * The options that follow from the command; of a task in its fallback, the
 * first one, and that command itself.
 */
static void
add_command_options(JsonbParseState **st, const JdgTask *t)
{
	JdgFirstCommand first = {
		.transaction = psprintf("%c", t->transaction),.isolate = t->isolate,
		.rows = t->expect_rows != JDG_ROWS_ANY ?
		psprintf("%c", jdg_expect_rows_out(t->expect_rows)) : NULL
	};

	if (t->fallback != NULL)
		jdg_fallback_first(t, &first);
	jdg_json_text(st, "command", first.text);
	jdg_json_text(st, "kind", first.kind);
	if (first.standalone)
		jdg_json_text(st, "standalone", "true");
	jdg_json_text(st, "transaction", first.transaction);
	jdg_json_text(st, "isolate", first.isolate ? "true" : "false");
	jdg_json_text(st, "expect_rows", first.rows);
}

/* The options that retry_task() needs and the history has no columns for. */
static Jsonb *
options_of(const JdgTask *t)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	add_command_options(&st, t);
	if (t->timeout)
		jdg_json_text(&st, "timeout",
					  DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(t->timeout))));
	jdg_json_jsonb(&st, "retry", t->retry);
	jdg_json_jsonb(&st, "settings", t->settings);
	jdg_json_text(&st, "unique_key", t->unique_key);
	jdg_json_text(&st, "concurrency_key", t->concurrency_key);
	jdg_json_int64(&st, "max_attempts", t->max_attempts);
	jdg_json_jsonb(&st, "event", t->event);
	return jdg_json_finish(&st);
}

/* Are history rows of this status kept? */
static bool
keeps_history(JdgKeep keep, JdgStatus status)
{
	switch (keep)
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

/*
 * Fills the history row of one attempt.  The values stay those of the task
 * and the outcome, apart from a capped result and the options.
 */
static void
history_of(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d,
		   JdgHistory *h)
{
	jdg_history_from_task(h, t);
	h->status = d->status;
	h->final = !d->stays;
	h->started_at = o->started_at;
	h->finished_at = o->finished_at;
	h->worker_pid = o->worker_pid;
	h->row_count = o->row_count;
	h->reason = o->reason;
	if (OidIsValid(o->by) && d->status == JDG_STATUS_CANCELLED)
		h->ended_by = jdg_role_name(o->by);
	h->result = jdg_json_cap(o->result);
	h->error_code = d->error_code;
	h->error = o->error;
	if (o->sqlerrcode != 0 && (d->status == JDG_STATUS_FAILED ||
							   d->status == JDG_STATUS_LOST))
		h->sqlstate = pstrdup(unpack_sql_state(o->sqlerrcode));
	if (h->final && d->status != JDG_STATUS_COMPLETED)
		h->options = options_of(t);
}

/*
 * Inserts the history rows of n attempts, except those that their queue or
 * their tenant does not keep.  That a task did not complete is kept in any case: outcome.c.
 */
static void
write_histories(const JdgTask *tasks, const JdgOutcome *o,
				const JdgDecision *d, int n)
{
	JdgHistory *h = palloc(sizeof(JdgHistory) * n);
	const JdgTask **unkept = palloc(sizeof(JdgTask *) * n);
	JdgQueue	queue = {0};
	int			k = 0;
	int			nunkept = 0;

	for (int i = 0; i < n; i++)
	{
		if (d[i].status == JDG_STATUS_NONE)
			continue;
		if (queue.queue_id != tasks[i].queue_id &&
			!jdg_queue_by_id(tasks[i].queue_id, &queue))
			queue.keep = JDG_KEEP_ALL;
		if (keeps_history(queue.keep, d[i].status) &&
			keeps_history(jdg_tenant_keep(tasks[i].tenant), d[i].status))
		{
			history_of(&tasks[i], &o[i], &d[i], &h[k++]);
			continue;
		}
		history_of(&tasks[i], &o[i], &d[i], &h[k]);
		jdg_attempt_happened(&h[k], 0);
		if (!d[i].stays && d[i].status != JDG_STATUS_COMPLETED)
			unkept[nunkept++] = &tasks[i];
	}
	jdg_history_insert(h, k);
	jdg_outcomes_keep(unkept, nunkept, jdg_now());
	pfree(h);
	pfree(unkept);
}

/*
 * Writes the task with its new state, run_at and attempt, and wakes the
 * process that acts on it at commit.  A task that followed without a row is
 * inserted.
 */
static void
put_back(JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = $state, run_at = $run_at, "
		"attempt = $attempt, crashes = $crashes, isolate = $isolate, "
		"started_at = $started_at, paused_by = $paused_by, "
		"key_place = $key_place WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	if (d->fallback)
		jdg_fallback_begin(t, o, d);
	/* the carrier of the other command may be another one */
	t->state = d->fallback && d->state == JDG_STATE_READY ?
		jdg_ready_state(t) : d->state;
	/* it ran in the place of another task, which was rolled back */
	if (t->state == JDG_STATE_READY && t->concurrency_key && !t->key_place)
		t->state = JDG_STATE_KEY;
	t->run_at = d->run_at;
	t->started_at = d->state == JDG_STATE_FLOW ? o->started_at : DT_NOBEGIN;
	if (t->unwritten)
	{
		t->unwritten = false;
		jdg_task_insert(t);
		jdg_wake_at_commit(t->owner, t);
		return;
	}
	if (o->end == JDG_END_HANDED)
		jdg_handed_write(t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_char(&p, "state", t->state);
	jdg_bind_bool(&p, "key_place", t->key_place);
	jdg_bind_instant(&p, "run_at", d->run_at);
	jdg_bind_int32(&p, "attempt", t->attempt);
	jdg_bind_int32(&p, "crashes", t->crashes);
	jdg_bind_bool(&p, "isolate", t->isolate);
	jdg_bind(&p, "started_at", TIMESTAMPTZOID,
			 TimestampTzGetDatum(t->started_at), t->started_at == DT_NOBEGIN);
	jdg_bind_text(&p, "paused_by", d->state == JDG_STATE_PAUSED &&
				  OidIsValid(o->by) ? jdg_role_name(o->by) : NULL);
	jdg_run_params(&q, &p, 0);
	jdg_wake_at_commit(t->owner, t);
	JDG_FAULT("put-back");
}

/* Deletes the dependencies of a task that is removed before it ran. */
static void
delete_dependencies(int64 task_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.dependency "
		"WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(task_id)};

	jdg_run(&q, v, NULL, 0);
}

/* Rows that this transaction has claimed, or not. */
static void
delete_row(const JdgTask *t, Relation rel)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.task WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(t->task_id)};
	ItemPointerData tid = t->tid;
	JdgInternal in;

	if (ItemPointerIsValid(&tid) && jdg_row_delete(rel, &tid))
		return;
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 0) != 1)
		elog(ERROR, "a settled task was not there any more");
	if (t->state == JDG_STATE_DEPENDENCY || t->state == JDG_STATE_PAUSED)
		delete_dependencies(t->task_id);
	jdg_internal_end(&in);
}

/* Deletes the rows of the tasks that do not stay, and makes that visible. */
static void
delete_rows(const JdgTask *tasks, const JdgDecision *d, int n)
{
	Relation	rel = table_open(jdg_relation_oid("task"), RowExclusiveLock);

	for (int i = 0; i < n; i++)
	{
		if (d[i].stays || tasks[i].unwritten)
			continue;
		delete_row(&tasks[i], rel);
		if (tasks[i].bounded)
			jdg_depth_freed(tasks[i].queue_id, 1);
		jdg_tenant_quota_count(tasks[i].tenant, -1);
	}
	table_close(rel, NoLock);
	/* the queries that follow do not see them */
	CommandCounterIncrement();
}

/* Frees the unique keys of tasks that are removed. */
static void
release_unique_keys(const JdgTask *tasks, const JdgOutcome *o,
					const JdgDecision *d, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (tasks[i].unique_key != NULL && !d[i].stays)
			jdg_unique_key_release(&tasks[i], o[i].finished_at);
	}
}

/*
 * For the statistics.  The attempt of a task that has started a run begins
 * with one call and ends with another.
 */
static void
count_attempts(const JdgTask *tasks, const JdgOutcome *o, const JdgDecision *d,
			   int n)
{
	for (int i = 0; i < n; i++)
	{
		int64		waited = -1;
		int64		ran = -1;

		if (o[i].started_at != DT_NOBEGIN)
		{
			/* clocks may be set back in between */
			waited = Max(o[i].started_at - Max(tasks[i].run_at,
											   tasks[i].created_at), 0);
			ran = Max(o[i].finished_at - o[i].started_at, 0);
		}
		if (o[i].end == JDG_END_AWAITS)
			ran = -1;
		else if (tasks[i].state == JDG_STATE_FLOW)
			waited = -1;
		jdg_count_attempt(d[i].status, d[i].stays, waited, ran);
	}
}

/* maximum number of modules that follow the ends of tasks */
#define JDG_FOLLOWERS_MAX 16

/* Is there more to write than its row and its history? */
static bool
has_more(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	return d->stays || t->concurrency_key != NULL ||
		t->unique_key != NULL || jdg_hooks_may_run(t, o);
}

/*
 * Writes everything that needs SQL.  Returns the ids of dependants that the
 * caller must cancel.
 */
static List *
write_more(JdgTask *tasks, const JdgOutcome *o, const JdgDecision *d, int n,
		   const JdgFinished *done, int ndone)
{
	int		   *freed = jdg_key_places_at_end(tasks, o, d, n);

	for (int i = 0; i < n; i++)
	{
		if (d[i].stays)
			put_back(&tasks[i], &o[i], &d[i]);
		jdg_hooks_enqueue(&tasks[i], &o[i], &d[i]);
	}
	jdg_key_hand_on(tasks, freed, n);
	release_unique_keys(tasks, o, d, n);
	return ndone > 0 ? jdg_resolve_finished(done, ndone) : NIL;
}

static void cancel_dependants(List *ids, bool hooks);

/* The modules that follow ends of tasks, and whether these concern them. */
typedef struct Followers
{
	int			n;
	const JdgEndFollower *follower[JDG_FOLLOWERS_MAX];
	bool		concerned[JDG_FOLLOWERS_MAX];
} Followers;

/*
 * Which followers do the ends of these tasks concern?  True: one of them has
 * something to write.
 */
static bool
ask_followers(Followers *f, const JdgTask *tasks, int n)
{
	bool		writes = false;

	f->n = 0;
	jdg_foreach_module(module)
	{
		if (module->follower == NULL)
			continue;
		Assert(f->n < JDG_FOLLOWERS_MAX);
		f->follower[f->n] = module->follower;
		f->concerned[f->n] = false;
		for (int i = 0; i < n && !f->concerned[f->n]; i++)
			f->concerned[f->n] = module->follower->concerns(&tasks[i]);
		writes |= f->concerned[f->n++] && module->follower->written != NULL;
	}
	return writes;
}

static void
followers_decided(const Followers *f, JdgEnds *ends)
{
	for (int i = 0; i < f->n; i++)
	{
		if (f->concerned[i] && f->follower[i]->decided)
			f->follower[i]->decided(ends);
	}
}

static void
followers_written(const Followers *f, JdgEnds *ends)
{
	for (int i = 0; i < f->n; i++)
	{
		if (f->concerned[i] && f->follower[i]->written)
			f->follower[i]->written(ends);
	}
}

/*
 * Settle the ends of some tasks.  Returns the ids of dependants that are to
 * be cancelled; if the ends are final, it cancels them itself.
 */
static List *
settle(JdgEnds *ends)
{
	JdgTask    *tasks = ends->tasks;
	int			n = ends->n;
	const JdgOutcome *outcomes = jdg_fallback_outcomes(tasks, ends->outcomes, n);
	List	   *to_cancel = NIL;
	JdgDecision *d = palloc(sizeof(JdgDecision) * Max(n, 1));
	JdgFinished *done = palloc(sizeof(JdgFinished) * Max(n, 1));
	int			ndone = 0;
	Followers	followers;
	bool		more = ask_followers(&followers, tasks, n);

	ends->outcomes = outcomes;
	ends->decisions = d;
	for (int i = 0; i < n; i++)
		jdg_decide(&tasks[i], &outcomes[i], &d[i]);
	followers_decided(&followers, ends);
	for (int i = 0; i < n; i++)
	{
		more |= has_more(&tasks[i], &outcomes[i], &d[i]);
		if (d[i].stays)
			continue;
		done[ndone].task_id = tasks[i].task_id;
		done[ndone++].success = d[i].status == JDG_STATUS_COMPLETED;
	}
	delete_rows(tasks, d, n);
	write_histories(tasks, outcomes, d, n);
	for (int i = 0; i < n; i++)
		jdg_failure_log(&tasks[i], &outcomes[i], &d[i]);
	if (more || jdg_has_dependants(done, ndone))
	{
		JdgInternal in;

		/* the caller that cancels the dependants itself is inside already */
		if (ends->final)
			jdg_internal_begin(&in);
		to_cancel = write_more(tasks, outcomes, d, n, done, ndone);
		followers_written(&followers, ends);
		if (ends->final)
		{
			cancel_dependants(to_cancel, true);
			to_cancel = NIL;
			jdg_internal_end(&in);
		}
	}
	if (ndone > 0)
		jdg_finished_at_commit();
	count_attempts(tasks, outcomes, d, n);
	return to_cancel;
}

/* Ask that the run that a task has started ends: the task ends with it. */
static void
stop_awaited(const JdgTask *task, Oid by)
{
	jdg_foreach_module(module)
	{
		if (module->stop)
			module->stop(task, by);
	}
}

/*
 * Cancel one task that is not running; returns its dependants likewise.  One
 * that has started a run ends with it.  "hooks": with those of its handler.
 */
static List *
settle_cancel(JdgTask *task, const char *reason, Oid by, bool hooks)
{
	JdgOutcome	o;
	JdgEnds		ends = {task, &o, NULL, 1, false, NULL};
	bool		had_place = task->key_place;
	List	   *to_cancel;

	if (task->state == JDG_STATE_FLOW)
	{
		stop_awaited(task, by);
		return NIL;
	}
	memset(&o, 0, sizeof(o));
	o.end = JDG_END_CANCELLED;
	o.started_at = DT_NOBEGIN;
	o.finished_at = jdg_now();
	o.row_count = -1;
	o.reason = reason;
	o.by = by;
	if (hooks)
		jdg_handler_hooks(task->command_id, CurrentMemoryContext, &o.cleanup,
						  &o.on_error);
	to_cancel = settle(&ends);
	/* this session is in no slot: see resolve.c */
	if (had_place)
		jdg_wake_scheduler_at_commit(JDG_WAKE_KEYS);
	jdg_recheck_at_commit(task->task_id, true);
	return to_cancel;
}

/*
 * Cancel dependants, their dependants, and so on.  One may come up twice,
 * through two of its parents.
 */
static void
cancel_dependants(List *ids, bool hooks)
{
	while (ids != NIL)
	{
		int64		id = *(int64 *) linitial(ids);
		JdgTask		t;

		CHECK_FOR_INTERRUPTS();
		ids = list_delete_first(ids);
		if (jdg_task_load(id, true, &t, CurrentMemoryContext))
			ids = list_concat(settle_cancel(&t, "dependency", InvalidOid, hooks),
							  ids);
	}
}

void
jdg_settle(JdgTask *tasks, const JdgOutcome *outcomes, int n,
		   JdgFollow *follow)
{
	JdgEnds		ends = {tasks, outcomes, NULL, n, true, follow};

	(void) settle(&ends);
}

/*
 * Cancels a task that is not running, for the role "by" or for none.  This
 * transaction has locked its row.
 */
void
jdg_settle_cancel(JdgTask *task, const char *reason, Oid by)
{
	Assert(jdg_is_bookkeeping());
	cancel_dependants(settle_cancel(task, reason, by, true), true);
	JDG_FAULT("cancel-before-commit");
}

void
jdg_settle_drop(JdgTask *task, const char *reason, Oid by)
{
	Assert(jdg_is_bookkeeping());
	cancel_dependants(settle_cancel(task, reason, by, false), false);
}
