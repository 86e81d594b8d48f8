/*-------------------------------------------------------------------------
 *
 * audit_retention.c
 *	  Deletion of rows of jadugar_internal.audit that are older than
 *	  jadugar.audit_retention.
 *
 * Runs in the scheduler, hourly, in turns; see shared/oldrows.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/audit_retention.h"
#include "base/clock.h"
#include "base/settings.h"
#include "shared/oldrows.h"

TimestampTz
jdg_audit_retention_duty(JdgDb *db, uint32 why)
{
	static JdgQuery find = {
		"SELECT max(at) FROM (SELECT a.at FROM jadugar_internal.audit a "
		"WHERE a.at > $1 AND a.at < $2 ORDER BY a.at "
		"FETCH FIRST " JDG_OLD_ROWS_BATCH " ROWS WITH TIES) b", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery delete = {
		"DELETE FROM jadugar_internal.audit WHERE at > $1 AND at <= $2", 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static TimestampTz reached = DT_NOBEGIN;
	int64		keep = (int64) jdg_audit_retention * USECS_PER_MINUTE;

	if (!jdg_old_rows_delete(&find, &delete, &reached, jdg_now() - keep))
		return DT_NOBEGIN;
	return jdg_now() + USECS_PER_HOUR;
}
