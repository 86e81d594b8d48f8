/*-------------------------------------------------------------------------
 *
 * firing.c
 *	  The scheduler fires the schedules that are due.
 *
 * Runs in the scheduler process only, which is the only one in its database.
 * A transaction takes up to JDG_FIRE_BATCH due schedules by the index
 * schedule_due.  It skips rows that a user's transaction has locked; that
 * transaction wakes the scheduler when it commits.  Plain schedules are fired
 * together (plain.c).  Each of the others, and all of them if that fails, is
 * fired in a subtransaction of its own (firing_xact.c).
 *
 * Every firing leaves a dead entry at the low end of schedule_due, and none
 * of them can be removed while any transaction holds an old snapshot.  "mark"
 * is an instant before which no schedule is due, so that those entries are
 * not read again.  It lives in this process, and starts anew whenever another
 * session has changed a schedule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/params.h"
#include "base/subxact.h"
#include "schedule/firing.h"
#include "schedule/firing_state.h"
#include "schedule/firing_xact.h"
#include "schedule/held.h"
#include "schedule/occurrence.h"
#include "schedule/plain.h"
#include "schedule/schedule.h"
#include "schedule/startup.h"
#include "shared/database.h"
#include "shared/slot.h"
#include "shared/work.h"
#include "task/history.h"

/* delay of the next try for locked rows and passing failures */
#define RETRY_US USECS_PER_SEC

/* maximum time of one turn, after which other duties run */
#define TURN_US 50000

/* the low end of the index is looked at again at least so often */
#define MARK_LIFE_US (60 * USECS_PER_SEC)

static TimestampTz mark = DT_NOBEGIN;
static TimestampTz mark_since = DT_NOBEGIN;
static bool startup_pending = false;

void
jdg_fire_changed(void)
{
	mark = DT_NOBEGIN;
	jdg_occurrence_forget();
}

/* Is the mark still good, the clock having gone on as it should? */
static bool
mark_holds(TimestampTz now)
{
	return mark != DT_NOBEGIN && now >= mark_since &&
		now <= mark_since + MARK_LIFE_US;
}

/* in this turn the index was read, in its order, up to here */
typedef struct Position
{
	TimestampTz at;
	int64		schedule_id;
} Position;

/* Reads and locks due schedules by the index; returns their number. */
static int
lock_due(JdgFiring *f, const Position *after, int most, JdgDueRow **rows)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS ", ctid FROM jadugar_internal.schedule "
		"WHERE enabled AND paused_at IS NULL AND NOT held "
		"AND (next_run_at, schedule_id) > ($after, $after_id) "
		"AND next_run_at <= $now "
		"AND (SELECT c.paused_at IS NULL FROM jadugar_internal.control c) "
		"ORDER BY next_run_at, schedule_id LIMIT $most FOR UPDATE SKIP LOCKED"
	};
	JdgParams	p = {0};
	int			n;

	jdg_bind_instant(&p, "after", after->at);
	jdg_bind_int64(&p, "after_id", after->schedule_id);
	jdg_bind_instant(&p, "now", f->now);
	jdg_bind_int64(&p, "most", most);
	n = (int) jdg_run_params(&q, &p, 0);
	*rows = MemoryContextAlloc(f->mcxt, Max(n, 1) * sizeof(JdgDueRow));
	for (int i = 0; i < n; i++)
	{
		JdgDueRow  *row = &(*rows)[i];
		bool		isnull;

		jdg_schedule_from_row(i, &row->s, f->mcxt);
		row->tid = *(ItemPointer) DatumGetPointer(jdg_col(i, JDG_SCHEDULE_NCOLUMNS + 1,
														  &isnull));
		row->fired = false;
	}
	jdg_schedules_hold(*rows, n);
	return n;
}

/* The arguments of fire_together(), and the number of rows it has read. */
typedef struct Together
{
	JdgFiring  *f;
	const Position *after;
	int			most;
	JdgDueRow **rows;
	int			n;
} Together;

static void
lock_and_fire(void *arg)
{
	Together   *t = arg;

	t->n = lock_due(t->f, t->after, t->most, t->rows);
	jdg_fire_plain(t->f, *t->rows, t->n);
}

/*
 * Reads the due schedules and fires the plain ones together, in one
 * subtransaction.  Returns the number of rows read, -1 if that has failed and
 * nothing is done.
 */
static int
fire_together(JdgFiring *f, const Position *after, int most, JdgDueRow **rows)
{
	JdgFiring	before = *f;
	Together	t = {f, after, most, rows};
	ErrorData  *edata = jdg_in_subxact(lock_and_fire, &t, f->mcxt);

	if (edata == NULL)
		return t.n;
	ereport(DEBUG1,
			(errmsg_internal("jadugar fires one by one: %s", edata->message)));
	FreeErrorData(edata);
	*f = before;
	return -1;
}

/* When the first schedule is due that is not due before "from". */
static TimestampTz
earliest_due(TimestampTz from)
{
	static JdgQuery q = {
		"SELECT next_run_at FROM jadugar_internal.schedule WHERE enabled "
		"AND paused_at IS NULL AND NOT held AND next_run_at >= $1 "
		"ORDER BY next_run_at LIMIT 1", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(from)};

	if (jdg_run(&q, v, NULL, 1) == 0)
		return DT_NOEND;
	return jdg_col_time(0, 1, DT_NOEND);
}

/*
 * One transaction.  Sets "due" to the instant at which to look again: when the
 * next schedule is due, which is past if there are more.  Returns the number
 * of rows read.
 *
 * A schedule that was due and is left is locked or could not be fired: it is
 * tried again after RETRY_US, and delays no other schedule.
 */
static int
fire_batch(JdgDb *db, Position *position, int most, TimestampTz *due)
{
	JdgFiring	f;
	JdgDueRow  *rows;
	TimestampTz left = DT_NOEND;
	int			n;

	jdg_firing_begin(&f, db);
	if (!mark_holds(f.now))
	{
		jdg_fire_changed();
		mark_since = f.now;
	}
	position->at = Max(position->at, mark);
	n = fire_together(&f, position, most, &rows);
	if (n < 0)
		n = lock_due(&f, position, most, &rows);
	for (int i = 0; i < n; i++)
	{
		if (!rows[i].fired)
			jdg_firing_one(&f, &rows[i].s);
	}
	if (n == most)
	{
		position->at = rows[n - 1].s.next_run_at;
		position->schedule_id = rows[n - 1].s.schedule_id;
		*due = f.now;
	}
	else
	{
		left = *due = earliest_due(mark);
		if (left <= f.now)
			*due = Min(earliest_due(f.now + 1), f.now + RETRY_US);
		position->at = DT_NOBEGIN;
		position->schedule_id = 0;
	}
	jdg_firing_end(&f);
	if (n < most)
		mark = left;
	return n;
}

/* Has any transaction, this one included, work for a role without a worker? */
static bool
worker_is_missing(JdgDb *db)
{
	return (jdg_wakeup_peek(&db->wakeup) & JDG_WAKE_WORK) != 0;
}

/* See firing.h. */
TimestampTz
jdg_fire_due(JdgDb *db)
{
	TimestampTz begin = jdg_now();
	TimestampTz now = begin;
	TimestampTz due = DT_NOEND;
	Position	position = {DT_NOBEGIN, 0};
	int			most = JDG_FIRE_FIRST;

	if (startup_pending)
		jdg_startup_resume(db, &startup_pending);
	else if (now < mark && mark_holds(now))
		return mark;			/* woken for something else */
	do
	{
		(void) fire_batch(db, &position, most, &due);
		now = jdg_now();
		if (due <= now && (now - begin >= TURN_US || worker_is_missing(db)))
			return now;
		most = JDG_FIRE_BATCH;
	} while (due <= now);
	return startup_pending ? Min(due, now + RETRY_US) : due;
}

/* See firing.h. */
void
jdg_fire_startup(JdgDb *db)
{
	startup_pending = true;
	jdg_startup_resume(db, &startup_pending);
}
