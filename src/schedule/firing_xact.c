/*-------------------------------------------------------------------------
 *
 * firing_xact.c
 *	  A transaction that fires schedules, one after another.
 *
 * Runs in the scheduler process only.  Each schedule is fired in a
 * subtransaction of its own: the task, the history of occurrences that do not
 * run and the schedule's next instant are written together or not at all.
 *
 * An error affects only its own schedule.  The occurrence is recorded as
 * failed and the schedule moves on.  If that is impossible too (the time zone
 * was removed), the schedule is disabled with the error in last_error.
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
#include "schedule/due.h"
#include "schedule/firing_state.h"
#include "schedule/firing_xact.h"
#include "schedule/misfire.h"
#include "schedule/schedule.h"
#include "shared/database.h"
#include "shared/slot.h"
#include "shared/work.h"
#include "task/history.h"

/* the ways to deal with a schedule, each tried when the one before failed */
typedef enum Step
{
	STEP_FIRE,
	STEP_RECORD_FAILURE,
	STEP_RECORD_AND_DISABLE,
	STEP_DISABLE,
	STEP_GIVE_UP
} Step;

/* Start a transaction that fires, as bookkeeper; see jdg_firing_end(). */
void
jdg_firing_begin(JdgFiring *f, JdgDb *db)
{
	memset(f, 0, sizeof(*f));
	f->outer = CurrentMemoryContext;
	jdg_work_begin_async();
	f->db = db;
	f->now = jdg_now();
	f->mcxt = TopTransactionContext;
}

/*
 * Commits.  Running tasks that an occurrence has replaced are stopped only
 * afterwards: a signal cannot be rolled back.
 */
void
jdg_firing_end(JdgFiring *f)
{
	int64	   *cancel = NULL;
	int			n = 0;
	ListCell   *lc;

	if (f->replaced != NIL)
	{
		cancel = MemoryContextAlloc(f->outer,
									list_length(f->replaced) * sizeof(int64));
		foreach(lc, f->replaced)
			cancel[n++] = *(int64 *) lfirst(lc);
	}
	JDG_FAULT("fire-before-commit");
	jdg_work_end();
	JDG_FAULT("fire-committed");
	for (int i = 0; i < n; i++)
		jdg_slot_cancel_task(f->db->dboid, cancel[i], JDG_CANCEL_REPLACED,
							 InvalidOid);
	if (cancel)
		pfree(cancel);
	pg_atomic_fetch_add_u64(&f->db->counters.fired, f->fired);
	pg_atomic_fetch_add_u64(&f->db->counters.skipped, f->skipped);
}

/* Writes the columns that firing changes. */
static void
write_row(const JdgFiring *f, const JdgSchedule *s)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule SET next_run_at = $next_run_at, "
		"enabled = $enabled, runs = $runs, missed = $missed, "
		"last_fired_at = $last_fired_at, last_startup = $last_startup, "
		"last_error = $last_error, held = held AND NOT $released "
		"WHERE schedule_id = $schedule_id"
	};
	JdgParams	p = {0};

	jdg_bind_int64(&p, "schedule_id", s->schedule_id);
	jdg_bind_time(&p, "next_run_at", s->next_run_at);
	jdg_bind_bool(&p, "enabled", s->enabled);
	jdg_bind_int64(&p, "runs", s->runs);
	jdg_bind_int64(&p, "missed", s->missed);
	jdg_bind_time(&p, "last_fired_at", s->last_fired_at);
	jdg_bind_time(&p, "last_startup", s->last_startup);
	jdg_bind_text(&p, "last_error", s->last_error);
	jdg_bind_bool(&p, "released", f->released);
	jdg_run_params(&q, &p, 0);
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
	h.error = jdg_error_to_jsonb(edata, NULL);
	jdg_history_insert(&h, 1);
	s->missed += n;
	f->skipped += n;
}

/* The due occurrence has failed: records that and advances to the next one. */
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

/* A step with one schedule, to be tried in a subtransaction. */
typedef struct Attempt
{
	JdgFiring  *f;
	JdgSchedule s;
	Step		step;
	const ErrorData *reason;	/* why the step before did not do */
} Attempt;

static void
take_step(void *arg)
{
	Attempt    *a = arg;
	JdgFiring  *f = a->f;
	JdgSchedule *s = &a->s;

	switch (a->step)
	{
		case STEP_FIRE:
			if (f->startup)
				jdg_fire_at_startup(f, s);
			else
				jdg_fire_schedule(f, s);
			break;
		case STEP_RECORD_FAILURE:
			fail_and_go_on(f, s, a->reason);
			break;
		case STEP_RECORD_AND_DISABLE:
			record_failure(f, s, 1, s->next_run_at, a->reason);
			disable(f, s);
			break;
		case STEP_DISABLE:
			disable(f, s);
			break;
		case STEP_GIVE_UP:
			break;
	}
	if (a->reason != NULL)
		s->last_error = a->reason->message;
	write_row(f, s);
}

/* Take a step in a subtransaction; the error if it failed. */
static ErrorData *
try_step(JdgFiring *f, const JdgSchedule *s, Step step,
		 const ErrorData *reason)
{
	JdgFiring	before = *f;
	int			nreplaced = list_length(f->replaced);
	Attempt		a = {f, *s, step, reason};
	ErrorData  *edata = jdg_in_subxact(take_step, &a, f->mcxt);

	if (edata != NULL)
	{
		*f = before;
		f->replaced = list_truncate(f->replaced, nreplaced);
	}
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

void
jdg_firing_one(JdgFiring *f, const JdgSchedule *s)
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
	rows = jdg_schedule_from_rows(nrows, f->mcxt);
	for (int64 i = 0; i < nrows; i++)
		jdg_firing_one(f, &rows[i]);
	return nrows - f->postponed;
}
