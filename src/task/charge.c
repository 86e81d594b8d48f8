/*-------------------------------------------------------------------------
 *
 * charge.c
 *	  Settles tasks whose worker process ended while it ran them.
 *
 * Runs in the scheduler.  There are three sources.  A slot in state DEAD: its
 * worker ended alone, terminated or by a FATAL error.  After a crash of the
 * whole server: the notes of shared/suspect.h, and rows in state x that no
 * process holds.  And a process that sent requests has ended: such rows, too.
 * The row is locked, settled and committed; the slot or the note is cleared
 * only afterwards.  A scheduler that dies in between charges the task again
 * rather than never.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/module.h"
#include "base/settings.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "handler/handler.h"
#include "shared/database.h"
#include "shared/feed.h"
#include "shared/guard.h"
#include "shared/pool.h"
#include "shared/slot.h"
#include "shared/suspect.h"
#include "shared/work.h"
#include "task/charge.h"
#include "task/settle.h"
#include "task/target.h"
#include "task/wakeup.h"

/* between the end of a worker and the charge, in ms */
#define SHUTDOWN_PAUSE 50L
/* until a row that was locked is looked at again */
#define LOCKED_PAUSE (100 * INT64CONST(1000))

/*
 * Has a process crashed the server that sent requests?  Then those which were
 * under way are guilty.
 */
static bool requests_guilty = false;

static Jsonb *
crash_error(const char *message)
{
	ErrorData	edata;

	memset(&edata, 0, sizeof(edata));
	edata.sqlerrcode = JDG_ERRCODE_WORKER_CRASHED;
	edata.message = unconstify(char *, message);
	return jdg_error_to_jsonb(&edata, NULL);
}

/*
 * Sets an outcome with the given end, finished now, with the error
 * WORKER_CRASHED and without a row count.
 */
static void
init_outcome(JdgOutcome *o, JdgEnd end, TimestampTz started, pid_t pid)
{
	memset(o, 0, sizeof(*o));
	o->end = end;
	o->started_at = started;
	o->finished_at = jdg_now();
	o->worker_pid = pid;
	o->row_count = -1;
	o->sqlerrcode = JDG_ERRCODE_WORKER_CRASHED;
	o->error = crash_error("the worker process ended while it ran the task");
}

/*
 * Settles one task if its row is still at this attempt.  Returns false if
 * another transaction has locked the row.
 */
static bool
charge_task(int64 task_id, int attempt, JdgOutcome *o)
{
	JdgTask		t;

	if (!jdg_task_load(task_id, true, &t, CurrentMemoryContext))
		return !jdg_task_load(task_id, false, &t, CurrentMemoryContext);
	if (t.attempt != attempt)
	{
		jdg_task_unchanged(&t);
		return true;
	}
	if (t.state == JDG_STATE_STANDALONE && o->end == JDG_END_CRASHED)
		o->end = JDG_END_LOST;
	else if (t.state != JDG_STATE_STANDALONE && t.state != JDG_STATE_READY &&
			 t.state != JDG_STATE_KEY)
		return true;
	if (o->started_at == DT_NOBEGIN)
		o->started_at = t.started_at;
	jdg_handler_hooks(t.command_id, CurrentMemoryContext, &o->cleanup,
					  &o->on_error);
	jdg_settle(&t, o, 1, NULL);
	return true;
}

/*
 * Sets the outcome of the task that a dead worker was running: cancelled or
 * paused if that was requested, failed if it passed its deadline, else
 * crashed.
 */
static void
outcome_of_dead_slot(const JdgSlot *slot, JdgOutcome *o)
{
	const JdgSlotTask *st = &slot->task[slot->current];

	init_outcome(o, JDG_END_CRASHED, slot->task_started_at, 0);
	o->guilty = true;
	if (st->cancel != JDG_CANCEL_NONE)
	{
		o->end = st->cancel == JDG_CANCEL_PAUSE ? JDG_END_PAUSED :
			JDG_END_CANCELLED;
		o->reason = st->cancel == JDG_CANCEL_REPLACED ? "replaced" :
			"cancelled";
		o->by = st->cancelled_by;
		o->error = NULL;
		o->sqlerrcode = 0;
	}
	else if (st->cancel == JDG_CANCEL_PAUSE)
		o->end = JDG_END_PAUSED;
	else if (slot->timed_out)
	{
		o->end = JDG_END_FAILED;
		o->sqlerrcode = JDG_ERRCODE_TASK_TIMEOUT;
		o->error = crash_error("the task ran past its deadline and did not stop when cancelled");
	}
}

/*
 * A server that shuts down terminates its workers and then the scheduler;
 * such an end is no crash.  So a worker that has ended is examined a moment
 * later, if the scheduler still runs.
 */
static void
outlive_shutdown(void)
{
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 SHUTDOWN_PAUSE, jdg_wait_scheduler());
	CHECK_FOR_INTERRUPTS();
}

/*
 * The tasks that a dead worker held and had not started are ready again.
 * This function cancels or pauses those for which that was requested.
 * Returns false if another transaction has locked one of their rows.
 */
static bool
cancel_rest(const JdgSlot *slot)
{
	bool		done = true;

	for (int i = 0; i < slot->ntasks; i++)
	{
		const JdgSlotTask *st = &slot->task[i];
		JdgOutcome	o;

		if (i == slot->current || st->cancel == JDG_CANCEL_NONE)
			continue;
		init_outcome(&o, JDG_END_CANCELLED, DT_NOBEGIN, 0);
		o.reason = st->cancel == JDG_CANCEL_REPLACED ? "replaced" : "cancelled";
		o.by = st->cancelled_by;
		o.error = NULL;
		o.sqlerrcode = 0;
		if (st->cancel == JDG_CANCEL_PAUSE)
			o.end = JDG_END_PAUSED;
		done &= charge_task(st->task_id, st->attempt, &o);
	}
	return done;
}

/* Charges a call that has no task, by the module that made it. */
static void
charge_call(const JdgCall *call)
{
	jdg_work_begin();
	jdg_foreach_module(module)
	{
		if (module->died)
			module->died(call);
	}
	JDG_FAULT("delivery-charge-before-commit");
	jdg_work_end();
}

/*
 * Settles the tasks of a dead worker.  Returns false if a row was locked, so
 * that the slot stays as it is.
 */
static bool
charge_slot(int64 index)
{
	JdgSlot    *slot = &jdg_slots[index];
	JdgOutcome	o;
	bool		done;

	/* no other process touches a dead slot of this database */
	if (slot->task[slot->current].call.subscription_id != 0)
	{
		charge_call(&slot->task[slot->current].call);
		jdg_feeds_release_slot(MyDatabaseId, (int) index);
		jdg_pool_release_slot((int) index);
		/* the pool may have looked before, if the first charge failed */
		jdg_db_wake(jdg_my_db(), JDG_WAKE_WORK);
		return true;
	}
	jdg_work_begin();
	outcome_of_dead_slot(slot, &o);
	done = charge_task(slot->task[slot->current].task_id,
					   slot->task[slot->current].attempt, &o);
	done &= cancel_rest(slot);
	JDG_FAULT("charge-before-commit");
	jdg_work_end();
	JDG_FAULT("charge-committed");
	if (!done)
		return false;
	if (slot->task[slot->current].limited &&
		(o.end == JDG_END_CRASHED || o.end == JDG_END_LOST ||
		 o.end == JDG_END_FAILED))
		(void) jdg_gates_ended(&slot->task[slot->current].places,
							   JDG_BREAKER_FAILED, 0);
	jdg_pool_release_slot((int) index);
	return true;
}

/* Charges a task that ran when the server went down. */
static bool
charge_suspect(int64 index)
{
	JdgSuspect	s;
	JdgOutcome	o;

	if (jdg_suspect_next((int) index - 1, &s) != index)
		return true;
	if (s.call.subscription_id != 0)
	{
		charge_call(&s.call);
		jdg_suspect_clear((int) index);
		return true;
	}
	jdg_work_begin();
	init_outcome(&o, JDG_END_CRASHED, s.started_at, s.pid);
	o.guilty = true;
	(void) charge_task(s.task_id, s.attempt, &o);
	JDG_FAULT("crash-charge-before-commit");
	jdg_work_end();
	JDG_FAULT("crash-charge-committed");
	jdg_suspect_clear((int) index);
	return true;
}

/*
 * Charges a slot, a note or an orphan.  An error does not keep the others from
 * being charged.  The first is returned in *failed, the next are logged.
 */
static bool
try_charge(bool (*charge) (int64 which), int64 which, ErrorData **failed)
{
	MemoryContext mcxt = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		done = charge(which);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_abort_xact(mcxt);

		if (edata->sqlerrcode == JDG_ERRCODE_NOT_INSTALLED)
			ReThrowError(edata);
		if (*failed == NULL)
			*failed = edata;
		else
			ereport(LOG,
					(errmsg("jadugar could not settle a task whose worker ended: %s",
							edata->message)));
	}
	PG_END_TRY();
	return done;
}

/*
 * Settles the tasks of this database's dead workers.  Returns when to try
 * again those with a locked row, DT_NOEND if there are none.  No worker
 * claims such a task meanwhile, so the lock belongs to the dying worker or to
 * a session.
 */
static TimestampTz
charge_dead(JdgDb *db)
{
	TimestampTz next = DT_NOEND;
	ErrorData  *failed = NULL;
	bool		paused = false;

	for (int i = 0; i < jdg_max_workers; i++)
	{
		JdgSlot    *slot = &jdg_slots[i];

		if (slot->state != JDG_SLOT_DEAD || slot->dboid != db->dboid)
			continue;
		if (!paused)
			outlive_shutdown();
		paused = true;
		if (!try_charge(charge_slot, i, &failed))
			next = jdg_now() + LOCKED_PAUSE;
	}
	if (failed != NULL)
		ReThrowError(failed);
	return next;
}

/*
 * Charges a task in state x that no process holds.  A process sets its slot
 * before the row, so the slots are read after it; and again once it is locked,
 * since until then the task may have been settled, and have begun again, with
 * the same attempt.  Returns false if another transaction has locked the row.
 */
static bool
charge_orphan(int64 task_id)
{
	bool		done = true;
	JdgTask		t;
	JdgOutcome	o;

	jdg_work_begin();
	if (jdg_task_load(task_id, false, &t, CurrentMemoryContext) &&
		t.state == JDG_STATE_STANDALONE &&
		!jdg_slot_find_task(MyDatabaseId, task_id, NULL))
	{
		done = jdg_task_load(task_id, true, &t, CurrentMemoryContext);
		if (done && t.state == JDG_STATE_STANDALONE &&
			!jdg_slot_find_task(MyDatabaseId, task_id, NULL))
		{
			init_outcome(&o, JDG_END_LOST, DT_NOBEGIN, 0);
			o.guilty = requests_guilty && t.endpoint_id != 0;
			o.no_retry = jdg_target_sent_once(&t);
			(void) charge_task(task_id, t.attempt, &o);
		}
		else if (done)
			jdg_task_unchanged(&t);
		else
			done = !jdg_task_load(task_id, false, &t, CurrentMemoryContext);
	}
	JDG_FAULT("orphan-charge-before-commit");
	jdg_work_end();
	return done;
}

/* The requests that were under way are charged. */
static void
forget_requests(void)
{
	JdgSuspect	s;

	for (int i = jdg_suspect_next(-1, &s); i >= 0; i = jdg_suspect_next(i, &s))
	{
		if (jdg_suspect_is_requests(&s))
			jdg_suspect_clear(i);
	}
	requests_guilty = false;
}

/* All tasks in state x that no process holds; false: some are left. */
static bool
charge_orphans(ErrorData **failed)
{
	bool		done = true;
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task WHERE state = "
		JDG_SQL_STANDALONE " ORDER BY task_id", 0
	};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		n;
	int64	   *ids;

	jdg_work_begin();
	n = jdg_run(&q, NULL, NULL, 0);
	ids = jdg_col_int64s(n, 1, mcxt);
	jdg_work_end();
	for (int64 i = 0; i < n; i++)
		done &= try_charge(charge_orphan, ids[i], failed);
	if (done)
		forget_requests();
	return done;
}

/*
 * Tasks that ran when the server went down: notes, then rows in state x.  Those
 * that are left come with those that a process leaves.
 */
static void
charge_after_crash(JdgDb *db)
{
	JdgSuspect	s;
	ErrorData  *failed = NULL;

	for (int i = jdg_suspect_next(-1, &s); i >= 0; i = jdg_suspect_next(i, &s))
	{
		if (jdg_suspect_is_requests(&s))
			requests_guilty = true;
		else
			(void) try_charge(charge_suspect, i, &failed);
	}
	if (!charge_orphans(&failed))
		pg_atomic_write_u32(&db->orphans, 1);
	if (failed != NULL)
		ReThrowError(failed);
}

/*
 * A process that sent requests has ended, and has left some.  Returns when to
 * try again those with a locked row, DT_NOEND if there are none.
 */
static TimestampTz
charge_left(JdgDb *db)
{
	ErrorData  *failed = NULL;
	bool		done = charge_orphans(&failed);

	if (!done)
		pg_atomic_write_u32(&db->orphans, 1);
	if (failed != NULL)
		ReThrowError(failed);
	return done ? DT_NOEND : jdg_now() + LOCKED_PAUSE;
}

TimestampTz
jdg_charge(JdgDb *db, uint32 why)
{
	static bool started = false;
	TimestampTz next = DT_NOEND;

	if (!started)
		charge_after_crash(db);
	started = true;
	if (pg_atomic_exchange_u32(&db->orphans, 0) != 0)
		next = charge_left(db);
	return Min(next, charge_dead(db));
}

/* A role does not exist any more, so its tasks can never run. */
void
jdg_charge_tasks_of_role(Oid owner)
{
	static JdgQuery q = {
		"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
		"WHERE owner = $1 "
		"AND state <> "
		JDG_SQL_STANDALONE " ORDER BY task_id LIMIT 500 FOR UPDATE SKIP LOCKED",
		1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(owner)};
	int64		n;

	do
	{
		JdgTask    *tasks;
		JdgOutcome *o;

		jdg_work_begin();
		n = jdg_run(&q, v, NULL, 0);
		tasks = jdg_task_from_rows(n, CurrentMemoryContext);
		o = palloc(sizeof(JdgOutcome) * Max(n, 1));
		for (int64 i = 0; i < n; i++)
		{
			init_outcome(&o[i], JDG_END_DISCARDED, DT_NOBEGIN, 0);
			o[i].reason = "owner_missing";
			o[i].sqlerrcode = ERRCODE_UNDEFINED_OBJECT;
			o[i].error = crash_error("the role that owned the task no longer exists");
		}
		if (n > 0)
			jdg_settle(tasks, o, (int) n, NULL);
		jdg_work_end();
	} while (n == 500);
}
