/*-------------------------------------------------------------------------
 *
 * control.c
 *	  Pausing all work of a database: the row of jadugar_internal.control.
 *
 * Runs in the scheduler.  The functions that write the row: control_funcs.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/control.h"
#include "base/clock.h"
#include "base/spi.h"
#include "shared/work.h"

/* Read the row, and end a pause that is over.  Returns when it ends. */
static TimestampTz
read_control(bool *paused)
{
	static JdgQuery q = {
		"SELECT paused_at IS NOT NULL, paused_until "
		"FROM jadugar_internal.control", 0
	};
	static JdgQuery resume = {
		"UPDATE jadugar_internal.control "
		"SET paused_at = NULL, paused_until = NULL, "
		"paused_by = NULL, pause_reason = NULL "
		"WHERE paused_until <= $1", 1, {TIMESTAMPTZOID},
		.config = true
	};
	Datum		v[1] = {TimestampTzGetDatum(jdg_now())};
	TimestampTz until = DT_NOEND;

	jdg_work_begin();
	*paused = jdg_run(&q, NULL, NULL, 0) > 0 && jdg_col_bool(0, 1);
	if (*paused)
		until = jdg_col_time(0, 2, DT_NOEND);
	if (*paused && until <= jdg_now())
	{
		jdg_run(&resume, v, NULL, 0);
		*paused = false;
		until = DT_NOEND;
	}
	jdg_work_end();
	return until;
}

TimestampTz
jdg_control(JdgDb *db, uint32 why)
{
	bool		paused;
	TimestampTz until = read_control(&paused);

	/* ready tasks did not wake anything during the pause */
	if (pg_atomic_exchange_u32(&db->paused, paused) != 0 && !paused)
		jdg_db_wake(db, JDG_WAKE_WORK);
	return until;
}
