/*-------------------------------------------------------------------------
 *
 * zones.c
 *	  Rows of jadugar_internal.zone: the rules by which schedules were
 *	  computed.
 *
 * Runs in any backend and in the scheduler, between jdg_internal_begin() and
 * jdg_internal_end().  A process that writes a schedule notes the rules that
 * it knows of the zone.  A starting scheduler then need not examine the
 * schedules to see whether rules have changed: see schedule/startup.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/spi.h"
#include "schedule/zones.h"
#include "timing/zone.h"

#define RULES_PERIOD (INT64CONST(5) * 366 * USECS_PER_DAY)

/* See schedule.h. */
int64
jdg_zone_rules(const char *zone, TimestampTz now)
{
	static pg_tz *last_zone = NULL;
	static TimestampTz last_at;
	static int64 last_rules;
	pg_tz	   *tz = jdg_zone_lookup(zone);
	TimestampTz at = now - now % RULES_PERIOD;

	if (tz != last_zone || at != last_at)
	{
		last_zone = NULL;
		last_rules = (int64) jdg_zone_fingerprint(tz, at);
		last_at = at;
		last_zone = tz;
	}
	return last_rules;
}

/* See schedule.h. */
void
jdg_zone_note(const char *zone)
{
	static JdgQuery look = {
		"SELECT 1 FROM jadugar_internal.zone WHERE name = $1 "
		"AND fingerprint = $2 LIMIT 1", 2, {TEXTOID, INT8OID}
	};
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.zone (name, fingerprint) "
		"VALUES ($1, $2)",
		2, {TEXTOID, INT8OID}
	};
	Datum		v[2] = {CStringGetTextDatum(zone),
	Int64GetDatum(jdg_zone_rules(zone, jdg_now()))};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&look, v, NULL, 1) == 0)
		jdg_run(&insert, v, NULL, 0);
}
