/*-------------------------------------------------------------------------
 *
 * startup.c
 *	  Fires and recomputes schedules when the scheduler starts.
 *
 * @startup schedules fire once for each start of the server.  The row records
 * the start for which it has fired.  The restart of a scheduler and the
 * recovery from a crashed backend leave the server's start time unchanged, so
 * they fire nothing.
 *
 * If the tenant of a schedule is paused, it is held (held.c), and fires when the
 * tenant is resumed and its misfire policy lets it.  Of several starts of the
 * server meanwhile, the last one counts.
 *
 * A process reads the time-zone data once.  A process that computes the next
 * instant of a schedule notes the rules it used in jadugar_internal.zone.
 * Where those differ from the rules that this process knows of a zone, the
 * next instants of its schedules are computed anew.
 *
 * So the cost of a start depends on the schedules that fire at it and on the
 * zones in use, not on the number of schedules.
 *
 * Rows that a user's transaction has locked are skipped and retried by
 * jdg_fire_due().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/fault.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "schedule/due.h"
#include "schedule/firing_state.h"
#include "schedule/firing_xact.h"
#include "schedule/held_startup.h"
#include "schedule/schedule.h"
#include "schedule/startup.h"
#include "schedule/zones.h"
#include "timing/zone.h"

#define TO_FIRE \
	"FROM jadugar_internal.schedule s " \
	"WHERE timing OPERATOR(jadugar.=) '@startup'::jadugar.timing " \
	"AND last_startup IS DISTINCT FROM $1 "

#define RELEASED "AND s.held AND NOT " JDG_SQL_TENANT_OF_S_IS_PAUSED " "

#define LOCKED_BATCH \
	"ORDER BY schedule_id LIMIT " CppAsString2(JDG_FIRE_BATCH) " " \
	"FOR UPDATE OF s SKIP LOCKED"

/*
 * One transaction, for schedules that are not held, or for held ones whose
 * tenant is not paused.  Returns how many have been dealt with.
 */
static int64
fire_startup_batch(JdgDb *db, bool released, bool *left)
{
	static JdgQuery locking[] = {
		{"SELECT " JDG_SCHEDULE_COLUMNS " " TO_FIRE "AND NOT held "
		LOCKED_BATCH, 1, {TIMESTAMPTZOID}},
		{"SELECT " JDG_SCHEDULE_COLUMNS " " TO_FIRE RELEASED
		LOCKED_BATCH, 1, {TIMESTAMPTZOID}}
	};
	static JdgQuery plain[] = {
		{"SELECT 1 " TO_FIRE "AND NOT held LIMIT 1", 1, {TIMESTAMPTZOID}},
		{"SELECT 1 " TO_FIRE RELEASED "LIMIT 1", 1, {TIMESTAMPTZOID}}
	};
	JdgFiring	f;
	Datum		v[1] = {TimestampTzGetDatum(PgStartTime)};
	int64		n;

	jdg_firing_begin(&f, db);
	f.startup = true;
	f.released = released;
	n = jdg_firing_each(&f, jdg_run(&locking[released], v, NULL, 0));
	*left = jdg_run(&plain[released], v, NULL, 1) > 0;
	if (n > 0)
		JDG_FAULT("startup-before-commit");
	jdg_firing_end(&f);
	if (n > 0)
		JDG_FAULT("startup-committed");
	return n;
}

/*
 * Computes the next instant anew and writes the row if it differs.  A
 * schedule without one is disabled.
 */
static void
recompute(JdgSchedule *s, TimestampTz now)
{
	TimestampTz before = s->next_run_at;

	if (!jdg_schedule_next(s, now, &s->next_run_at))
	{
		s->next_run_at = DT_NOBEGIN;
		s->enabled = false;
	}
	if (s->next_run_at != before)
		jdg_schedule_update(s);
}

/* Returns the number of schedules of the zone that are due after now. */
static int64
count_ahead(const char *zone, TimestampTz now)
{
	static JdgQuery q = {
		"SELECT count(*) FROM jadugar_internal.schedule "
		"WHERE timezone = $1 AND next_run_at > $2",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		v[2] = {CStringGetTextDatum(zone), TimestampTzGetDatum(now)};

	jdg_run(&q, v, NULL, 1);
	return jdg_col_int64(0, 1, 0);
}

/*
 * Computes the future instants of the schedules of a zone anew.  False: some
 * rows are locked.
 */
static bool
recompute_zone(const JdgFiring *f, const char *zone)
{
	static JdgQuery q = {
		"SELECT " JDG_SCHEDULE_COLUMNS " FROM jadugar_internal.schedule "
		"WHERE timezone = $1 AND next_run_at > $2 AND schedule_id > $3 "
		"ORDER BY schedule_id LIMIT " CppAsString2(JDG_FIRE_BATCH)
		" FOR UPDATE SKIP LOCKED",
		3, {TEXTOID, TIMESTAMPTZOID, INT8OID}
	};
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar zone",
											   ALLOCSET_DEFAULT_SIZES);
	int64		todo = count_ahead(zone, f->now);
	int64		done = 0;
	int64		last = 0;
	int64		n;

	do
	{
		Datum		v[3] = {CStringGetTextDatum(zone),
		TimestampTzGetDatum(f->now), Int64GetDatum(last)};
		JdgSchedule *rows;

		MemoryContextReset(mcxt);
		n = jdg_run(&q, v, NULL, 0);
		rows = jdg_schedule_from_rows(n, mcxt);
		for (int64 i = 0; i < n; i++)
			recompute(&rows[i], f->now);
		if (n > 0)
			last = rows[n - 1].schedule_id;
		done += n;
	} while (n > 0);
	MemoryContextDelete(mcxt);
	return done >= todo;
}

/* All notes of a zone make way for the present one. */
static void
renew_notes(const char *zone)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.zone WHERE name = $1", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(zone)};

	jdg_run(&q, v, NULL, 0);
	jdg_zone_note(zone);
}

/* A zone in use, and the rules by which its schedules were computed. */
typedef struct Zone
{
	const JdgFiring *f;
	char	   *name;
	int64		lowest;
	int64		highest;
	bool		done;
} Zone;

static void
compare_rules(void *arg)
{
	Zone	   *zone = arg;
	int64		rules = jdg_zone_rules(zone->name, zone->f->now);

	if (rules == zone->lowest && rules == zone->highest)
		return;
	zone->done = recompute_zone(zone->f, zone->name);
	if (zone->done)
		renew_notes(zone->name);
}

/*
 * Compares the rules of a zone with those that were noted.  An error (the
 * server no longer knows the zone) is logged; its schedules report it when
 * they are due.  False: locked rows are left.
 */
static bool
check_zone(Zone *zone)
{
	ErrorData  *edata = jdg_in_subxact(compare_rules, zone,
									   CurrentMemoryContext);

	if (edata != NULL)
		ereport(WARNING,
				(errcode(edata->sqlerrcode),
				 errmsg("jadugar could not check the rules of time zone \"%s\": %s",
						zone->name, edata->message)));
	return zone->done;
}

/* One transaction.  False: rows are locked. */
static bool
check_zones(JdgDb *db)
{
	static JdgQuery q = {
		"SELECT name, min(fingerprint), max(fingerprint) "
		"FROM jadugar_internal.zone GROUP BY name ORDER BY name", 0
	};
	JdgFiring	f;
	bool		done = true;
	int64		n;
	Zone	   *zones;

	jdg_firing_begin(&f, db);
	n = jdg_run(&q, NULL, NULL, 0);
	zones = palloc(sizeof(Zone) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		zones[i].f = &f;
		zones[i].name = jdg_col_text(i, 1, CurrentMemoryContext);
		zones[i].lowest = jdg_col_int64(i, 2, 0);
		zones[i].highest = jdg_col_int64(i, 3, 0);
		zones[i].done = true;
	}
	for (int64 i = 0; i < n; i++)
		done &= check_zone(&zones[i]);
	jdg_firing_end(&f);
	return done;
}

/* Does the work of a start; sets *pending if some of it is left. */
void
jdg_startup_resume(JdgDb *db, bool *pending)
{
	bool		left;

	*pending = !check_zones(db);
	while (fire_startup_batch(db, false, &left) > 0 && left)
		;
	*pending |= left;
}

bool
jdg_startup_release(JdgDb *db)
{
	bool		left;

	while (fire_startup_batch(db, true, &left) > 0 && left)
		;
	return !left;
}
