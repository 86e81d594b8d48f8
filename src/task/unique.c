/*-------------------------------------------------------------------------
 *
 * unique.c
 *	  Unique keys: which task has one, and which one waits for it.
 *
 * Runs in sessions that enqueue, in processes that settle tasks, and in the
 * scheduler.
 *
 * A key has one row, jadugar_internal.unique_key, and its primary key decides
 * between transactions.  The row names the task that was enqueued last, and
 * the task that ran when that one took the key over (on_conflict => 'next').
 * The key is in use while one of them is unfinished, or unique_for holds it.
 *
 * Whether the holder of a key runs is not a committed fact.  The session locks
 * the row of the key first, then tries the row of the task.  If it gets that
 * lock, the task does not run, and cannot begin before the session commits.
 * If a worker has the task in its slot, it runs.  Nobody who settles a task
 * waits for the row of a key: that transaction may be long, and the worker
 * has other tasks.  If that transaction then rolls back, the row names a task
 * that is over.  The next one who wants the key deletes such a row, and so
 * does the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/row_access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "shared/suspect.h"
#include "shared/wakeup.h"
#include "shared/work.h"
#include "task/locktask.h"
#include "task/unique.h"
#include "task/wakeup.h"

/* the scheduler: rows of a batch, length of a turn, time between two passes */
#define SWEEP_BATCH		1000
#define SWEEP_TURN_US	(50 * 1000L)
#define SWEEP_PAUSE_US	(60 * USECS_PER_SEC)

/* the row of a key */
typedef struct Key
{
	int64		task_id;
	int64		holder;			/* the unfinished one of its two tasks, the
								 * later one if both are; 0: none */
	bool		in_force;		/* unique_for has not passed */
} Key;

#define KEY_COLUMNS \
	"k.task_id, CASE WHEN EXISTS (SELECT 1 FROM jadugar_internal.task t " \
	"WHERE t.task_id = k.task_id OFFSET 0) THEN k.task_id " \
	"WHEN EXISTS (SELECT 1 FROM jadugar_internal.task t " \
	"WHERE t.task_id = k.predecessor OFFSET 0) THEN k.predecessor END, " \
	"coalesce(k.until > $now, false)"

#define OF_KEY \
	"owner = $owner AND queue_id = $queue_id AND key = $key"

static void
bind_key(JdgParams *p, const JdgTask *t)
{
	jdg_bind_oid(p, "owner", t->owner);
	jdg_bind_int32(p, "queue_id", t->queue_id);
	jdg_bind_text(p, "key", t->unique_key);
}

/*
 * Inserts the task's unique key; false if it exists.  Waits for a transaction
 * that has inserted the same key.
 */
static bool
insert_key(const JdgTask *t, TimestampTz until)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.unique_key (owner, queue_id, key, task_id, "
		"until) VALUES ($owner, $queue_id, $key, $task_id, $until) "
		"ON CONFLICT DO NOTHING"
	};
	JdgParams	p = {0};

	bind_key(&p, t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_time(&p, "until", until);
	return jdg_run_params(&q, &p, 0) == 1;
}

/* Reads the row of the task's key; false: there is none. */
static bool
read_key(const JdgTask *t, Key *key)
{
	static JdgQuery q = {
		"SELECT " KEY_COLUMNS " FROM jadugar_internal.unique_key k WHERE k."
		"owner = $owner AND k.queue_id = $queue_id AND k.key = $key"
	};
	JdgParams	p = {0};

	bind_key(&p, t);
	jdg_bind_instant(&p, "now", jdg_now());
	if (jdg_run_params(&q, &p, 0) == 0)
		return false;
	key->task_id = jdg_col_int64(0, 1, 0);
	key->holder = jdg_col_int64(0, 2, 0);
	key->in_force = jdg_col_bool(0, 3);
	return true;
}

/* Locks the row of the task's key; false: there is none.  Waits. */
static bool
lock_key(const JdgTask *t)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.unique_key WHERE " OF_KEY " FOR UPDATE"
	};
	JdgParams	p = {0};

	bind_key(&p, t);
	return jdg_run_params(&q, &p, 0) > 0;
}

/* Deletes the row of the task's key if it names the task "task_id". */
static void
delete_key(const JdgTask *t, int64 task_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.unique_key WHERE " OF_KEY
		" AND task_id = $task_id"
	};
	JdgParams	p = {0};

	bind_key(&p, t);
	jdg_bind_int64(&p, "task_id", task_id);
	jdg_run_params(&q, &p, 0);
}

int64
jdg_unique_key_take(const JdgTask *t, TimestampTz until)
{
	Assert(jdg_is_bookkeeping());
	for (;;)
	{
		Key			key;

		CHECK_FOR_INTERRUPTS();
		if (insert_key(t, until))
			return 0;
		if (!read_key(t, &key))
			continue;
		if (key.holder != 0)
			return key.holder;
		if (key.in_force)
			return key.task_id;
		delete_key(t, key.task_id);
	}
}

/* The task takes its key, whose row is locked, over from one that runs. */
static void
take_over(const JdgTask *t, int64 runs, TimestampTz until)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.unique_key SET task_id = $task_id, "
		"predecessor = $runs, until = coalesce($until, until) WHERE " OF_KEY
	};
	JdgParams	p = {0};

	bind_key(&p, t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_int64(&p, "runs", runs);
	jdg_bind_time(&p, "until", until);
	jdg_run_params(&q, &p, 0);
}

/*
 * Has an attempt of a task begun that has not ended, or that has ended with
 * the server and has not been charged?  If not, this transaction has locked
 * the task's row, unless the task is gone.
 */
static JdgHold
hold_or_runs(int64 task_id)
{
	JdgTask		task;
	JdgHold		hold;

	/* nobody holds such a task, and it shall not be held up */
	if ((jdg_task_load(task_id, false, &task, CurrentMemoryContext) &&
		 jdg_task_is_begun(&task)) ||
		jdg_suspect_holds(MyDatabaseId, task_id))
		return JDG_HOLD_RUNNING;
	hold = jdg_task_hold(task_id, &task, CurrentMemoryContext);
	if (hold != JDG_HOLD_LOCKED)
		return hold;
	jdg_task_unchanged(&task);
	/* the scheduler may pass over it meanwhile */
	if (task.state == JDG_STATE_DEPENDENCY || task.state == JDG_STATE_KEY)
		jdg_recheck_at_commit(task_id, false);
	return jdg_task_is_begun(&task) ? JDG_HOLD_RUNNING : JDG_HOLD_LOCKED;
}

void
jdg_unique_key_check(const JdgTask *t, int64 holder, bool acts)
{
	Oid			caller = jdg_section_caller();
	JdgTask		task;

	if (jdg_confined(caller) == NULL ||
		jdg_task_look(holder, caller, &task, CurrentMemoryContext) != JDG_TASK_HIDDEN)
		return;
	if (acts || task.task_id != holder ||
		jdg_row_access(caller, task.owner, task.tenant) == JDG_ROW_HIDDEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("unique_key \"%s\" is already in use", t->unique_key),
				 errdetail("A task of another tenant has it."),
				 errhint("Begin the keys of each tenant with its name.")));
}

int64
jdg_unique_key_take_next(const JdgTask *t, int64 self, TimestampTz until,
						 int64 *runs)
{
	Assert(jdg_is_bookkeeping());
	*runs = 0;
	for (;;)
	{
		Key			key;
		JdgHold		hold = JDG_HOLD_GONE;

		CHECK_FOR_INTERRUPTS();
		if (insert_key(t, until))
			return 0;
		if (!lock_key(t) || !read_key(t, &key))
			continue;
		if (key.holder != 0)
			hold = key.holder == self ? JDG_HOLD_RUNNING :
				hold_or_runs(key.holder);
		switch (hold)
		{
			case JDG_HOLD_LOCKED:
				return key.holder;
			case JDG_HOLD_RUNNING:
				take_over(t, key.holder, until);
				*runs = key.holder;
				return 0;
			case JDG_HOLD_GONE:
				break;
		}
		/* the holder may have ended since the row was read */
		if (!read_key(t, &key) || key.holder != 0)
			continue;
		if (key.in_force)
			return key.task_id;
		delete_key(t, key.task_id);
	}
}

/*
 * Deletes the row of the key of a task that is over, if its other task is, too.
 * Returns false if the row stays although unique_for does not hold it: it is
 * locked, or this task was to run after one that is unfinished.
 */
static bool
release_shared(const JdgTask *t, TimestampTz now)
{
	static JdgQuery look = {
		"SELECT coalesce(until > $now, false) FROM jadugar_internal.unique_key "
		"WHERE " OF_KEY " AND (task_id = $task_id OR predecessor = $task_id)"
	};
	static JdgQuery lock = {
		"SELECT 1 FROM jadugar_internal.unique_key WHERE " OF_KEY
		" AND (task_id = $task_id OR predecessor = $task_id) "
		"FOR UPDATE SKIP LOCKED"
	};
	JdgParams	p = {0};
	JdgParams	with_now = {0};
	Key			key;

	bind_key(&p, t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	bind_key(&with_now, t);
	jdg_bind_int64(&with_now, "task_id", t->task_id);
	jdg_bind_instant(&with_now, "now", now);
	if (jdg_run_params(&look, &with_now, 0) == 0 || jdg_col_bool(0, 1))
		return true;
	if (jdg_run_params(&lock, &p, 0) == 0 || !read_key(t, &key))
		return false;
	/* from here on the row does not change */
	if (key.holder == 0)
		delete_key(t, key.task_id);
	return key.holder == 0 || key.task_id != t->task_id;
}

void
jdg_unique_key_release(const JdgTask *t, TimestampTz now)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.unique_key WHERE (owner, queue_id, key) = "
		"(SELECT owner, queue_id, key FROM jadugar_internal.unique_key "
		"WHERE " OF_KEY " AND task_id = $task_id AND predecessor IS NULL "
		"AND (until IS NULL OR until <= $now) FOR UPDATE SKIP LOCKED)"
	};
	JdgParams	p = {0};

	Assert(jdg_is_bookkeeping());
	bind_key(&p, t);
	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_instant(&p, "now", now);
	if (jdg_run_params(&q, &p, 0) == 0 && !release_shared(t, now))
		jdg_wake_scheduler_at_commit(JDG_WAKE_UNIQUE);
}

/* how far the scheduler is with a pass over all keys */
typedef struct Sweep
{
	bool		active;
	bool		wanted;			/* another pass */
	TimestampTz not_before;		/* begin of the next pass */
	Oid			owner;			/* the last key of the batch before */
	int32		queue_id;
	char		key[JDG_KEY_BYTES_MAX + 1];
} Sweep;

static Sweep sweep;

/* Examines a batch of keys; false: none is left.  A transaction of its own. */
static bool
sweep_batch(void)
{
	static JdgQuery q = {
		"SELECT k.owner, k.queue_id, k.key, k.task_id, k.until IS NULL "
		"OR k.until <= $now, EXISTS (SELECT 1 FROM jadugar_internal.task t "
		"WHERE t.task_id = k.task_id OFFSET 0) "
		"FROM jadugar_internal.unique_key k "
		"WHERE (k.owner, k.queue_id, k.key) > ($owner, $queue_id, $key) "
		"ORDER BY k.owner, k.queue_id, k.key LIMIT $n"
	};
	JdgParams	p = {0};
	int64		n;
	int			nleft = 0;
	JdgTask    *left;

	jdg_work_begin();
	jdg_bind_oid(&p, "owner", sweep.owner);
	jdg_bind_int32(&p, "queue_id", sweep.queue_id);
	jdg_bind_text(&p, "key", sweep.key);
	jdg_bind_instant(&p, "now", jdg_now());
	jdg_bind_int32(&p, "n", SWEEP_BATCH);
	n = jdg_run_params(&q, &p, 0);
	left = palloc0(sizeof(JdgTask) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		JdgTask    *t = &left[nleft];

		t->owner = jdg_col_oid(i, 1);
		t->queue_id = jdg_col_int32(i, 2, 0);
		t->unique_key = jdg_col_text(i, 3, CurrentMemoryContext);
		t->task_id = jdg_col_int64(i, 4, 0);
		if (i == n - 1)
		{
			sweep.owner = t->owner;
			sweep.queue_id = t->queue_id;
			strlcpy(sweep.key, t->unique_key, sizeof(sweep.key));
		}
		nleft += jdg_col_bool(i, 5) && !jdg_col_bool(i, 6);
	}
	for (int i = 0; i < nleft; i++)
		sweep.wanted |= !release_shared(&left[i], jdg_now());
	jdg_work_end();
	return n == SWEEP_BATCH;
}

/*
 * Looks at all keys when a scheduler starts, and after a task could not give
 * up its key; at most once a minute.
 */
TimestampTz
jdg_unique_keys_sweep(JdgDb *db, uint32 why)
{
	TimestampTz began = GetCurrentTimestamp();

	if ((why & JDG_WAKE_UNIQUE) != 0)
		sweep.wanted = true;
	if (!sweep.active)
	{
		if (!sweep.wanted)
			return DT_NOEND;
		if (!jdg_pause_is_over(sweep.not_before, SWEEP_PAUSE_US, jdg_now()))
			return sweep.not_before;
		memset(&sweep, 0, sizeof(sweep));
		sweep.active = true;
	}
	while (sweep_batch())
	{
		if (GetCurrentTimestamp() - began >= SWEEP_TURN_US)
			return DT_NOBEGIN;
	}
	sweep.active = false;
	sweep.not_before = jdg_now() + SWEEP_PAUSE_US;
	return sweep.wanted ? sweep.not_before : DT_NOEND;
}
