/*-------------------------------------------------------------------------
 *
 * misfire.c
 *	  Decides which due occurrences run, and which are too late.
 *
 * Runs in the scheduler, inside jdg_internal_begin() and the subtransaction
 * of one schedule.  The caller has locked the schedule's row.  Changes the
 * struct; the caller writes the row.
 *
 * An occurrence is on time if it fires within jadugar.misfire_threshold.  The
 * latest due one always runs if it is on time.  Earlier ones were missed (the
 * server was down, jadugar was paused):
 *
 *	skip  none of them runs
 *	once  the latest runs, if it is within the grace
 *	all   each one within the grace runs, one after another
 *
 * Occurrences that do not run are recorded, a series of them in one row.  At
 * most COUNT_LIMIT occurrences are examined and JDG_FIRE_BATCH tasks made at
 * a time; the schedule then stays due and continues in the next transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/postmaster.h"

#include "access/owner.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "schedule/due.h"
#include "schedule/firing_state.h"
#include "schedule/held_startup.h"
#include "schedule/misfire.h"
#include "schedule/occurrence.h"
#include "schedule/schedule.h"
#include "tenant/tenant.h"

#define COUNT_LIMIT 1000000

static void
skip(JdgFiring *f, JdgSchedule *s, int64 n, TimestampTz first,
	 TimestampTz last, const char *reason)
{
	jdg_schedule_record_missed(s, n, first, last, reason, f->now);
	s->missed += n;
	f->skipped += n;
}

/*
 * Fires one occurrence and counts it, or records the reason why it does not
 * run.
 */
static void
fire(JdgFiring *f, JdgSchedule *s, TimestampTz at, bool in_order)
{
	const char *reason = jdg_fire_occurrence(f, s, at, in_order);

	if (reason != NULL)
	{
		skip(f, s, 1, at, at, reason);
		return;
	}
	s->runs++;
	s->last_fired_at = f->now;
	s->last_error = NULL;
	f->fired++;
}

/* The next occurrence after one that has been dealt with, or the end. */
void
jdg_fire_advance(JdgSchedule *s, TimestampTz after)
{
	TimestampTz handled = s->next_run_at;

	if (!jdg_schedule_next(s, after, &s->next_run_at))
	{
		s->next_run_at = DT_NOBEGIN;
		s->enabled = false;
	}
	else if (s->next_run_at <= handled)
		elog(ERROR, "schedule " INT64_FORMAT " does not advance",
			 s->schedule_id);
}

/* An occurrence at this instant or later is on time. */
static TimestampTz
on_time_limit(const JdgFiring *f)
{
	return f->now - (int64) jdg_misfire_threshold * 1000;
}

bool
jdg_fire_on_time(const JdgFiring *f, TimestampTz at)
{
	return at >= on_time_limit(f);
}

/* An occurrence before this instant is too late to run. */
static TimestampTz
grace_limit(const JdgFiring *f, const JdgSchedule *s)
{
	int64		grace = s->misfire_grace ? jdg_interval_us(s->misfire_grace) :
	(int64) jdg_misfire_grace * USECS_PER_SEC;

	/* nothing is due before MIN_TIMESTAMP: no overflow */
	if (grace >= f->now - MIN_TIMESTAMP)
		return MIN_TIMESTAMP;
	return Min(f->now - grace, on_time_limit(f));
}

/* skip and once: of n due occurrences only the last may run */
static void
fire_latest(JdgFiring *f, JdgSchedule *s, int64 n, TimestampTz last)
{
	TimestampTz first = s->next_run_at;
	TimestampTz previous = first;
	bool		within = last >= grace_limit(f, s);

	if (last < on_time_limit(f) && (s->misfire == JDG_MISFIRE_SKIP || !within))
	{
		skip(f, s, n, first, last,
			 s->misfire == JDG_MISFIRE_SKIP ? "misfire" : "grace");
		return;
	}
	if (n > 1)
	{
		jdg_schedule_due(s, last, n - 1, &previous);
		skip(f, s, n - 1, first, previous, "misfire");
	}
	fire(f, s, last, false);
}

/* all: every occurrence that is within the grace; advances by itself */
static void
fire_all(JdgFiring *f, JdgSchedule *s, int64 n)
{
	TimestampTz first = s->next_run_at;
	TimestampTz last;
	int64		late = jdg_schedule_due(s, grace_limit(f, s) - 1, n, &last);

	if (late > 0)
	{
		skip(f, s, late, first, last, "grace");
		jdg_fire_advance(s, last);
	}
	for (int i = 0; i < JDG_FIRE_BATCH; i++)
	{
		if (s->next_run_at == DT_NOBEGIN || s->next_run_at > f->now)
			break;
		fire(f, s, s->next_run_at, n > 1);
		jdg_fire_advance(s, s->next_run_at);
	}
}

/* Fires a schedule that is due; see misfire.h. */
void
jdg_fire_schedule(JdgFiring *f, JdgSchedule *s)
{
	TimestampTz last = s->next_run_at;
	int64		n = jdg_schedule_due(s, f->now, COUNT_LIMIT, &last);
	const char *problem = jdg_role_obstacle(s->owner);

	Assert(jdg_is_bookkeeping());
	if (problem != NULL)
		skip(f, s, n, s->next_run_at, last, problem);
	else if (s->misfire == JDG_MISFIRE_ALL)
	{
		fire_all(f, s, n);
		return;
	}
	else if (n == COUNT_LIMIT)
	{
		/* there are more: none of these is the latest */
		skip(f, s, n, s->next_run_at, last,
			 last < grace_limit(f, s) ? "grace" : "misfire");
	}
	else
		fire_latest(f, s, n, last);
	jdg_fire_advance(s, last);
}

/* Why a start that was missed while the tenant was paused does not run. */
static const char *
startup_too_late(const JdgFiring *f, const JdgSchedule *s, TimestampTz at)
{
	if (at >= on_time_limit(f))
		return NULL;
	if (s->misfire == JDG_MISFIRE_SKIP)
		return "misfire";
	return at < grace_limit(f, s) ? "grace" : NULL;
}

/*
 * The server has started, and this @startup schedule has not fired for that
 * yet.  Its occurrence is the start of the server.  While its tenant is
 * paused, it is held instead.
 */
void
jdg_fire_at_startup(JdgFiring *f, JdgSchedule *s)
{
	const char *problem = jdg_role_obstacle(s->owner);
	TimestampTz before = s->last_startup;
	TimestampTz at = PgStartTime;

	Assert(jdg_is_bookkeeping());
	s->last_startup = at;
	if ((s->max_runs > 0 && s->runs >= s->max_runs) ||
		(s->starts_at != DT_NOBEGIN && f->now < s->starts_at) ||
		(s->ends_at != DT_NOBEGIN && f->now > s->ends_at))
		return;
	if (problem == NULL && !s->enabled)
		problem = "disabled";
	if (problem == NULL && s->paused_at != DT_NOBEGIN)
		problem = "paused";
	if (problem == NULL && f->released)
		problem = startup_too_late(f, s, at);
	else if (problem == NULL && jdg_tenant_is_paused(s->tenant) &&
			 jdg_schedule_hold_startup(s->schedule_id))
	{
		s->last_startup = before;
		return;
	}
	if (problem != NULL)
		skip(f, s, 1, at, at, problem);
	else
		fire(f, s, at, false);
	if (s->max_runs > 0 && s->runs >= s->max_runs)
		s->enabled = false;
}
