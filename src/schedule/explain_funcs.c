/*-------------------------------------------------------------------------
 *
 * explain_funcs.c
 *	  SQL function explain_schedule(): when a schedule will run, and why it
 *	  would not.
 *
 * Runs in the caller's backend; only reads.  Remarks on the schedule as a
 * whole come first, in rows numbered 0.  Its next occurrences follow, each
 * with a note if it is special.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/spi.h"
#include "schedule/due.h"
#include "schedule/schedule.h"
#include "tenant/tenant.h"
#include "timing/zone.h"

#define DEFAULT_ROWS 5
#define MAX_ROWS 10000

typedef struct ExplainArgs
{
	char	   *name;
	int32		n;
	char	   *owner;
} ExplainArgs;

static const JdgArg explain_args[] = {
	{"name", TEXTOID, offsetof(ExplainArgs, name), JDG_NEEDED},
	{"n", INT4OID, offsetof(ExplainArgs, n), JDG_DEFAULT, NULL, DEFAULT_ROWS},
	{"owner", TEXTOID, offsetof(ExplainArgs, owner)},
};

typedef struct Explain
{
	ReturnSetInfo *out;
	JdgSchedule s;
	pg_tz	   *zone;
	TimestampTz now;
	MemoryContext mcxt;
} Explain;

static void
put_row(Explain *e, int n, TimestampTz occurrence, const char *local,
		const char *note)
{
	Datum		values[4];
	bool		nulls[4] = {false, n == 0, local == NULL, note == NULL};

	values[0] = Int32GetDatum(n);
	values[1] = TimestampTzGetDatum(occurrence);
	values[2] = local ? CStringGetTextDatum(local) : (Datum) 0;
	values[3] = note ? CStringGetTextDatum(note) : (Datum) 0;
	tuplestore_putvalues(e->out->setResult, e->out->setDesc, values, nulls);
}

static void
remark(Explain *e, const char *note)
{
	put_row(e, 0, 0, NULL, note);
}

/* An instant on the clock of the schedule's zone. */
static char *
local_time(const Explain *e, TimestampTz t, long *offset)
{
	pg_time_t	time = timestamptz_to_time_t(t);
	struct pg_tm *tm = pg_localtime(&time, e->zone);
	char		buf[64 + TZ_STRLEN_MAX];

	if (tm == NULL)
		return NULL;
	*offset = tm->tm_gmtoff;
	pg_strftime(buf, sizeof(buf), "%a %Y-%m-%d %H:%M:%S %Z", tm);
	return pstrdup(buf);
}

static char *
instant(const Explain *e, TimestampTz t)
{
	long		offset;
	char	   *text = local_time(e, t, &offset);

	return text ? text : pstrdup(timestamptz_to_str(t));
}

/* Remarks on settings, pauses and switches that stop the schedule. */
static void
explain_switches(Explain *e)
{
	static JdgQuery control = {
		"SELECT paused_at, paused_until, pause_reason "
		"FROM jadugar_internal.control WHERE paused_at IS NOT NULL", 0
	};
	JdgSchedule *s = &e->s;

	if (!jdg_enabled)
		remark(e, "does not run: jadugar.enabled is off on this server");
	if (jdg_run(&control, NULL, NULL, 1) > 0)
	{
		TimestampTz until = jdg_col_time(0, 2, DT_NOEND);
		char	   *why = jdg_col_text(0, 3, e->mcxt);

		if (until > e->now)
			remark(e, psprintf("does not run: everything is paused since %s%s%s%s%s",
							   instant(e, jdg_col_time(0, 1, e->now)),
							   until != DT_NOEND ? " until " : "",
							   until != DT_NOEND ? instant(e, until) : "",
							   why ? ": " : "", why ? why : ""));
	}
	if (!s->enabled && !jdg_schedule_ended(s))
		remark(e, "does not run: the schedule is disabled");
	if (s->paused_at != DT_NOBEGIN)
		remark(e, psprintf("does not run: the schedule is paused since %s",
						   instant(e, s->paused_at)));
	if (jdg_tenant_is_paused(s->tenant))
		remark(e, psprintf("does not run: tenant \"%s\" is paused", s->tenant));
}

/* Remarks on an owner whose work cannot run. */
static void
explain_owner(Explain *e)
{
	const char *obstacle = jdg_role_obstacle(e->s.owner);

	if (obstacle == NULL)
		return;
	if (strcmp(obstacle, "owner_missing") == 0)
		remark(e, "does not run: the role that owns the schedule does not exist");
	else if (strcmp(obstacle, "owner_nologin") == 0)
		remark(e, "does not run: the role that owns the schedule may not log in");
	else
		remark(e, "does not run: the role that owns the schedule may not connect to the database");
}

/*
 * Remarks on a timing without a clock, the last error, and the reason why a
 * schedule has ended.
 */
static void
explain_ending(Explain *e)
{
	JdgSchedule *s = &e->s;

	switch ((JdgTimingKind) s->timing.kind)
	{
		case JDG_TIMING_MANUAL:
			remark(e, "runs by jadugar.run_now() only");
			return;
		case JDG_TIMING_STARTUP:
			remark(e, "runs at each start of the server");
			break;
		case JDG_TIMING_CRON:
		case JDG_TIMING_INTERVAL:
		case JDG_TIMING_ONCE:
			break;
	}
	if (s->last_error != NULL)
		remark(e, psprintf("could not be fired: %s", s->last_error));
	if (!jdg_schedule_ended(s))
		return;
	if (s->max_runs > 0 && s->runs >= s->max_runs)
		remark(e, psprintf("has ended: it has run " INT64_FORMAT " times, which is max_runs",
						   s->runs));
	else if (s->ends_at != DT_NOBEGIN)
		remark(e, psprintf("has ended: ends_at is %s", instant(e, s->ends_at)));
	else
		remark(e, "has ended: no occurrence lies ahead");
}

/* Remarks on conditions that would stop an occurrence that were due now. */
static void
explain_waiting(Explain *e)
{
	static JdgQuery depends = {
		"SELECT d.name, p.schedule_id IS NULL FROM unnest($2) d(name) "
		"LEFT JOIN jadugar_internal.schedule p ON p.owner = $1 "
		"AND p.name = d.name "
		"LEFT JOIN jadugar_internal.schedule_stat t "
		"ON t.schedule_id = p.schedule_id "
		"WHERE (t.last_success_at > $3) IS NOT TRUE ORDER BY 1",
		3, {OIDOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	static JdgQuery unfinished = {
		"SELECT task_id FROM jadugar_internal.task WHERE schedule_id = $1 "
		"ORDER BY task_id LIMIT 1", 1, {INT8OID}
	};
	JdgSchedule *s = &e->s;
	Datum		v[3] = {ObjectIdGetDatum(s->owner),
		PointerGetDatum(s->depends_on),
	TimestampTzGetDatum(s->last_fired_at)};
	int64		n = s->depends_on ? jdg_run(&depends, v, NULL, 0) : 0;

	for (int64 i = 0; i < n; i++)
		remark(e, psprintf(jdg_col_bool(i, 2) ?
						   "depends on schedule \"%s\", which does not exist" :
						   "depends on schedule \"%s\", which has not succeeded since this one last ran",
						   jdg_col_text(i, 1, e->mcxt)));
	v[0] = Int64GetDatum(s->schedule_id);
	if (s->overlap == JDG_OVERLAP_SKIP && jdg_run(&unfinished, v, NULL, 1) > 0)
		remark(e, psprintf("skips what is due before task " INT64_FORMAT " has finished",
						   jdg_col_int64(0, 1, 0)));
}

/* Writes up to "rows" next occurrences, with their notes.  Changes e->s. */
static void
explain_occurrences(Explain *e, int rows)
{
	JdgSchedule *s = &e->s;
	TimestampTz t = s->next_run_at;
	bool		more = t != DT_NOBEGIN;
	long		offset = 0;

	/* an occurrence that is due while the schedule cannot run never runs */
	if (more && t <= e->now && (!s->enabled || s->paused_at != DT_NOBEGIN))
		more = jdg_schedule_next(s, e->now, &t);
	for (int n = 1; n <= rows && more; n++)
	{
		TimestampTz at = t;
		const char *note = NULL;
		long		before = offset;
		char	   *local = local_time(e, at, &offset);

		s->runs++;
		more = jdg_schedule_next(s, at, &t);
		if (!more)
			note = s->max_runs > 0 && s->runs >= s->max_runs ?
				"the last one: max_runs" : s->ends_at != DT_NOBEGIN ?
				"the last one: ends_at" : "the last one";
		else if (at <= e->now)
			note = "due";
		else if (n > 1 && offset != before)
			note = psprintf("the clock has changed by %+.4g h",
							(offset - before) / 3600.0);
		put_row(e, n, at, local, note);
	}
}

/* explain_schedule(name, n, owner) */
JDG_FUNCTION(jdg_explain_schedule, JDG_LEVEL_ANY)
{
	ExplainArgs a;
	Oid			owner;
	Explain		e;
	JdgInternal in;

	JDG_READ_ARGS("explain_schedule", explain_args, &a);
	jdg_check_name("schedule", a.name);
	owner = jdg_owner_of_rows_to_read(a.owner);
	if (a.n < 0 || a.n > MAX_ROWS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("number of occurrences is out of range"),
				 errdetail("The argument n is %d.", a.n),
				 errhint("Ask for 0 to %d occurrences.", MAX_ROWS)));
	jdg_init_materialized_srf(fcinfo, 0);
	e.out = (ReturnSetInfo *) fcinfo->resultinfo;
	e.now = jdg_now();
	e.mcxt = CurrentMemoryContext;
	jdg_internal_begin(&in);
	jdg_schedule_find(owner, a.name, false, &e.s, e.mcxt);
	e.zone = jdg_zone_lookup(e.s.timezone);
	explain_switches(&e);
	explain_owner(&e);
	explain_ending(&e);
	explain_waiting(&e);
	jdg_internal_end(&in);
	explain_occurrences(&e, a.n);
	return (Datum) 0;
}
