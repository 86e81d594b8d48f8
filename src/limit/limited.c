/*-------------------------------------------------------------------------
 *
 * limited.c
 *	  Handlers that have limits, see limited.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/spi.h"
#include "limit/limited.h"

static JdgQuery handler_query = {
	"SELECT owner FROM jadugar_internal.handler WHERE name = $1 FOR UPDATE",
	1, {TEXTOID}
};

Oid
jdg_limit_lock_handler(const char *name, Oid user)
{
	Datum		v[1] = {CStringGetTextDatum(name)};
	Oid			owner;

	jdg_check_name("handler", name);
	if (jdg_run(&handler_query, v, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", name),
				 errhint("See the view jadugar.handlers.")));
	owner = jdg_col_oid(0, 1);
	if (!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for handler \"%s\"", name),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(owner)),
				 errhint("Act as a member of that role, or as an operator.")));
	return owner;
}
