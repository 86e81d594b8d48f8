/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Tasks that wait for other tasks or for their key: when to examine them.
 *
 * Runs in the scheduler.  resolve.c and key.c decide whether a task may go on.
 *
 * A concurrency key is examined as a whole, at most once in a turn, however
 * many tasks wait for it.  What is reported or watched is kept in one table,
 * which is bounded: without room for more, everything is examined instead.
 * Each transaction examines some, and each turn ends after TURN_US.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/params.h"
#include "shared/slot.h"
#include "shared/work.h"
#include "task/key.h"
#include "task/resolve.h"
#include "task/settle.h"
#include "task/waiting.h"

/* tasks or keys in one transaction */
#define BATCH 100

/* other duties get a turn at least so often */
#define TURN_US 50000

/* tasks and keys that are watched at most */
#define WATCHED_MAX 10000

/* for Watched.blocker: examine it now */
#define NOT_BLOCKED (-1)

/* hash key: a task, or the hash of a concurrency key of an owner */
typedef struct WatchedTag
{
	uint64		id;
	Oid			owner;			/* InvalidOid: a task */
	uint32		zero;			/* no padding */
} WatchedTag;

/* a task or a key to examine */
typedef struct Watched
{
	WatchedTag	tag;
	char	   *key;			/* NULL: a task */
	int64		blocker;		/* when no worker holds this task any more; 0:
								 * after a worker's next commit */
} Watched;

/* a look at everything, in order */
typedef struct Sweep
{
	bool		wanted;			/* from the beginning, when it has ended */
	bool		active;
	int64		task_id;		/* the last one that was examined */
	Oid			owner;
	char		key[JDG_KEY_BYTES_MAX + 1];
} Sweep;

static HTAB *watched = NULL;
static bool watched_overflow = false;
static Sweep task_sweep;
static Sweep key_sweep;

/* ids of tasks that workers hold, in order; read before the snapshot */
static int64 *running = NULL;
static int	nrunning = 0;

static void
read_running(void)
{
	int			max = jdg_slots_max_tasks();

	if (running == NULL)
		running = MemoryContextAlloc(TopMemoryContext, sizeof(int64) * max);
	nrunning = jdg_slots_running(MyDatabaseId, running, max);
	qsort(running, nrunning, sizeof(int64), jdg_compare_ids);
}

/* Notes that a task, or a key, is to be examined: see Watched. */
static void
watch(Oid owner, const char *key, int64 task_id, int64 blocker)
{
	WatchedTag	tag = {0};
	Watched    *w;
	bool		found;

	if (watched == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(WatchedTag);
		ctl.entrysize = sizeof(Watched);
		watched = hash_create("jadugar waiting tasks", 256, &ctl,
							  HASH_ELEM | HASH_BLOBS);
	}
	tag.owner = owner;
	tag.id = key == NULL ? (uint64) task_id :
		hash_bytes_extended((const unsigned char *) key, strlen(key), 0);
	if (hash_get_num_entries(watched) >= WATCHED_MAX)
		w = hash_search(watched, &tag, HASH_FIND, &found);
	else
		w = hash_search(watched, &tag, HASH_ENTER, &found);
	if (w == NULL || (found && key != NULL && strcmp(w->key, key) != 0))
	{
		watched_overflow = true;
		return;
	}
	if (!found)
		w->key = NULL;			/* in case of an error */
	if (!found)
		w->key = key ? MemoryContextStrdup(TopMemoryContext, key) : NULL;
	w->blocker = blocker;
}

/* Examines a task or a key, in a transaction with read_running() before it. */
static void
examine(Oid owner, const char *key, int64 task_id)
{
	JdgTask		task;
	int64		blocker = 0;
	JdgWaiting	result;

	if (key != NULL)
		result = jdg_key_examine(owner, key, running, nrunning, &blocker);
	else
		result = jdg_resolve_waiting(task_id, running, nrunning, &blocker,
									 &task);
	switch (result)
	{
		case JDG_WAITING_DONE:
			break;
		case JDG_WAITING_WATCH:
			watch(owner, key, task_id, blocker);
			break;
		case JDG_WAITING_CANCEL:
			jdg_settle_cancel(&task, "dependency", InvalidOid);
			break;
	}
}

static void
begin_batch(void)
{
	/* the slots first: see resolve.c */
	read_running();
	jdg_work_begin_async();
}

static void
end_batch(void)
{
	JDG_FAULT("resolve-before-commit");
	jdg_work_end();
}

/* Takes at most "max" entries that can be examined, out of the table. */
static int
take_watched(Watched *out, int max)
{
	HASH_SEQ_STATUS seq;
	Watched    *w;
	int			n = 0;

	if (watched == NULL || hash_get_num_entries(watched) == 0)
		return 0;
	read_running();
	hash_seq_init(&seq, watched);
	while ((w = hash_seq_search(&seq)) != NULL)
	{
		if (w->blocker == 0 || (w->blocker != NOT_BLOCKED &&
								jdg_is_running(w->blocker, running, nrunning)))
			continue;
		out[n++] = *w;
		(void) hash_search(watched, &w->tag, HASH_REMOVE, NULL);
		if (n == max)
		{
			hash_seq_term(&seq);
			break;
		}
	}
	return n;
}

/*
 * Examines watched tasks and keys until the turn ends.  Returns false if some
 * are left.
 */
static bool
examine_watched(bool committed, TimestampTz end)
{
	Watched    *batch = palloc(sizeof(Watched) * BATCH);
	int			n;

	/* a worker has committed: each of these is examined once */
	if (committed && watched != NULL)
	{
		HASH_SEQ_STATUS seq;
		Watched    *w;

		hash_seq_init(&seq, watched);
		while ((w = hash_seq_search(&seq)) != NULL)
		{
			if (w->blocker == 0)
				w->blocker = NOT_BLOCKED;
		}
	}
	while ((n = take_watched(batch, BATCH)) > 0)
	{
		/* an error loses these, and makes the next round sweep */
		begin_batch();
		for (int i = 0; i < n; i++)
			examine(batch[i].tag.owner, batch[i].key,
					(int64) batch[i].tag.id);
		end_batch();
		for (int i = 0; i < n; i++)
		{
			if (batch[i].key != NULL)
				pfree(batch[i].key);
		}
		if (jdg_now() >= end)
			return false;
	}
	return true;
}

/* Notes the tasks that were reported, or their keys, to be examined. */
static void
note_tasks(int64 nrows)
{
	for (int64 i = 0; i < nrows; i++)
	{
		if (jdg_col_char(i, 2) == JDG_STATE_KEY)
			watch(jdg_col_oid(i, 3),
				  jdg_col_text(i, 4, CurrentMemoryContext), 0, NOT_BLOCKED);
		else
			watch(InvalidOid, NULL, jdg_col_int64(i, 1, 0), NOT_BLOCKED);
	}
}

/*
 * Takes the reports.  Of a task that has finished, its dependants are to be
 * examined.
 */
static void
take_reports(JdgDb *db)
{
	static JdgQuery waiting = {
		"SELECT task_id, state, owner, concurrency_key "
		"FROM jadugar_internal.task WHERE task_id = ANY ($1) "
		"AND state IN (" JDG_SQL_DEPENDENCY ", " JDG_SQL_KEY ")",
		1, {INT8ARRAYOID}
	};
	static JdgQuery dependants = {
		"SELECT DISTINCT task_id, " JDG_SQL_DEPENDENCY "::\"char\" "
		"FROM jadugar_internal.dependency WHERE parent_id = ANY ($1)",
		1, {INT8ARRAYOID}
	};
	JdgRecheck *r = palloc(sizeof(JdgRecheck) * JDG_RECHECK_MAX);
	int			n = jdg_wakeup_take_rechecks(&db->wakeup, r);
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));

	JDG_FAULT("reports-taken");
	if (n == 0)
		return;
	jdg_work_begin();
	for (int finished = 0; finished <= 1; finished++)
	{
		Datum		v[1];
		int			k = 0;

		for (int i = 0; i < n; i++)
		{
			if (r[i].finished == (finished == 1))
				ids[k++] = Int64GetDatum(r[i].task_id);
		}
		if (k == 0)
			continue;
		v[0] = jdg_array(INT8OID, ids, NULL, k);
		note_tasks(jdg_run(finished ? &dependants : &waiting, v, NULL, 0));
	}
	jdg_work_end();
}

/* Examines a batch of the tasks that wait for others; false: none is left. */
static bool
sweep_tasks(Sweep *s)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task WHERE state = "
		JDG_SQL_DEPENDENCY " AND task_id > $1 ORDER BY task_id LIMIT $2", 2,
		{INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(s->task_id), Int64GetDatum(BATCH)};
	MemoryContext mcxt = CurrentMemoryContext;
	int64	   *ids;
	int64		n;

	jdg_work_begin();
	n = jdg_run(&q, v, NULL, 0);
	ids = jdg_col_int64s(n, 1, mcxt);
	jdg_work_end();
	if (n > 0)
	{
		begin_batch();
		for (int64 i = 0; i < n; i++)
			examine(InvalidOid, NULL, ids[i]);
		end_batch();
		s->task_id = ids[n - 1];
	}
	pfree(ids);
	return n == BATCH;
}

/* Likewise of the keys for which tasks wait. */
static bool
sweep_keys(Sweep *s)
{
	static JdgQuery q = {
		"SELECT owner, concurrency_key FROM jadugar_internal.task "
		"WHERE state = " JDG_SQL_KEY " "
		"AND (owner, concurrency_key) > ($1, $2) "
		"ORDER BY owner, concurrency_key LIMIT 1", 2, {OIDOID, TEXTOID}
	};
	int			n = 0;

	begin_batch();
	while (n < BATCH)
	{
		Datum		v[2] = {ObjectIdGetDatum(s->owner), CStringGetTextDatum(s->key)};

		if (jdg_run(&q, v, NULL, 0) == 0)
			break;
		s->owner = jdg_col_oid(0, 1);
		strlcpy(s->key, jdg_col_text(0, 2, CurrentMemoryContext),
				sizeof(s->key));
		examine(s->owner, s->key, 0);
		n++;
	}
	end_batch();
	return n == BATCH;
}

/*
 * Continues a sweep until the turn ends; one that is wanted meanwhile begins
 * when it has ended.  Returns false if something is left.
 */
static bool
continue_sweep(Sweep *s, bool (*some) (Sweep *s), TimestampTz end)
{
	while (s->active || s->wanted)
	{
		if (!s->active)
		{
			memset(s, 0, sizeof(*s));
			s->active = true;
		}
		s->active = some(s);
		if (jdg_now() >= end)
			break;
	}
	return !s->active && !s->wanted;
}

TimestampTz
jdg_waiting(JdgDb *db, uint32 why)
{
	TimestampTz end = jdg_now() + TURN_US;
	bool		done = true;
	bool		committed = (why & JDG_WAKE_RECHECK) != 0;

	/*
	 * Request notice of commits before looking: a commit between the look and
	 * the request would go unnoticed.
	 */
	pg_atomic_write_u32(&db->interest, 1);
	pg_memory_barrier();
	if (watched_overflow && committed)
		why |= JDG_WAKE_SWEEP;
	if (why & JDG_WAKE_SWEEP)
	{
		watched_overflow = false;
		task_sweep.wanted = true;
	}
	if (why & (JDG_WAKE_SWEEP | JDG_WAKE_KEYS))
		key_sweep.wanted = true;
	take_reports(db);
	done &= examine_watched(committed, end);
	done &= continue_sweep(&task_sweep, sweep_tasks, end);
	done &= continue_sweep(&key_sweep, sweep_keys, end);
	if (!done)
		return jdg_now();
	pg_atomic_write_u32(&db->interest,
						watched_overflow ||
						(watched && hash_get_num_entries(watched) > 0));
	return DT_NOEND;
}
