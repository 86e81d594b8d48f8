/*-------------------------------------------------------------------------
 *
 * occurrence.c
 *	  Turns an occurrence of a schedule into a task, or returns the reason
 *	  why not.
 *
 * Runs in the scheduler, inside jdg_internal_begin() and the subtransaction
 * of one schedule.  The caller has locked the schedule's row.  The task is
 * built from the row: nothing is parsed and no user code is evaluated.
 *
 * Unfinished tasks of a schedule are found by task.schedule_id; those of
 * run_now() count too.  Their rows are locked with SKIP LOCKED only.  A
 * locked row is held by a worker, and is reached through the worker's slot.
 *
 * Finished occurrences leave dead index entries, which stay while any
 * transaction holds an old snapshot.  "finished_before" keeps for each
 * schedule the instant before which all of its occurrences are known to be
 * finished, so that they are not read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/hsearch.h"

#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "flow/run/message.h"
#include "queue/queue.h"
#include "schedule/firing_state.h"
#include "schedule/occurrence.h"
#include "schedule/schedule.h"
#include "task/retry.h"
#include "task/room.h"
#include "task/settle.h"
#include "task/wakeup.h"

typedef struct Finished
{
	int64		schedule_id;	/* hash key */
	TimestampTz before;
} Finished;

static HTAB *finished_before = NULL;

/* Has each schedule that this one depends on succeeded since it last ran? */
static bool
dependencies_met(const JdgSchedule *s)
{
	static JdgQuery q = {
		"SELECT 1 FROM unnest($2) d(name) WHERE NOT EXISTS ("
		"SELECT FROM jadugar_internal.schedule p WHERE p.owner = $1 "
		"AND p.name = d.name AND (SELECT t.last_success_at "
		"FROM jadugar_internal.schedule_stat t "
		"WHERE t.schedule_id = p.schedule_id) > $3 OFFSET 0) LIMIT 1",
		3, {OIDOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	Datum		v[3] = {ObjectIdGetDatum(s->owner),
		PointerGetDatum(s->depends_on),
	TimestampTzGetDatum(s->last_fired_at)};

	/* DT_NOBEGIN, never fired, is -infinity: any success will do */
	return s->depends_on == NULL || jdg_run(&q, v, NULL, 1) == 0;
}

/*
 * Forgets which occurrences are finished: another session may have inserted a
 * task of an earlier one.
 */
void
jdg_occurrence_forget(void)
{
	if (finished_before != NULL)
		hash_destroy(finished_before);
	finished_before = NULL;
}

/*
 * The instant before which a schedule's occurrences are known to be finished,
 * for one that is due at "at".  Where that lies before it, the schedule or
 * the clock went back, and nothing is known.
 */
TimestampTz *
jdg_occurrence_finished(int64 schedule_id, TimestampTz at)
{
	Finished   *entry;
	bool		found;

	if (finished_before == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(int64),
		.entrysize = sizeof(Finished)};

		finished_before = hash_create("jadugar finished occurrences", 64, &ctl,
									  HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(finished_before, &schedule_id, HASH_ENTER, &found);
	if (!found || at < entry->before)
		entry->before = DT_NOBEGIN;
	return &entry->before;
}

/*
 * Tasks of the schedule that are not finished, at most "limit" (0: all), as
 * rows with their ids.  Those of occurrence "at" or later are not there yet.
 */
static int64
find_unfinished(const JdgSchedule *s, TimestampTz at, long limit)
{
	static JdgQuery q = {
		"SELECT task_id FROM jadugar_internal.task WHERE schedule_id = $1 "
		"AND scheduled_for >= $2 UNION ALL "
		"SELECT task_id FROM jadugar_internal.task WHERE schedule_id = $1 "
		"AND scheduled_for IS NULL",
		2, {INT8OID, TIMESTAMPTZOID}
	};
	TimestampTz *before = jdg_occurrence_finished(s->schedule_id, at);
	Datum		v[2] = {Int64GetDatum(s->schedule_id),
	TimestampTzGetDatum(*before)};
	int64		n = jdg_run(&q, v, NULL, limit);

	if (n == 0)
		*before = at;
	return n;
}

/* Is there a task of this very occurrence? */
static bool
exists_already(const JdgSchedule *s, TimestampTz at)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.task WHERE schedule_id = $1 "
		"AND scheduled_for = $2 LIMIT 1",
		2, {INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[2] = {Int64GetDatum(s->schedule_id),
	TimestampTzGetDatum(at)};

	return jdg_run(&q, v, NULL, 1) > 0;
}

/* Runs of flows that its occurrences have started and that are not over. */
static int64
find_runs(const JdgSchedule *s, long limit)
{
	static JdgQuery q = {
		"SELECT run_id FROM jadugar_internal.flow_run "
		"WHERE schedule_live = $1", 1,
		{INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(s->schedule_id)};

	return jdg_run(&q, v, NULL, limit);
}

static void
abort_runs(const JdgSchedule *s)
{
	int64		n = find_runs(s, 0);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
		jdg_flow_message(JDG_MESSAGE_ABORT, ids[i], 0, "compensate", NULL);
}

static void
cancel_after_commit(JdgFiring *f, int64 task_id)
{
	MemoryContext old = MemoryContextSwitchTo(f->mcxt);
	int64	   *id = palloc(sizeof(int64));

	*id = task_id;
	f->replaced = lappend(f->replaced, id);
	MemoryContextSwitchTo(old);
}

/*
 * overlap => replace: waiting tasks are cancelled here, running ones are
 * stopped after the commit.  Their key makes the new task wait for their end.
 */
static void
replace_unfinished(JdgFiring *f, const JdgSchedule *s, TimestampTz at)
{
	int64		n = find_unfinished(s, at, 0);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
	{
		JdgTask		t;

		if (!jdg_slot_find_task(f->db->dboid, ids[i], NULL) &&
			jdg_task_load(ids[i], true, &t, CurrentMemoryContext) &&
			t.state != JDG_STATE_STANDALONE)
			jdg_settle_cancel(&t, "replaced", InvalidOid);
		else
			cancel_after_commit(f, ids[i]);
	}
}

/* Microseconds to wait, uniformly from none to all of the jitter. */
static int64
draw_jitter(const JdgSchedule *s)
{
	int64		most = s->jitter ? jdg_interval_us(s->jitter) : 0;

	if (most <= 0)
		return 0;
	return (int64) pg_prng_uint64_range(&pg_global_prng_state, 0, most);
}

/* See firing.h. */
void
jdg_schedule_complete(const JdgSchedule *s, JdgTask *t, const JdgQueue *queue,
					  TimestampTz now)
{
	Assert(jdg_is_bookkeeping());
	t->task_id = jdg_task_next_id();
	t->created_at = now;
	t->bounded = queue->max_depth > 0;
	t->max_attempts = jdg_retry_max_attempts(s->retry,
											 jdg_schedule_max_attempts);
	t->state = jdg_state_without_dependencies(t);
}

/* See firing.h. */
void
jdg_schedule_enqueue(const JdgSchedule *s, JdgTask *t, const JdgQueue *queue,
					 TimestampTz now)
{
	Assert(jdg_is_bookkeeping());
	jdg_schedule_complete(s, t, queue, now);
	jdg_task_insert(t);
	jdg_wake_at_commit(t->owner, t);
	jdg_count_enqueued(1);
}

/*
 * Sets the task of an occurrence, except the fields that
 * jdg_schedule_complete() sets.
 */
void
jdg_occurrence_task(const JdgSchedule *s, TimestampTz at, JdgTask *task)
{
	jdg_schedule_task(s, task);
	task->scheduled_for = at;
	task->run_at = at + draw_jitter(s);
}

/*
 * Make the task of an occurrence.  Returns NULL, or the reason for the
 * history why there is none.  "in_order": one of several that are made up
 * for, which run one after another where they may not overlap.
 */
const char *
jdg_fire_occurrence(JdgFiring *f, const JdgSchedule *s, TimestampTz at,
					bool in_order)
{
	JdgSchedule effective = *s;
	JdgQueue	queue;
	JdgTask		task;

	Assert(jdg_is_bookkeeping());
	if (exists_already(s, at))
		return NULL;
	if (!dependencies_met(s))
		return "dependency";
	if (!jdg_queue_by_id(s->queue_id, &queue))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the queue of the schedule no longer exists"),
				 errdetail("Its queue_id is %d.", s->queue_id),
				 errhint("Give it another queue with jadugar.alter_schedule().")));
	if (!jdg_room_try(&queue, 1))
		return "queue_full";
	if (in_order && s->overlap != JDG_OVERLAP_PARALLEL)
		effective.overlap = JDG_OVERLAP_QUEUE;
	switch (effective.overlap)
	{
		case JDG_OVERLAP_SKIP:
			if (find_unfinished(s, at, 1) > 0 || find_runs(s, 1) > 0)
				return "overlap";
			break;
		case JDG_OVERLAP_REPLACE:
			replace_unfinished(f, s, at);
			abort_runs(s);
			break;
		case JDG_OVERLAP_QUEUE:
		case JDG_OVERLAP_PARALLEL:
			break;
	}
	jdg_occurrence_task(&effective, at, &task);
	jdg_schedule_enqueue(s, &task, &queue, f->now);
	return NULL;
}
