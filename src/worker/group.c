/*-------------------------------------------------------------------------
 *
 * group.c
 *	  One round of a worker: claim a group, run it, settle it, commit.
 *
 * All of that is one transaction, READ COMMITTED and read-write regardless of
 * the role's defaults.  A task that wants another isolation level runs alone
 * in a transaction of that level.  A standalone command takes three: its row
 * is marked and committed, the command runs at top level, its end is settled,
 * fenced by the attempt number.
 *
 * The crash table of doc/architecture.md lists the state after a crash at each
 * point.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "actor/state.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/flush.h"
#include "base/settings.h"
#include "base/spi.h"
#include "shared/database.h"
#include "shared/happening.h"
#include "shared/pool.h"
#include "shared/suspect.h"
#include "shared/wakeup.h"
#include "task/locktask.h"
#include "task/key.h"
#include "worker/worker.h"

/* maximum number of tasks in a group before one that has a subtransaction */
#define UNSAFE_MAX	32

static JdgGroup group = {.running = -1};

static bool charging = false;	/* the failed commit of a lone task, now */

/* a standalone command's row is marked, and its end not yet committed */
static bool standalone_open = false;

/* Raises NOT_INSTALLED if the extension does not exist. */
void
jdg_group_begin(int isolation)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = isolation;
	XactReadOnly = false;
	XactDeferrable = false;
	jdg_lock_extension();
	MemoryContextSwitchTo(jdg_group_context);
}

/*
 * Callback of jdg_claim().  Slow or special tasks form a group alone.  A group
 * holds as many tasks as should be done within its window, so that the others
 * are left to other workers, and fewer if they need subtransactions or if
 * steps will follow.
 */
static JdgJoin
join_group(const JdgTask *t, int n)
{
	static int64 expected = 0;
	static int	steps = 0;
	bool		alone = t->isolate || t->transaction != JDG_XACT_COMMITTED ||
	!jdg_command_is_quick(t->command_id) ||
	jdg_must_run_alone(t->task_id);

	if (n == 0)
		expected = steps = 0;
	expected += jdg_command_us(t->command_id);
	steps += t->flow_run != 0;
	if (n > 0 && !alone)
		alone = expected > (int64) (jdg_group_commit_window * 1000) ||
			steps > jdg_steps_to_claim() ||
			(n >= UNSAFE_MAX && !jdg_command_is_safe(t->command_id));
	if (!alone)
		return JDG_JOIN_YES;
	return n == 0 ? JDG_JOIN_LAST : JDG_JOIN_NO;
}

/*
 * Writes the ends of the tasks from "first" on that have an outcome.  Tasks
 * that may follow in this transaction go to "follow"; NULL: none may.
 */
static void
settle_group(int first, JdgFollow *follow)
{
	JdgTask    *tasks = palloc(sizeof(JdgTask) * JDG_GROUP_MAX);
	JdgOutcome *outcomes = palloc(sizeof(JdgOutcome) * JDG_GROUP_MAX);
	int			n = 0;

	for (int i = first; i < group.ran; i++)
	{
		tasks[n] = group.task[i];
		outcomes[n] = group.outcome[i];
		n += group.has_outcome[i];
	}
	jdg_actor_state_before(NULL, false);
	if (n == 0)
		return;
	pgstat_report_activity(STATE_RUNNING, "jadugar: settling tasks");
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_settle(tasks, outcomes, n, follow);
	jdg_log_flush();
	JDG_FAULT("settle-written");
	PopActiveSnapshot();
}

/* After a commit: update shared memory, wake others, reset the session. */
static void
after_commit(bool temp_used)
{
	JdgDb	   *db = jdg_my_db();
	int			done = 0;

	for (int i = 0; i < group.ran; i++)
	{
		done += group.has_outcome[i];
		if (group.has_outcome[i])
			jdg_run_alone_done(group.task[i].task_id);
	}
	jdg_turns_end(&group);
	jdg_slot_clear(jdg_my_slot);
	JDG_FAULT("slot-cleared");
	pg_memory_barrier();		/* the scheduler shows interest, then looks */
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->tasks_done += done;
	SpinLockRelease(&jdg_my_slot->mutex);
	pg_atomic_fetch_add_u64(&db->counters.groups, done > 0);
	if (pg_atomic_read_u32(&db->interest) != 0)
		jdg_db_wake(db, JDG_WAKE_RECHECK);
	/* an error from here on does not charge the committed tasks */
	group.n = group.ran = 0;
	jdg_log_forget();
	jdg_session_reset_group(temp_used);
	pgstat_report_stat(false);
}

/* Commits the transaction of the group, and updates shared memory. */
static void
commit_group(void)
{
	bool		temp_used =
	(MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0;

	JDG_FAULT("group-before-commit");
	CommitTransactionCommand();
	JDG_FAULT("group-committed");
	after_commit(temp_used);
}

/*
 * If ready tasks are left, makes sure that another worker or the scheduler
 * looks for them, since this worker will be busy.
 */
static void
ask_for_help(void)
{
	if (group.more && !jdg_pool_notify(MyDatabaseId, jdg_my_slot->owner))
		jdg_db_wake(jdg_my_db(), JDG_WAKE_WORK);
}

/*
 * The group ends early.  Tasks that have not run are released, except those
 * with a request to cancel: they get their outcome here.
 */
static void
settle_cancelled_rest(void)
{
	int			first = group.ran;

	jdg_slot_release_rest(jdg_my_slot, first);
	for (int i = first; i < group.n; i++)
	{
		group.has_outcome[i] = false;
		if (jdg_my_slot->task[i].cancel == JDG_CANCEL_NONE)
			continue;
		(void) jdg_run_task(&group.task[i], i, 0, NULL, &group.outcome[i]);
		group.has_outcome[i] = true;
		group.ran = i + 1;
	}
}

/*
 * Runs the tasks of the group from "first" on.  Returns false if the group
 * must end after them, even if further tasks follow.
 */
static bool
run_tasks(int first, TimestampTz start)
{
	int64		window = (int64) (jdg_group_commit_window * 1000);

	for (int i = first; i < group.n; i++)
	{
		JdgRun		r;

		if (i > 0 && (jdg_session_ends_group() ||
					  GetCurrentTimestamp() - start >= window ||
					  !jdg_turn_may_begin(&group, i)))
			return false;
		group.running = i;
		r = jdg_run_task(&group.task[i], i,
						 group.n > 1 ? start + Max(2 * window, 1000) : 0,
						 NULL, &group.outcome[i]);
		group.running = -1;
		group.ran = i + 1;
		group.undone = r == JDG_RUN_UNDONE;
		group.has_outcome[i] = r == JDG_RUN_ENDED;
		if (group.undone)
			return false;
		if (r == JDG_RUN_ALONE)
		{
			jdg_log_forget_task();
			jdg_run_alone_next(group.task[i].task_id);
			return false;
		}
		/* completed tasks do not wait for tasks that may fail next */
		if (group.outcome[i].end == JDG_END_FAILED ||
			jdg_key_may_be_kept(&group.task[i], &group.outcome[i]))
			return false;
	}
	return !jdg_session_ends_group() &&
		GetCurrentTimestamp() - start < window;
}

/*
 * Settles the tasks that ran, from "first" on.  If go_on, and unless the
 * worker is to leave, tasks that follow from them and may run in this
 * transaction join the group.
 */
static void
settle_and_follow(int first, bool go_on)
{
	static JdgFollow follow;
	JdgLimits	none = {0};

	follow.may_follow = jdg_step_may_follow;
	follow.mcxt = jdg_group_context;
	follow.max = JDG_GROUP_MAX - group.n;
	follow.n = follow.wanted = 0;
	settle_group(first, go_on && !jdg_my_slot->leave ? &follow : NULL);
	group.followers += follow.wanted;
	for (int i = 0; i < follow.n; i++)
	{
		group.task[group.n] = follow.task[i];
		group.task[group.n].turn_of = group.task[0].turn_of;
		group.task[group.n].weight = group.task[0].weight;
		group.task[group.n].limits = NULL;
		(void) jdg_slot_hold(jdg_my_slot, &follow.task[i], &none);
		group.n++;
	}
}

/*
 * The transaction was aborted, by the error of a fused task or before any task
 * ran: the group's tasks are ready again.  Requests to stop one of them are served
 * next; an administrator's cancel, which the slot does not have, is one for
 * the task that ran.
 */
static void
undo_group(void)
{
	JDG_FAULT("group-undone");
	jdg_requests_keep(0);
	if (group.ran > 0 && group.outcome[group.ran - 1].end == JDG_END_CANCELLED)
		jdg_requests_add(group.task[group.ran - 1].task_id, JDG_CANCEL_TASK,
						 group.outcome[group.ran - 1].by);
	jdg_slot_clear(jdg_my_slot);
	jdg_log_forget();
	jdg_session_reset_group(true);
	group.n = group.ran = 0;
	pgstat_report_stat(false);
}

/* Is the first task to run alone, so that none may follow it? */
static bool
is_alone(void)
{
	return group.n == 1 && (group.task[0].isolate ||
							jdg_must_run_alone(group.task[0].task_id));
}

/* Runs and settles the claimed tasks and those that follow, and commits. */
static void
run_group(void)
{
	TimestampTz start = GetCurrentTimestamp();
	bool		alone = is_alone();
	int			first = 0;
	int			claimed = group.n;

	ask_for_help();
	JDG_FAULT("group-begins");
	/* its task must survive a crash of the server, to be charged */
	if (group.n > 0 && !jdg_command_is_quick(group.task[0].command_id))
		jdg_flush_wal();
	for (;;)
	{
		int			next = group.n;
		bool		go_on;

		go_on = run_tasks(first, start) && !alone;
		if (group.undone)
		{
			undo_group();
			return;
		}
		settle_cancelled_rest();
		settle_and_follow(first, go_on);
		if (!go_on)
			jdg_steps_write(&group, first);
		if (group.n == next)
			break;
		first = next;
	}
	jdg_steps_note(claimed, group.followers);
	commit_group();
}

/*
 * Runs a task with an isolation level of its own, in a transaction of that
 * level.  Between the two transactions the task stays in the slot: a session
 * that waits for it must find it there before the second one takes its only
 * snapshot, see resolve.c.
 */
static void
run_isolated_level(void)
{
	int64		task_id = group.task[0].task_id;
	int			level = group.task[0].transaction == JDG_XACT_SERIALIZABLE ?
	XACT_SERIALIZABLE : XACT_REPEATABLE_READ;

	jdg_slot_release_rest(jdg_my_slot, 0);
	if (jdg_my_slot->task[0].cancel != JDG_CANCEL_NONE)
	{
		run_group();
		return;
	}
	ask_for_help();
	CommitTransactionCommand();
	MemoryContextReset(jdg_group_context);
	jdg_group_begin(level);
	group.n = jdg_claim_one(jdg_my_slot, task_id, &group.task[0],
							jdg_group_context) ? 1 : 0;
	group.more = false;
	if (group.n == 1)
		run_group();
	else
		commit_group();
}

/* Marks the row as running, with its start time; false: it does not exist. */
static bool
mark_standalone(JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET state = "
		JDG_SQL_STANDALONE ", started_at = $2 "
		"WHERE task_id = $1", 2, {INT8OID, TIMESTAMPTZOID}
	};
	JdgInternal in;
	Datum		v[2];
	bool		ok;

	t->started_at = jdg_turn_began(t);
	v[0] = Int64GetDatum(t->task_id);
	v[1] = TimestampTzGetDatum(t->started_at);
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	ok = jdg_run(&q, v, NULL, 0) == 1;
	jdg_internal_end(&in);
	PopActiveSnapshot();
	return ok;
}

/*
 * Settles a standalone command in a transaction of its own.  If the row has
 * changed since this attempt marked it, another process has settled it: then
 * only writes the log entries.
 */
static void
settle_standalone(void)
{
	JdgInternal in;
	JdgTask		now;

	jdg_group_begin(XACT_READ_COMMITTED);
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	jdg_task_wait_for_row(group.task[0].task_id);
	if (jdg_task_load(group.task[0].task_id, true, &now, jdg_group_context) &&
		now.state == JDG_STATE_STANDALONE &&
		now.attempt == group.task[0].attempt &&
		now.started_at == group.task[0].started_at)
		jdg_settle(&now, &group.outcome[0], 1, NULL);
	else
		ereport(WARNING,
				(errmsg("task %lld was settled by another process",
						(long long) group.task[0].task_id)));
	jdg_log_flush();
	jdg_internal_end(&in);
	PopActiveSnapshot();
	JDG_FAULT("standalone-settled");
	commit_group();
	standalone_open = false;
}

/* Marks the row and commits, runs the command, and settles it. */
static void
run_standalone(void)
{
	bool		ok = mark_standalone(&group.task[0]);

	ask_for_help();
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->task[0].standalone = true;
	SpinLockRelease(&jdg_my_slot->mutex);
	JDG_FAULT("standalone-before-mark");
	CommitTransactionCommand();
	jdg_flush_wal();
	standalone_open = ok;
	JDG_FAULT("standalone-marked");
	MemoryContextSwitchTo(jdg_group_context);
	if (!ok)
		elog(ERROR, "a claimed task was not there any more");
	if (jdg_my_slot->task[0].cancel != JDG_CANCEL_NONE)
	{
		memset(&group.outcome[0], 0, sizeof(JdgOutcome));
		group.outcome[0].end =
			jdg_my_slot->task[0].cancel == JDG_CANCEL_PAUSE ?
			JDG_END_PAUSED : JDG_END_CANCELLED;
		group.outcome[0].reason = "cancelled";
		group.outcome[0].by = jdg_my_slot->task[0].cancelled_by;
		group.outcome[0].started_at = DT_NOBEGIN;
		group.outcome[0].finished_at = jdg_now();
		group.outcome[0].row_count = -1;
	}
	else
		jdg_run_standalone(&group.task[0], &group.outcome[0]);
	JDG_FAULT("standalone-done");
	group.ran = 1;
	group.has_outcome[0] = true;
	jdg_session_reset_all();
	MemoryContextSwitchTo(jdg_group_context);
	settle_standalone();
}

/* Charges a lone task whose transaction could not commit. */
static void
charge_failed_commit(void)
{
	JdgFailed	failed;

	jdg_failed_take(&failed);
	charging = true;
	jdg_group_begin(XACT_READ_COMMITTED);
	group.n = jdg_claim_one(jdg_my_slot, failed.task_id, &group.task[0],
							jdg_group_context) ? 1 : 0;
	if (group.n == 1 && group.task[0].attempt == failed.attempt)
	{
		group.outcome[0] = failed.outcome;
		group.has_outcome[0] = true;
		group.ran = 1;
		settle_group(0, NULL);
	}
	JDG_FAULT("failed-commit-charged");
	commit_group();
	charging = false;
}

/* Serves a request to stop a task of a group that was rolled back. */
static void
serve_request(void)
{
	jdg_group_begin(XACT_READ_COMMITTED);
	jdg_requests_serve();
	JDG_FAULT("request-served");
	CommitTransactionCommand();
	jdg_requests_served();
}

bool
jdg_group_is_owed(void)
{
	return jdg_requests_pending() || jdg_failed_pending() != 0;
}

bool
jdg_group_run(void)
{
	MemoryContextReset(jdg_group_context);
	memset(&group, 0, offsetof(JdgGroup, task));
	group.running = -1;
	if (jdg_requests_pending())
	{
		serve_request();
		return true;
	}
	if (jdg_failed_pending() != 0)
	{
		charge_failed_commit();
		return true;
	}
	jdg_group_begin(XACT_READ_COMMITTED);
	group.n = jdg_claim(jdg_my_slot, jdg_my_slot->owner, JDG_CARRIER_WORKER,
						group.task, JDG_GROUP_MAX, join_group, jdg_group_context,
						&group.more);
	if (group.n == 0)
	{
		CommitTransactionCommand();
		pgstat_report_stat(false);
		return false;
	}
	if (jdg_my_slot->leave || !jdg_turn_may_begin(&group, 0))
	{
		/*
		 * Asked to leave since it last looked, perhaps by ALTER ROLE: a task
		 * that was enqueued after that must not run with the old settings.
		 */
		AbortCurrentTransaction();
		undo_group();
		return true;
	}
	SpinLockAcquire(&jdg_my_slot->mutex);
	jdg_my_slot->state = JDG_SLOT_BUSY;
	/* a session took this worker for idle: its task needs another one */
	group.more |= jdg_my_slot->wake;
	SpinLockRelease(&jdg_my_slot->mutex);
	switch (group.task[0].transaction)
	{
		case JDG_XACT_STANDALONE:
			run_standalone();
			break;
		case JDG_XACT_REPEATABLE:
		case JDG_XACT_SERIALIZABLE:
			run_isolated_level();
			break;
		default:
			run_group();
			break;
	}
	return true;
}

bool
jdg_group_failed(ErrorData *edata)
{
	/* an error that has left jdg_run_task() is the error of that task */
	bool		was_alone = group.running == 0 ||
	(group.running < 0 && group.ran == 1 && group.has_outcome[0]);
	bool		accounted = group.ran > 1;

	/* an error before PG_TRY in jdg_run_task() leaves the note in place */
	jdg_suspect_end();
	if (standalone_open)
	{
		/* the scheduler settles a standalone task only if its worker died */
		SpinLockAcquire(&jdg_my_slot->mutex);
		jdg_my_slot->current = 0;
		SpinLockRelease(&jdg_my_slot->mutex);
		ereport(FATAL,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("worker ends because it could not settle task %lld",
						(long long) group.task[0].task_id)));
	}
	for (int i = 0; i < group.ran; i++)
		jdg_run_alone_next(group.task[i].task_id);
	if (group.running >= 0)
	{
		jdg_run_alone_next(group.task[group.running].task_id);
		accounted = true;
	}
	if (was_alone && group.task[0].transaction != JDG_XACT_STANDALONE &&
		jdg_failed_note(&group.task[0], &group.outcome[0], edata))
		accounted = !charging;
	charging = false;
	jdg_requests_keep(jdg_failed_pending());
	jdg_slot_clear(jdg_my_slot);
	jdg_log_end();
	jdg_log_forget();
	jdg_current_task = NULL;
	jdg_quiet = false;
	jdg_session_reset_group(true);
	group.n = group.ran = 0;
	group.running = -1;
	return accounted;
}
