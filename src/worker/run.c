/*-------------------------------------------------------------------------
 *
 * run.c
 *	  Runs one task of a group, or one standalone command.
 *
 * A task runs in a subtransaction of the group's transaction, in a GUC nest
 * level and with a snapshot of its own, as the session's user, its owner; or
 * as the role that ALTER ROLE … SET role gives to the owner's sessions.  Its
 * deferred triggers fire before the subtransaction ends, so that their errors
 * are its errors and they run as its owner.
 *
 * A subtransaction costs a transaction id and a good part of the time of a
 * small task.  A task whose command is safe (quick.c) is fused with its group:
 * it runs without one.  If it fails after all, the transaction is aborted and
 * the group is undone: its tasks are ready again, none is charged, and the
 * command is not safe any more.  Messages of actors are never fused, nor are
 * handlers in C, since the end of a subtransaction also cleans up after code
 * that leaves a snapshot or an SPI connection behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "actor/state.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "event/current.h"
#include "exec/c.h"
#include "exec/exec.h"
#include "exec/sql.h"
#include "shared/happening.h"
#include "shared/suspect.h"
#include "task/failure_log.h"
#include "task/handed.h"
#include "task/prepare.h"
#include "task/target.h"

#include "worker/worker.h"

static JdgCurrentTask current;

/*
 * Notes the hooks of a handler in the outcome.  The copies outlive the
 * transaction, since a commit may fail.
 */
static void
add_hooks(JdgOutcome *o, const JdgHandler *h)
{
	if (h->cleanup)
		o->cleanup = MemoryContextStrdup(jdg_group_context, h->cleanup);
	if (h->on_error)
		o->on_error = MemoryContextStrdup(jdg_group_context, h->on_error);
}

/*
 * The command of a task.  *handler is NULL for plain SQL; the hooks of a
 * handler are noted in the outcome.  Raises NOT_FOUND if the handler does not
 * exist.
 */
static const JdgCommand *
command_of(const JdgTask *task, JdgHandler **handler, JdgOutcome *o)
{
	const JdgCommand *c = jdg_command_get(task->command_id);

	*handler = NULL;
	if (c->kind == JDG_COMMAND_HANDLER)
	{
		*handler = jdg_handler_get(c->text, task->owner);
		if (*handler == NULL)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_NOT_FOUND),
					 errmsg("handler \"%s\" does not exist", c->text),
					 errhint("Register it again, then retry the task.")));
		add_hooks(o, *handler);
	}
	return c;
}

/* Makes the task the current one, for functions that it calls and its log. */
static void
begin_context(const JdgTask *task, const JdgDelivery *delivery)
{
	memset(&current, 0, sizeof(current));
	current.task_id = delivery ? 0 : task->task_id;
	current.event = delivery ? delivery->current :
		jdg_current_event_of_task(task);
	current.attempt = task->attempt + 1;
	current.owner = task->owner;
	current.payload = task->payload;
	current.schedule_id = task->schedule_id;
	current.schedule = task->schedule;
	current.scheduled_for = task->scheduled_for;
	current.trace = task->trace;
	current.tenant = task->tenant;
	current.concurrency_key = task->concurrency_key;
	current.flow_run = task->flow_run;
	current.step = task->step;
	current.timeout = task->timeout;
	jdg_current_task = &current;
	jdg_quiet = delivery ? delivery->quiet : jdg_task_is_quiet(task);
	jdg_worker_works();
	/* calls for events keep no log */
	if (delivery == NULL)
		jdg_log_begin(task);
}

/* Shows the task as running, in the slot and in the file of suspects. */
static void
publish_begin(const JdgTask *task, int index, TimestampTz started)
{
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->generation++;
	jdg_my_slot->current = index;
	jdg_my_slot->task[index].phase = JDG_TASK_RUNNING;
	jdg_my_slot->task_started_at = started;
	jdg_my_slot->progress = -1;
	jdg_my_slot->message[0] = '\0';
	SpinLockRelease(&jdg_my_slot->mutex);
	jdg_suspect_begin(task->task_id, task->attempt,
					  &jdg_my_slot->task[index].call, started);
}

/* Shows that the task has ended.  "took" is its duration in microseconds. */
static void
publish_end(int index, int64 took)
{
	jdg_suspect_end();
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->current = -1;
	jdg_my_slot->task[index].phase = JDG_TASK_DONE;
	jdg_my_slot->deadline = DT_NOEND;
	jdg_my_slot->busy_us += took;
	SpinLockRelease(&jdg_my_slot->mutex);
}

void
jdg_task_statement_begins(void)
{
	if (jdg_current_task == &current)
		jdg_user_statement_begin();
}

void
jdg_outcome_of_error(JdgOutcome *o, ErrorData *edata)
{
	JdgErrorPlace place;

	o->end = JDG_END_FAILED;
	o->sqlerrcode = edata->sqlerrcode;
	/* a task that raises one of these codes itself has failed */
	if (edata->sqlerrcode == JDG_ERRCODE_SNOOZE && current.snoozed)
	{
		o->end = JDG_END_SNOOZED;
		o->snooze_us = current.snooze_us;
		return;
	}
	if (edata->sqlerrcode == JDG_ERRCODE_DISCARD &&
		current.discard_reason != NULL)
	{
		o->end = JDG_END_DISCARDED;
		o->sqlerrcode = 0;
		/* the next task of the group may discard itself, too */
		o->reason = MemoryContextStrdup(jdg_group_context,
										current.discard_reason);
		return;
	}
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		switch (jdg_stop_reason())
		{
			case JDG_STOP_CANCEL:
				o->end = JDG_END_CANCELLED;
				o->reason = "cancelled";
				break;
			case JDG_STOP_DEADLINE:
				o->sqlerrcode = JDG_ERRCODE_TASK_TIMEOUT;
				edata->sqlerrcode = JDG_ERRCODE_TASK_TIMEOUT;
				edata->message = "the task ran past its deadline";
				break;
			case JDG_STOP_STATEMENT:
				o->sqlerrcode = JDG_ERRCODE_TASK_TIMEOUT;
				edata->sqlerrcode = JDG_ERRCODE_TASK_TIMEOUT;
				edata->message = "a statement ran past statement_timeout";
				edata->detail = psprintf("statement_timeout was %d ms.",
										 jdg_statement_timeout());
				edata->hint = "It is a setting of the role or the database. Pass another value with settings, or set it in a statement before.";
				break;
			case JDG_STOP_PREEMPT:
			case JDG_STOP_NONE:
				break;
		}
	}
	jdg_exec_add_hint(edata, jdg_my_slot->task[0].standalone);
	place = jdg_exec_error_place(edata);
	o->error = jdg_error_to_jsonb(edata, &place);
}

/*
 * Sets the outcome of a task that is to stop, regardless of the error that it
 * raised.  The slot says why it is to stop.
 */
static void
end_as_cancelled(JdgOutcome *o, int index)
{
	o->end = JDG_END_CANCELLED;
	o->reason = "cancelled";
	o->by = jdg_my_slot->task[index].cancelled_by;
	switch (jdg_my_slot->task[index].cancel)
	{
		case JDG_CANCEL_PAUSE:
			o->end = JDG_END_PAUSED;
			break;
		case JDG_CANCEL_REPLACED:
			o->reason = "replaced";
			break;
		case JDG_CANCEL_TASK:
		case JDG_CANCEL_NONE:
			break;
	}
}

/*
 * Runs the command of a task, or calls the handler of a subscription.  Returns
 * the payload.  Sets "in_c" if a handler in C did it.
 */
static Jsonb *
run_command(JdgTask *task, int index, TimestampTz preempt_at,
			const JdgDelivery *delivery, JdgExecResult *res, JdgOutcome *o,
			bool *in_c)
{
	JdgHandler *handler;
	const JdgCommand *command;
	Jsonb	   *payload;

	command = command_of(task, &handler, o);
	current.starts_flow = command->kind == JDG_COMMAND_FLOW;
	pgstat_report_activity(STATE_RUNNING, command->text);
	if (task->settings)
		jdg_apply_settings(task->settings, false);
	jdg_user_code_begin(task, index, preempt_at);
	JDG_FAULT("task-begins");
	payload = jdg_task_payload(task, handler, delivery);
	if (jdg_sends_request(command->kind, handler))
	{
		jdg_handed_take(task, handler, payload);
		current.handed_over = true;
	}
	else if (handler == NULL && delivery != NULL)
		jdg_exec_sql_value(command->text, command->command_id,
						   delivery->type, delivery->value, res);
	else if (command->kind == JDG_COMMAND_EVENT)
		jdg_exec_sql_value(command->text, command->command_id,
						   jdg_event_info_type(),
						   jdg_event_of_payload(payload), res);
	else if (handler == NULL)
		jdg_exec_sql(command->text, command->command_id, payload, res);
	else if (handler->kind == JDG_HANDLER_C)
	{
		*in_c = true;
		jdg_exec_c(handler, payload, res);
	}
	else
		jdg_exec_sql(jdg_handler_sql(handler), command->command_id,
					 payload, res);
	jdg_exec_check_rows(task->expect_rows, res->row_count);
	return payload;
}

/*
 * Runs the work of a task, inside its subtransaction if it has one.  Returns
 * with no active snapshot of its own.  Sets "in_c" if a handler in C did it.
 */
static void
execute(JdgTask *task, int index, TimestampTz preempt_at,
		JdgDelivery *delivery, JdgExecResult *res, JdgOutcome *o,
		bool *in_c)
{
	Jsonb	   *payload = NULL;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (delivery != NULL && delivery->make_task != NULL)
	{
		jdg_user_code_begin(task, index, preempt_at);
		jdg_event_make_task(delivery->make_task, delivery->current->event,
							delivery->current->topic, &delivery->task);
	}
	else
		payload = run_command(task, index, preempt_at, delivery, res, o, in_c);
	AfterTriggerFireDeferred();
	JDG_FAULT("task-ends");
	/* nobody cancelled it, but it has caught our cancel and gone another way */
	if (jdg_stop_reason() == JDG_STOP_PREEMPT && !QueryCancelPending)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("task is to run alone")));
	PortalHashTableDeleteAll();
	PopActiveSnapshot();
	/* large ones of a group would add up; a handler in C may return it */
	if (jdg_has_data_of_run(task) && !*in_c)
	{
		current.payload = NULL;
		pfree(payload);
	}
}

/*
 * Is the task to be run again, alone and uncharged?  That is so if it was
 * preempted, or if it had a conflict while other tasks were in the group
 * ("others").
 */
static bool
must_run_again_alone(const JdgOutcome *o, bool others)
{
	/* it may have turned the cancel into another error */
	if (jdg_stop_reason() == JDG_STOP_PREEMPT && o->end == JDG_END_FAILED)
		return true;
	return others && (o->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
					  o->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE);
}

/* Sets the outcome if a cancel was requested before the task began. */
static bool
end_if_cancelled(int index, JdgOutcome *o)
{
	if (jdg_my_slot->task[index].cancel == JDG_CANCEL_NONE)
		return false;
	o->finished_at = jdg_now();
	end_as_cancelled(o, index);
	jdg_my_slot->task[index].phase = JDG_TASK_DONE;
	return true;
}

/* An outcome without end, times or result. */
static void
init_outcome(JdgOutcome *o)
{
	memset(o, 0, sizeof(*o));
	o->started_at = DT_NOBEGIN;
	o->row_count = -1;
	o->worker_pid = MyProcPid;
}

/* May the task run without a subtransaction?  See above. */
static bool
may_be_fused(const JdgTask *task)
{
	return !task->isolate && task->transaction == JDG_XACT_COMMITTED &&
		jdg_command_is_safe(task->command_id) &&
		!jdg_must_run_alone(task->task_id);
}

/*
 * Ends the fused task that runs, or its subtransaction, after an error: aborts
 * either.  Returns the error in "mcxt".
 */
static ErrorData *
undo(bool fused, MemoryContext mcxt)
{
	ErrorData  *edata;

	JDG_FAULT("task-error");
	edata = jdg_take_error(mcxt);
	if (fused)
		AbortOutOfAnyTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(mcxt);
	return edata;
}

/*
 * Runs the work of a task, in a subtransaction unless it is fused.  Returns
 * its error, or NULL.  After an error of a fused task there is no transaction
 * any more.
 */
static ErrorData *
try_to_execute(JdgTask *task, int index, bool fused, TimestampTz preempt_at,
			   JdgDelivery *delivery, JdgExecResult *res, JdgOutcome *o,
			   bool *in_c)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile edata = NULL;
	int			level = NewGUCNestLevel();

	if (!fused)
		BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		execute(task, index, preempt_at, delivery, res, o, in_c);
		jdg_user_code_end();
		if (fused)
			CommandCounterIncrement();
		else
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		jdg_user_code_end();
		edata = undo(fused, mcxt);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	if (fused && edata)
		return edata;
	CurrentResourceOwner = owner;
	AtEOXact_GUC(false, level);
	return edata;
}

JdgRun
jdg_run_task(JdgTask *task, int index, TimestampTz preempt_at,
			 JdgDelivery *delivery, JdgOutcome *o)
{
	JdgExecResult res = {-1, NULL};
	bool		fused = may_be_fused(task);
	Oid			user = GetUserId(); /* not the owner, if its setting "role"
									 * says so */
	bool		in_c = false;
	ErrorData  *edata;

	init_outcome(o);
	if (end_if_cancelled(index, o))
		return JDG_RUN_ENDED;
	jdg_actor_state_before(task, fused);
	o->started_at = jdg_turn_began(task);
	begin_context(task, delivery);
	publish_begin(task, index, o->started_at);
	edata = try_to_execute(task, index, fused, preempt_at, delivery, &res, o,
						   &in_c);
	if (GetUserId() != user || GetSessionUserId() != task->owner)
		elog(FATAL, "a task left the session as another user");
	jdg_session_reset_task();
	if (edata)
	{
		jdg_outcome_of_error(o, edata);
		jdg_session_after_error();
	}
	o->finished_at = jdg_now();
	publish_end(index, o->finished_at - o->started_at);
	JDG_FAULT("task-done");
	jdg_log_end();
	jdg_current_task = NULL;
	jdg_quiet = false;
	/* preemption is no error of the command, and the task runs alone next */
	jdg_command_note_run(task->command_id, o->finished_at - o->started_at,
						 !in_c && (edata == NULL ||
								   jdg_stop_reason() == JDG_STOP_PREEMPT));

	if (edata == NULL && current.handed_over)
		o->end = JDG_END_HANDED;
	else if (edata == NULL && current.awaits_run != 0)
		o->end = JDG_END_AWAITS;
	else if (edata == NULL)
	{
		o->end = JDG_END_COMPLETED;
		o->row_count = res.row_count;
		o->result = task->flow_run ? res.result : jdg_json_cap(res.result);
	}
	else if (fused)
	{
		if (must_run_again_alone(o, preempt_at != 0))
			jdg_run_alone_next(task->task_id);
		return JDG_RUN_UNDONE;
	}
	else if (o->end == JDG_END_CANCELLED ||
			 jdg_my_slot->task[index].cancel != JDG_CANCEL_NONE)
		end_as_cancelled(o, index);
	else if (must_run_again_alone(o, preempt_at != 0))
		return JDG_RUN_ALONE;
	return JDG_RUN_ENDED;
}

void
jdg_run_standalone(JdgTask *task, JdgOutcome *o)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgExecResult res = {-1, NULL};
	const char *volatile sql = NULL;
	Jsonb	   *volatile payload = NULL;

	init_outcome(o);
	o->started_at = task->started_at;
	begin_context(task, NULL);
	publish_begin(task, 0, o->started_at);
	PG_TRY();
	{
		JdgHandler *h;
		const JdgCommand *command;

		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		MemoryContextSwitchTo(mcxt);
		command = command_of(task, &h, o);
		sql = pstrdup(h ? jdg_handler_sql(h) : command->text);
		pgstat_report_activity(STATE_RUNNING, sql);
		payload = jdg_task_payload(task, h, NULL);
		PopActiveSnapshot();
		CommitTransactionCommand();
		MemoryContextSwitchTo(mcxt);
		if (task->settings)
		{
			StartTransactionCommand();
			jdg_apply_settings(task->settings, true);
			CommitTransactionCommand();
			MemoryContextSwitchTo(mcxt);
		}
		jdg_user_code_begin(task, 0, 0);
		JDG_FAULT("standalone-begins");
		jdg_exec_standalone(sql, payload, &res);
		jdg_user_code_end();
		o->end = JDG_END_COMPLETED;
		o->row_count = res.row_count;
		o->result = task->flow_run ? res.result : jdg_json_cap(res.result);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		jdg_user_code_end();
		edata = jdg_take_error(mcxt);
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(mcxt);
		jdg_outcome_of_error(o, edata);
		jdg_session_after_error();
		if (o->end == JDG_END_CANCELLED ||
			jdg_my_slot->task[0].cancel != JDG_CANCEL_NONE)
			end_as_cancelled(o, 0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	o->finished_at = jdg_now();
	publish_end(0, o->finished_at - o->started_at);
	jdg_log_end();
	jdg_current_task = NULL;
	jdg_quiet = false;
}
