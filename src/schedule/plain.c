/*-------------------------------------------------------------------------
 *
 * plain.c
 *	  Fires plain schedules together.
 *
 * Runs in the scheduler, inside jdg_internal_begin() and one subtransaction
 * for all of them, which has locked their rows.  A schedule is plain if it is
 * on time, has one occurrence due, depends on no other and replaces nothing.
 * In addition its queue exists and is unbounded, and with overlap => 'skip'
 * none of its tasks and flow runs is unfinished.  All others are left to
 * misfire.c and occurrence.c, which decide about them.
 *
 * A batch of schedules costs one query of the tasks, one insertion of rows
 * and one UPDATE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/owner.h"
#include "base/params.h"
#include "schedule/firing_state.h"
#include "schedule/misfire.h"
#include "schedule/occurrence.h"
#include "schedule/plain.h"
#include "schedule/schedule.h"
#include "task/wakeup.h"

/* queues of the schedules at hand */
#define QUEUES_KEPT 8

typedef struct Batch
{
	JdgFiring  *f;
	int			n;
	JdgDueRow **row;			/* those that may be plain */
	TimestampTz *next;			/* their next instants, DT_NOBEGIN: none */
	int			nqueues;
	JdgQueue	queue[QUEUES_KEPT];
} Batch;

/* The queue if it is there and has no bound; else NULL. */
static const JdgQueue *
plain_queue(Batch *b, int32 queue_id)
{
	JdgQueue   *q = NULL;

	for (int i = 0; i < b->nqueues && q == NULL; i++)
	{
		if (b->queue[i].queue_id == queue_id)
			q = &b->queue[i];
	}
	if (q == NULL)
	{
		if (b->nqueues == QUEUES_KEPT)
			b->nqueues = 0;
		q = &b->queue[b->nqueues];
		if (!jdg_queue_by_id(queue_id, q))
			return NULL;
		b->nqueues++;
	}
	return q->max_depth > 0 ? NULL : q;
}

/*
 * Is the schedule plain, as far as its own row shows?  Computes its next
 * instant.
 */
static bool
looks_plain(Batch *b, const JdgSchedule *s, TimestampTz *next)
{
	JdgSchedule fired;

	if (s->depends_on != NULL || s->overlap == JDG_OVERLAP_REPLACE ||
		!jdg_fire_on_time(b->f, s->next_run_at) ||
		plain_queue(b, s->queue_id) == NULL ||
		jdg_role_obstacle(s->owner) != NULL)
		return false;
	fired = *s;
	fired.runs++;
	jdg_fire_advance(&fired, s->next_run_at);
	*next = fired.next_run_at;
	return *next == DT_NOBEGIN || *next > b->f->now;
}

/*
 * Leave out those that have a task already: one of this very occurrence, or,
 * where occurrences may not overlap, any.
 */
static void
leave_out_unfinished(Batch *b)
{
	static JdgQuery q = {
		"SELECT k.ord FROM unnest($1, $2, $3) WITH ORDINALITY "
		"k(id, lowest, highest, ord), LATERAL (SELECT FROM ("
		"SELECT FROM jadugar_internal.task t WHERE t.schedule_id = k.id "
		"AND t.scheduled_for >= k.lowest AND t.scheduled_for <= k.highest "
		"UNION ALL SELECT FROM jadugar_internal.task t "
		"WHERE t.schedule_id = k.id "
		"AND t.scheduled_for IS NULL AND k.highest = 'infinity' "
		"UNION ALL SELECT FROM jadugar_internal.flow_run r "
		"WHERE r.schedule_live = k.id AND k.highest = 'infinity') t "
		"LIMIT 1) u",
		3, {INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
	};
	Datum	   *id = palloc(sizeof(Datum) * b->n);
	Datum	   *lowest = palloc(sizeof(Datum) * b->n);
	Datum	   *highest = palloc(sizeof(Datum) * b->n);
	Datum		v[3];
	int64		found;
	int			kept = 0;

	for (int i = 0; i < b->n; i++)
	{
		const JdgSchedule *s = &b->row[i]->s;
		bool		any = s->overlap == JDG_OVERLAP_SKIP;

		id[i] = Int64GetDatum(s->schedule_id);
		lowest[i] = TimestampTzGetDatum(any ?
										*jdg_occurrence_finished(s->schedule_id,
																 s->next_run_at) :
										s->next_run_at);
		highest[i] = TimestampTzGetDatum(any ? DT_NOEND : s->next_run_at);
	}
	v[0] = jdg_array(INT8OID, id, NULL, b->n);
	v[1] = jdg_array(TIMESTAMPTZOID, lowest, NULL, b->n);
	v[2] = jdg_array(TIMESTAMPTZOID, highest, NULL, b->n);
	found = jdg_run(&q, v, NULL, 0);
	for (int64 i = 0; i < found; i++)
		b->row[jdg_col_int64(i, 1, 0) - 1] = NULL;
	for (int i = 0; i < b->n; i++)
	{
		JdgDueRow  *row = b->row[i];

		if (row == NULL)
			continue;
		if (row->s.overlap == JDG_OVERLAP_SKIP)
			*jdg_occurrence_finished(row->s.schedule_id, row->s.next_run_at) =
				row->s.next_run_at;
		b->next[kept] = b->next[i];
		b->row[kept++] = row;
	}
	b->n = kept;
}

/*
 * Inserts one task for each schedule of the batch, and queues their wake-ups.
 */
static void
insert_tasks(Batch *b)
{
	JdgTaskWriter *writer = jdg_task_writer_begin();

	for (int i = 0; i < b->n; i++)
	{
		const JdgSchedule *s = &b->row[i]->s;
		JdgTask		task;

		jdg_occurrence_task(s, s->next_run_at, &task);
		jdg_schedule_complete(s, &task, plain_queue(b, s->queue_id),
							  b->f->now);
		jdg_task_writer_put(writer, &task);
		jdg_wake_at_commit(task.owner, &task);
	}
	jdg_task_writer_end(writer);
}

/*
 * The rows were locked by this subtransaction, so they are where they were
 * found; and by their places no plan can take another way to them.
 */
static void
advance_schedules(Batch *b)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule s SET next_run_at = k.next, "
		"enabled = k.next IS NOT NULL, runs = s.runs + 1, "
		"last_fired_at = $3, last_error = NULL "
		"FROM unnest($1, $2) k(place, next) WHERE s.ctid = k.place",
		3, {TIDARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID}
	};
	Datum	   *place = palloc(sizeof(Datum) * b->n);
	Datum	   *next = palloc(sizeof(Datum) * b->n);
	bool	   *ended = palloc(sizeof(bool) * b->n);
	Datum		v[3];

	for (int i = 0; i < b->n; i++)
	{
		place[i] = PointerGetDatum(&b->row[i]->tid);
		next[i] = TimestampTzGetDatum(b->next[i]);
		ended[i] = b->next[i] == DT_NOBEGIN;
	}
	v[0] = jdg_array(TIDOID, place, NULL, b->n);
	v[1] = jdg_array(TIMESTAMPTZOID, next, ended, b->n);
	v[2] = TimestampTzGetDatum(b->f->now);
	if (jdg_run(&q, v, NULL, 0) != b->n)
		elog(ERROR, "schedules that are locked have moved");
}

/*
 * Fire those of the rows that are plain and mark them as fired.  An error
 * leaves nothing done, once the subtransaction is rolled back.
 */
void
jdg_fire_plain(JdgFiring *f, JdgDueRow *rows, int n)
{
	Batch		b = {.f = f};

	Assert(jdg_is_bookkeeping());
	b.row = palloc(sizeof(JdgDueRow *) * Max(n, 1));
	b.next = palloc(sizeof(TimestampTz) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!rows[i].fired && looks_plain(&b, &rows[i].s, &b.next[b.n]))
			b.row[b.n++] = &rows[i];
	}
	if (b.n > 0)
		leave_out_unfinished(&b);
	if (b.n == 0)
		return;
	insert_tasks(&b);
	advance_schedules(&b);
	for (int i = 0; i < b.n; i++)
		b.row[i]->fired = true;
	f->fired += b.n;
	jdg_count_enqueued(b.n);
}
