/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Values of the cache of a role that is dropped, see owned.h.
 *
 * Runs in the caller's backend.  A value has been computed with the rights of
 * its role, so it is not given to another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "actor/owned.h"

static void
drop_cache(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT c.key, NULL::text FROM jadugar_internal.cache c "
		"WHERE c.owner = $1 ORDER BY c.key", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.cache c WHERE c.owner = $1", 1, {OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_actor_owned[] = {
	{"cache", NULL, drop_cache},
	{NULL}
};
