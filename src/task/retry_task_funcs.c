/*-------------------------------------------------------------------------
 *
 * retry_task_funcs.c
 *	  retry_task(), and the part of retry_tasks() that is not a filter.
 *
 * Runs in the caller's backend, in its transaction.  retry_task() raises an
 * error where a task cannot be retried; retry_tasks() leaves it out and
 * reports that, so that one task does not stop the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/module.h"
#include "base/spi.h"
#include "handler/command.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/locktask.h"
#include "task/resolve.h"
#include "task/retry.h"
#include "task/unique.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

typedef enum Retried
{
	RETRIED,
	NOT_THERE,
	IS_STEP,
	HAS_COMPLETED,
	KEY_IN_USE,
	BY_ANOTHER,					/* another session has retried it */
	TENANT_DROPPED,
	NOT_MINE					/* the caller may not act on it */
} Retried;

static const JdgArg id_args[] = {
	{"task_id", INT8OID, 0, JDG_NEEDED},
};

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
	jdg_task_set_state(t, jdg_state_without_dependencies(t));
}

/*
 * A finished task comes back under its id, from its last history row; into
 * the default queue if its own has been dropped.  Nothing is changed unless
 * the result is RETRIED.  Sets *t, and *holder of its unique_key.
 */
static Retried
retry_finished(int64 id, JdgTask *t, int64 *holder)
{
	static JdgQuery load = {
		"SELECT h.task_id, h.owner, coalesce(q.queue_id, 1), h.priority, "
		JDG_SQL_READY "::\"char\", "
		"coalesce(h.options->>'transaction', "
		JDG_SQL_XACT_COMMITTED ")::\"char\", "
		"coalesce((h.options->>'isolate')::boolean, false), "
		"q.max_depth IS NOT NULL, 0, "
		"coalesce((h.options->>'max_attempts')::integer, 1), 0, "
		"h.command_id, $2, coalesce(h.enqueued_at, $2), "
		"coalesce(h.payload, '{}'), h.schedule_id, h.scheduled_for, "
		"NULL::timestamptz, (h.options->>'timeout')::interval, "
		"h.options->'retry', h.options->'settings', h.metadata, "
		"h.options->>'unique_key', h.options->>'concurrency_key', h.tenant, "
		"h.trace, NULL::\"char\", h.flow_run, NULL::bigint, NULL::text, "
		"NULL::\"char\", false, (h.options->>'expect_rows')::\"char\", "
		"h.schedule, h.options->'event', 0, NULL::jsonb, NULL::integer, NULL::text, "
		"h.status, "
		"h.options->>'command', h.options->>'kind', "
		"coalesce((h.options->>'standalone')::boolean, false) "
		"FROM jadugar_internal.attempt h LEFT JOIN jadugar_internal.queue q "
		"USING (queue_id) "
		"WHERE h.task_id = $1 AND h.final ORDER BY h.attempt_id DESC LIMIT 1", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	static JdgQuery not_final = {
		"UPDATE jadugar_internal.attempt SET final = false "
		"WHERE task_id = $1 AND final", 1, {INT8OID}
	};
	Datum		v[2];
	JdgCommand	first;
	char	   *kind;

	v[0] = Int64GetDatum(id);
	v[1] = TimestampTzGetDatum(jdg_now());
	if (jdg_run(&load, v, NULL, 0) == 0)
		return NOT_THERE;
	jdg_task_from_row(0, t, CurrentMemoryContext);
	if (t->flow_run != 0)
		return IS_STEP;
	if (jdg_col_char(0, JDG_TASK_NCOLUMNS + 1) == JDG_STATUS_COMPLETED)
		return HAS_COMPLETED;
	/* of a task whose fallback has failed */
	first.text = jdg_col_text(0, JDG_TASK_NCOLUMNS + 2, CurrentMemoryContext);
	kind = jdg_col_text(0, JDG_TASK_NCOLUMNS + 3, CurrentMemoryContext);
	first.kind = kind ? kind[0] : JDG_COMMAND_SQL;
	first.standalone = jdg_col_bool(0, JDG_TASK_NCOLUMNS + 4);
	if (!jdg_tenant_try_use(t->tenant))
		return TENANT_DROPPED;
	if (t->unique_key != NULL)
	{
		*holder = jdg_unique_key_take(t, DT_NOBEGIN);
		if (*holder != 0 && *holder != id)
			return KEY_IN_USE;
	}
	/* the session that did it has its unique_key, too */
	if (jdg_run(&not_final, v, NULL, 0) == 0)
		return BY_ANOTHER;
	jdg_parent_retried(id);
	/* the id in the history may be on its way out: handler/unused.c */
	if (first.text == NULL)
		first = *jdg_command_get(t->command_id);
	t->command_id = jdg_command_id(first.text, first.kind, first.standalone);
	t->state = jdg_state_without_dependencies(t);
	jdg_task_insert(t);
	jdg_wake_at_commit(t->owner, t);
	jdg_foreach_module(module)
	{
		if (module->retried)
			module->retried(t);
	}
	/* its schedule has an unfinished task again: see occurrence.c */
	if (t->schedule_id != 0)
		jdg_wake_scheduler_at_commit(JDG_WAKE_SCHEDULES);
	return RETRIED;
}

/* The same; raises an error unless the task has been retried.  Sets *t. */
static void
need_retry(int64 id, JdgTask *t)
{
	int64		holder = 0;

	switch (retry_finished(id, t, &holder))
	{
		case RETRIED:
			break;
		case NOT_THERE:
		case NOT_MINE:
			jdg_task_missing(id);
			break;
		case IS_STEP:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("task %lld was a step of flow run %lld",
							(long long) id, (long long) t->flow_run),
					 errhint("Retry the step with jadugar.retry_step().")));
			break;
		case HAS_COMPLETED:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("task %lld has completed", (long long) id),
					 errhint("Enqueue it again to run it once more.")));
			break;
		case KEY_IN_USE:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("unique_key \"%s\" of task %lld is already in use",
							t->unique_key, (long long) id),
					 jdg_confined(jdg_section_caller()) != NULL ?
					 errdetail("Another task has it.") :
					 errdetail("Task %lld has it.", (long long) holder)));
			break;
		case TENANT_DROPPED:
			jdg_tenant_use(t->tenant);
			break;
		case BY_ANOTHER:
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("task %lld has been retried by another session",
							(long long) id)));
			break;
	}
}

JDG_FUNCTION(jdg_retry_task, JDG_LEVEL_USER)
{
	int64		id;
	JdgInternal in;
	JdgTask		t;
	bool		unfinished;

	JDG_READ_ARGS("retry_task", id_args, &id);
	jdg_require_shmem();
	jdg_internal_begin(&in);
	unfinished = jdg_task_find(id, in.save_user, &t, CurrentMemoryContext);
	if (unfinished)
	{
		switch (jdg_task_hold(id, &t, CurrentMemoryContext))
		{
			case JDG_HOLD_RUNNING:
				jdg_task_is_running(id);
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
		need_retry(id, &t);
	jdg_audit_work("retry_task", "task", id, t.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* Tells how many tasks of retry_tasks() were left out, and why. */
static void
report_left_out(const int64 *n)
{
	int64		steps = n[IS_STEP];
	int64		keys = n[KEY_IN_USE];
	int64		others = n[NOT_THERE] + n[HAS_COMPLETED] + n[BY_ANOTHER] +
	n[TENANT_DROPPED];

	if (steps > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld failed step of a flow was not retried",
							   "%lld failed steps of flows were not retried",
							   steps, (long long) steps),
				 errhint("Retry steps with jadugar.retry_step().")));
	if (keys > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld task was not retried because its unique_key is in use",
							   "%lld tasks were not retried because their unique_keys are in use",
							   keys, (long long) keys),
				 errhint("Retry each with jadugar.retry_task() when the key is free.")));
	if (others > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld task was not retried because another session has changed it",
							   "%lld tasks were not retried because other sessions have changed them",
							   others, (long long) others)));
}

/*
 * _v_retry_tasks(task_ids): retries those that can be, which the caller has
 * found with list_tasks(), and returns their number.
 */
JDG_FUNCTION(jdg_v_retry_tasks, JDG_LEVEL_USER)
{
	int64		n[NOT_MINE + 1] = {0};
	Datum	   *ids;
	int			nids;
	JdgAuditTally *tally = jdg_audit_tally();
	JdgInternal in;
	MemoryContext each;

	jdg_require_shmem();
	if (PG_ARGISNULL(0))
		PG_RETURN_INT64(0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, NULL, &nids);
	each = AllocSetContextCreate(CurrentMemoryContext, "jadugar retry",
								 ALLOCSET_DEFAULT_SIZES);
	jdg_internal_begin(&in);
	for (int i = 0; i < nids; i++)
	{
		int64		id = DatumGetInt64(ids[i]);
		MemoryContext old = MemoryContextSwitchTo(each);
		JdgTask		t;
		int64		holder;
		Retried		retried = BY_ANOTHER;

		CHECK_FOR_INTERRUPTS();
		/* a confined caller may see some on which it may not act */
		switch (jdg_task_look(id, in.save_user, &t, each))
		{
			case JDG_TASK_GONE:
			case JDG_TASK_HIDDEN:
				retried = NOT_MINE;
				break;
			case JDG_TASK_UNFINISHED:
				break;
			case JDG_TASK_FINISHED:
				retried = retry_finished(id, &t, &holder);
				break;
		}
		n[retried]++;
		if (retried == RETRIED)
			jdg_audit_count(tally, t.owner, 1);
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
	}
	jdg_audit_counted(tally, "retry_tasks", "tasks");
	jdg_internal_end(&in);
	report_left_out(n);
	PG_RETURN_INT64(n[RETRIED]);
}
