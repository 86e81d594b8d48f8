/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Limits of a role, for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "limit/owned.h"

/*
 * Limits of keys go with the tasks.  A limit of the role itself stays, or is
 * removed with the role.
 */
static void
reassign_limits(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN EXISTS (SELECT "
		"FROM jadugar_internal.limit_of o WHERE o.scope = 'key' "
		"AND o.owner = $2 AND o.name = t.name) "
		"THEN 'the new owner has a limit of this key' END "
		"FROM jadugar_internal.limit_of t WHERE t.scope = 'key' "
		"AND t.owner = $1 ORDER BY t.name FOR UPDATE OF t",
		2, {OIDOID, OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.limit_of t SET owner = $2 "
			"WHERE t.scope = 'key' AND t.owner = $1 AND NOT EXISTS (SELECT "
			"FROM jadugar_internal.limit_of o WHERE o.scope = 'key' "
			"AND o.owner = $2 AND o.name = t.name)", 2, {OIDOID, OIDOID},
		.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

static void
drop_limits(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT CASE t.scope WHEN 'key' THEN t.name ELSE t.scope END, "
		"NULL::text FROM jadugar_internal.limit_of t "
		"WHERE t.owner = $1 ORDER BY t.scope, t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.limit_of WHERE owner = $1",
		1, {OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_limit_owned[] = {
	{"limits", reassign_limits, drop_limits},
	{NULL}
};
