/*-------------------------------------------------------------------------
 *
 * typerow.c
 *	  Locking the rows of event types, see typerow.h.
 *
 * Runs in the process of a session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/errors.h"
#include "base/spi.h"
#include "event/typerow.h"

bool
jdg_event_type_lock(const char *name, Oid user)
{
	static JdgQuery q = {
		"SELECT owner FROM jadugar_internal.event_type WHERE name = $1 "
		"FOR UPDATE", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};
	Oid			owner;

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 1) == 0)
		return false;
	owner = jdg_col_oid(0, 1);
	if (!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to change event type \"%s\"", name),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(owner)),
				 errhint("A type can be changed by its owner and by operators.")));
	return true;
}
