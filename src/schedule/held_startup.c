/*-------------------------------------------------------------------------
 *
 * held_startup.c
 *	  @startup schedules whose tenant is paused when the server starts.
 *
 * Runs in the scheduler.  Such a schedule is held as in held.c, and keeps its
 * last_startup.  startup.c fires it when the tenant is resumed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "schedule/held_startup.h"

bool
jdg_schedule_hold_startup(int64 schedule_id)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.schedule s SET held = true "
		"WHERE s.schedule_id = $1 AND " JDG_SQL_TENANT_OF_S_IS_PAUSED,
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(schedule_id)};

	Assert(jdg_is_bookkeeping());
	return jdg_run(&q, v, NULL, 0) > 0;
}
