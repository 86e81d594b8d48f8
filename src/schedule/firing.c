/*-------------------------------------------------------------------------
 *
 * firing.c
 *	  The scheduler fires what is due.
 *
 * Runs in the scheduler process only, which is the only one in its database.
 * A transaction takes up to JDG_FIRE_BATCH due schedules by the index
 * schedule_due, skipping rows that a user's transaction has locked (it wakes
 * the scheduler when it commits).  Those with nothing special about them are
 * fired together (plain.c).  Each of the others, and all of them if that
 * fails, is fired in a subtransaction of its own: the task, the history of
 * what does not run and the schedule's next instant are written together or
 * not at all.
 *
 * What goes wrong with one schedule stays with it.  Its occurrence is
 * recorded as failed and the schedule moves on; if that can not be done
 * either (its time zone has gone), it is disabled and says why in
 * last_error.
 *
 * Every firing leaves a dead entry at the low end of schedule_due, and while
 * somebody holds an old snapshot none of them can go.  "mark" is an instant
 * before which no schedule is due, so that those entries are never passed
 * again.  It lives in this process, and starts anew whenever another session
 * has changed a schedule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/spi.h"
#include "schedule/firing_private.h"
#include "shared/database.h"
#include "shared/slot.h"
#include "shared/work.h"
#include "task/history.h"

/* what is locked or has failed for a passing reason is tried again then */
#define RETRY_US USECS_PER_SEC

/* other things are looked after at least so often */
#define TURN_US 50000

/* the low end of the index is looked at again at least so often */
#define MARK_LIFE_US (60 * USECS_PER_SEC)

/* the ways to deal with a schedule, each tried when the one before failed */
typedef enum Step
{
	STEP_FIRE,
	STEP_RECORD_FAILURE,
	STEP_RECORD_AND_DISABLE,
	STEP_DISABLE,
	STEP_GIVE_UP
} Step;

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

/* Start a transaction that fires, as bookkeeper; see jdg_firing_end(). */
void
jdg_firing_begin(JdgFiring *f, JdgDb *db)
{
	memset(f, 0, sizeof(*f));
	jdg_work_begin_async();
	f->db = db;
	f->now = jdg_now();
	f->mcxt = TopTransactionContext;
}

/*
 * Commit.  Running tasks that an occurrence has replaced are stopped only
 * then: a signal can not be rolled back.
 */
void
jdg_firing_end(JdgFiring *f)
{
	int64	   *cancel = NULL;
	int			n = 0;
	ListCell   *lc;

	if (f->replaced != NIL)
	{
		cancel = MemoryContextAlloc(TopMemoryContext,
									list_length(f->replaced) * sizeof(int64));
		foreach(lc, f->replaced)
			cancel[n++] = *(int64 *) lfirst(lc);
	}
	JDG_FAULT("fire-before-commit");
	jdg_work_end();
	JDG_FAULT("fire-committed");
	for (int i = 0; i < n; i++)
		jdg_slot_cancel_task(f->db->dboid, cancel[i], JDG_CANCEL_REPLACED);
	if (cancel)
		pfree(cancel);
	pg_atomic_fetch_add_u64(&f->db->counters.fired, f->fired);
	pg_atomic_fetch_add_u64(&f->db->counters.skipped, f->skipped);
}

static void
write_row(const JdgSchedule *s)
{
	static JdgQuery q = {
		"UPDATE jadugar.schedule SET next_run_at = $2, enabled = $3, "
		"runs = $4, missed = $5, last_fired_at = $6, last_startup = $7, "
		"last_error = $8 WHERE schedule_id = $1",
		8, {INT8OID, TIMESTAMPTZOID, BOOLOID, INT8OID, INT8OID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		v[8];
	char		n[9] = "        ";

	v[0] = Int64GetDatum(s->schedule_id);
	jdg_put_time(&v[1], &n[1], s->next_run_at);
	v[2] = BoolGetDatum(s->enabled);
	v[3] = Int64GetDatum(s->runs);
	v[4] = Int64GetDatum(s->missed);
	jdg_put_time(&v[5], &n[5], s->last_fired_at);
	jdg_put_time(&v[6], &n[6], s->last_startup);
	jdg_put_text(&v[7], &n[7], s->last_error);
	jdg_run(&q, v, n, 0);
}

/* n occurrences could not be made: a row of history with the error. */
static void
record_failure(JdgFiring *f, JdgSchedule *s, int64 n, TimestampTz last,
			   const ErrorData *edata)
{
	JdgTask		task;
	JdgHistory	h;

	jdg_schedule_task(s, &task);
	jdg_history_from_task(&h, &task);
	h.schedule = s->name;
	h.status = JDG_STATUS_FAILED;
	h.final = true;
	h.enqueued_at = DT_NOBEGIN;
	h.scheduled_for = f->startup ? PgStartTime : s->next_run_at;
	h.occurrences = n;
	h.scheduled_until = n > 1 ? last : DT_NOBEGIN;
	h.finished_at = f->now;
	h.error_code = jdg_error_name(edata->sqlerrcode);
	h.sqlstate = unpack_sql_state(edata->sqlerrcode);
	h.error = jdg_error_to_jsonb(edata);
	jdg_history_insert(&h, 1);
	s->missed += n;
	f->skipped += n;
}

/* What is due has failed; on to what comes next. */
static void
fail_and_go_on(JdgFiring *f, JdgSchedule *s, const ErrorData *edata)
{
	TimestampTz last = s->next_run_at;
	int64		n = 1;

	if (!f->startup)
		n = jdg_schedule_due(s, f->now, PG_INT64_MAX, &last);
	record_failure(f, s, n, last, edata);
	if (f->startup)
		s->last_startup = PgStartTime;
	else
		jdg_fire_advance(s, f->now);
}

static void
disable(const JdgFiring *f, JdgSchedule *s)
{
	s->enabled = false;
	s->next_run_at = DT_NOBEGIN;
	if (f->startup)
		s->last_startup = PgStartTime;
}

static void
take_step(JdgFiring *f, JdgSchedule *s, Step step, const ErrorData *edata)
{
	switch (step)
	{
		case STEP_FIRE:
			if (f->startup)
				jdg_fire_at_startup(f, s);
			else
				jdg_fire_schedule(f, s);
			break;
		case STEP_RECORD_FAILURE:
			fail_and_go_on(f, s, edata);
			break;
		case STEP_RECORD_AND_DISABLE:
			record_failure(f, s, 1, s->next_run_at, edata);
			disable(f, s);
			break;
		case STEP_DISABLE:
			disable(f, s);
			break;
		case STEP_GIVE_UP:
			break;
	}
	if (edata != NULL)
		s->last_error = edata->message;
	write_row(s);
}

/* Take a step in a subtransaction; the error if it failed. */
static ErrorData *
try_step(JdgFiring *f, const JdgSchedule *original, Step step,
		 const ErrorData *reason)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	JdgFiring	before = *f;
	int			nreplaced = list_length(f->replaced);
	JdgSchedule s = *original;
	ErrorData  *volatile edata = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		take_step(f, &s, step, reason);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(f->mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*f = before;
		f->replaced = list_truncate(f->replaced, nreplaced);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	return edata;
}

/* Does an error say nothing about the schedule itself? */
static bool
passing_error(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

static void
fire_one(JdgFiring *f, const JdgSchedule *s)
{
	ErrorData  *error = NULL;

	for (Step step = STEP_FIRE; step <= STEP_GIVE_UP; step++)
	{
		ErrorData  *failed;

		if (step == STEP_GIVE_UP)
			ReThrowError(error);
		failed = try_step(f, s, step, error);
		if (failed == NULL)
			return;
		if (error == NULL)
			error = failed;
		ereport(WARNING,
				(errcode(failed->sqlerrcode),
				 errmsg("jadugar could not fire schedule \"%s\": %s",
						s->name, failed->message),
				 failed->detail ? errdetail_internal("%s", failed->detail) : 0,
				 failed->hint ? errhint("%s", failed->hint) : 0));
		if (step == STEP_FIRE && passing_error(failed->sqlerrcode))
		{
			f->postponed++;
			return;
		}
	}
}

/*
 * Fire the schedules that a query has just selected (JDG_SCHEDULE_COLUMNS,
 * their rows locked).  Returns how many have been dealt with.
 */
int64
jdg_firing_each(JdgFiring *f, int64 nrows)
{
	JdgSchedule *rows;

	if (nrows == 0)
		return 0;
	rows = MemoryContextAlloc(f->mcxt, nrows * sizeof(JdgSchedule));
	for (int64 i = 0; i < nrows; i++)
		jdg_schedule_from_row(i, &rows[i], f->mcxt);
	for (int64 i = 0; i < nrows; i++)
		fire_one(f, &rows[i]);
	return nrows - f->postponed;
}

/* what is due was taken in the order of the index up to here in this turn */
typedef struct Position
{
	TimestampTz at;
	int64		schedule_id;
} Position;

/* Read and lock what is due, by the index; returns how many there are. */
static int
lock_due(JdgFiring *f, const Position *after, int most, JdgDueRow **rows)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS ", ctid FROM jadugar.schedule "
		"WHERE enabled AND paused_at IS NULL "
		"AND (next_run_at, schedule_id) > ($1, $2) AND next_run_at <= $3 "
		"AND (SELECT c.paused_at IS NULL FROM jadugar.control c) "
		"ORDER BY next_run_at, schedule_id LIMIT $4 FOR UPDATE SKIP LOCKED",
		4, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID}
	};
	Datum		v[4] = {TimestampTzGetDatum(after->at),
		Int64GetDatum(after->schedule_id), TimestampTzGetDatum(f->now),
	Int64GetDatum(most)};
	int			n = (int) jdg_run(&q, v, NULL, 0);

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
	return n;
}

/*
 * Take what is due and fire together what is plain, in one subtransaction.
 * Returns how many were taken, -1 if that has failed and nothing is done.
 */
static int
fire_together(JdgFiring *f, const Position *after, int most, JdgDueRow **rows)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	JdgFiring	before = *f;
	volatile int n = -1;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		n = lock_due(f, after, most, rows);
		jdg_fire_plain(f, *rows, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(f->mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ereport(DEBUG1,
				(errmsg_internal("jadugar fires one by one: %s",
								 edata->message)));
		FreeErrorData(edata);
		*f = before;
		n = -1;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	return n;
}

/* When the first schedule is due that is not due before the mark. */
static TimestampTz
earliest_due(void)
{
	static JdgQuery q = {
		"SELECT next_run_at FROM jadugar.schedule WHERE enabled "
		"AND paused_at IS NULL AND next_run_at >= $1 "
		"ORDER BY next_run_at LIMIT 1", 1, {TIMESTAMPTZOID}
	};
	Datum		v[1] = {TimestampTzGetDatum(mark)};

	if (jdg_run(&q, v, NULL, 1) == 0)
		return DT_NOEND;
	return jdg_col_time(0, 1, DT_NOEND);
}

/*
 * One transaction.  Sets "due" to the instant of the next firing, which is
 * past if there are more or some could not be fired, and adds how many were
 * to "fired".  Returns how many were taken up.
 */
static int
fire_batch(JdgDb *db, Position *position, int most, int *fired,
		   TimestampTz *due)
{
	JdgFiring	f;
	JdgDueRow  *rows;
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
			fire_one(&f, &rows[i].s);
	}
	if (n == most)
	{
		position->at = rows[n - 1].s.next_run_at;
		position->schedule_id = rows[n - 1].s.schedule_id;
		*due = f.now;
	}
	else
		*due = earliest_due();
	jdg_firing_end(&f);
	if (n < most)
		mark = *due;
	*fired += n - f.postponed;
	return n;
}

/* Has this transaction, or somebody else, work for a role without worker? */
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
	int			fired = 0;

	if (startup_pending)
		jdg_startup_resume(db, &startup_pending);
	else if (now < mark && mark_holds(now))
		return mark;			/* woken for something else */
	do
	{
		int			n = fire_batch(db, &position, most, &fired, &due);

		now = jdg_now();
		if (n < most && due <= now)
		{
			/* some have become due meanwhile, or are so still */
			if (fired == 0)
				return now + RETRY_US;
			position.at = DT_NOBEGIN;
			position.schedule_id = 0;
			fired = 0;
		}
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
