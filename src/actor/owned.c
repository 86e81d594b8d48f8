/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Actors of a role that go to another role, or away, and its values in
 *	  the cache; see owned.h.
 *
 * Runs in the caller's backend.  A value of the cache has been computed with the rights of
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

static void
reassign_actors(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT a.name, NULL::text FROM jadugar_internal.actor a "
		"WHERE a.owner = $1 ORDER BY a.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.actor_state s SET owner = $2 "
			"WHERE s.actor = ANY (ARRAY(SELECT a.name "
		"FROM jadugar_internal.actor a WHERE a.owner = $1))", 2, {OIDOID, OIDOID}},
		{"UPDATE jadugar_internal.actor a SET owner = $2 WHERE a.owner = $1",
		2, {OIDOID, OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

/* The messages are tasks, which are another kind. */
static void
drop_actors(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT a.name, NULL::text FROM jadugar_internal.actor a "
		"WHERE a.owner = $1 ORDER BY a.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"DELETE FROM jadugar_internal.actor_state s "
			"WHERE s.actor = ANY (ARRAY(SELECT a.name "
		"FROM jadugar_internal.actor a WHERE a.owner = $1))", 1, {OIDOID}},
		{"DELETE FROM jadugar_internal.actor a WHERE a.owner = $1", 1, {OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_actor_owned[] = {
	{"actors", reassign_actors, drop_actors},
	{"cache", NULL, drop_cache},
	{NULL}
};
