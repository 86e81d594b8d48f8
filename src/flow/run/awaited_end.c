/*-------------------------------------------------------------------------
 *
 * awaited_end.c
 *	  Ends tasks whose runs have ended, see awaited.c.
 *
 * Runs in the scheduler, which settles such a task as a worker would: with its
 * history, retries, keys, dependants and the statistics of its schedule.  A
 * crash before that commit leaves the message, and the next scheduler serves
 * it.
 *
 * The task that is settled may be a step of another run.  So messages to
 * tasks have a transaction of their own: settling locks all runs in order,
 * then rows of statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "flow/run/awaited_end.h"
#include "flow/run/message.h"
#include "flow/run/run_row.h"
#include "flow/run/serve.h"
#include "task/settle.h"

/* messages to tasks, for a subtransaction */
typedef struct Batch
{
	JdgFlowMessage *m;
	int			n;
} Batch;

static bool locked = false;

bool
jdg_awaited_locked(void)
{
	bool		result = locked;

	locked = false;
	return result;
}

/* The error code for the retry policy, from the error of a run. */
static int
sqlerrcode_of(const Jsonb *error, JdgFlowStatus ending)
{
	char	   *s = error ? jdg_json_get_text(error, "sqlstate") : NULL;

	if (ending == JDG_FLOW_STATUS_TIMED_OUT)
		return JDG_ERRCODE_TASK_TIMEOUT;
	if (s != NULL && strlen(s) == 5)
		return MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]);
	return JDG_ERRCODE_TASK_EXECUTION_ERROR;
}

static JdgFlowStatus
get_status(const JdgFlowMessage *m, const char *key)
{
	char	   *text = jdg_json_get_text(m->payload, key);

	return jdg_flow_status_in(text ? text[0] : '\0');
}

/*
 * The outcome of a task.  Steps have had their own retries, so the whole run
 * is repeated only if the task has a policy of its own.
 */
static void
outcome_of(const JdgFlowMessage *m, const JdgTask *task, JdgOutcome *o)
{
	JdgFlowStatus ending = get_status(m, "ending");

	memset(o, 0, sizeof(*o));
	o->started_at = task->started_at;
	o->finished_at = m->at;
	o->row_count = -1;
	o->reason = jdg_json_get_text(m->payload, "reason");
	o->error = jdg_json_get(m->payload, "error");
	o->no_retry = task->retry == NULL;
	if (get_status(m, "status") == JDG_FLOW_STATUS_COMPLETED)
	{
		o->end = JDG_END_COMPLETED;
		o->result = jdg_json_get(m->payload, "result");
	}
	else if (ending == JDG_FLOW_STATUS_CANCELLED)
		o->end = JDG_END_CANCELLED;
	else
	{
		o->end = JDG_END_FAILED;
		o->sqlerrcode = sqlerrcode_of(o->error, ending);
		/* of a step that sent a request */
		o->http_status = (int) jdg_json_get_int64(o->error, "status");
	}
}

/*
 * Is this the end of an earlier attempt, which retry_step() or skip_step() has
 * resumed?  The task waits for the last run that it has started.
 */
static bool
is_superseded(const JdgFlowMessage *m)
{
	static JdgQuery later = {
		"SELECT 1 FROM jadugar_internal.flow_run "
		"WHERE task_id = $1 AND run_id > $2", 2, {INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(m->step_id),
	Int64GetDatum(jdg_json_get_int64(m->payload, "run"))};

	return jdg_run(&later, v, NULL, 1) > 0;
}

static bool
is_in(const JdgTask *tasks, int n, int64 task_id)
{
	for (int i = 0; i < n; i++)
	{
		if (tasks[i].task_id == task_id)
			return true;
	}
	return false;
}

/*
 * Settle the tasks of a batch.  A task that is not there any more needs
 * nothing.  A row that a session has locked is looked at again soon.
 */
static void
end_tasks(void *arg)
{
	const Batch *b = arg;
	JdgTask    *tasks = palloc(sizeof(JdgTask) * b->n);
	JdgOutcome *o = palloc(sizeof(JdgOutcome) * b->n);
	int			k = 0;

	for (int i = 0; i < b->n; i++)
	{
		JdgTask    *t = &tasks[k];
		int64		id = b->m[i].step_id;

		/*
		 * a run may have ended twice: its second message is for the next
		 * batch
		 */
		if (is_in(tasks, k, id))
			continue;
		if (jdg_task_load(id, true, t, CurrentMemoryContext))
		{
			if (t->state == JDG_STATE_FLOW && !is_superseded(&b->m[i]))
				outcome_of(&b->m[i], t, &o[k++]);
		}
		else if (jdg_task_load(id, false, t, CurrentMemoryContext))
		{
			jdg_flow_message_keep(b->m[i].message_id);
			locked = true;
			continue;
		}
		jdg_flow_message_done(b->m[i].message_id);
	}
	if (k > 0)
		jdg_settle(tasks, o, k, NULL);
	JDG_FAULT("flow-task-ended");
}

/* The same in a subtransaction; false: an error has been logged. */
static bool
try_end_tasks(JdgFlowMessage *m, int n)
{
	Batch		batch = {m, n};
	ErrorData  *e = jdg_in_subxact(end_tasks, &batch, CurrentMemoryContext);

	if (e == NULL)
		return true;
	if (e->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		e->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(e);
	ereport(LOG,
			(errmsg("could not end task %lld with its flow run: %s",
					(long long) m[0].step_id, e->message)));
	return false;
}

bool
jdg_awaited_end_tasks(int max)
{
	int			n;
	bool		more;
	JdgFlowMessage *m = jdg_flow_messages_new(true, max, &n, &more);

	Assert(jdg_is_bookkeeping());
	if (n == 0 || try_end_tasks(m, n))
		return more;
	for (int i = 0; i < n; i++)
	{
		if (n > 1 && try_end_tasks(&m[i], 1))
			continue;
		jdg_flow_message_keep(m[i].message_id);
		jdg_flow_give_up();
	}
	return more;
}
