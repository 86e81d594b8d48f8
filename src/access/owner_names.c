/*-------------------------------------------------------------------------
 *
 * owner_names.c
 *	  Names of the roles in jadugar_internal.owner, see owner_names.h.
 *
 * Runs in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/owner_names.h"
#include "base/clock.h"
#include "base/spi.h"
#include "shared/work.h"

TimestampTz
jdg_owner_names(JdgDb *db, uint32 why)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.owner o SET name = r.rolname "
		"FROM pg_roles r WHERE r.oid = o.role AND r.rolname <> o.name", 0,
		.config = true
	};

	jdg_work_begin();
	jdg_run(&q, NULL, NULL, 0);
	jdg_work_end();
	return jdg_now() + USECS_PER_HOUR;
}
