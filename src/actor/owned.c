/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Actors of a role that go to another role, or away, and its values in
 *	  the cache; see owned.h.
 *
 * Runs in the caller's backend.  A value of the cache has been computed with
 * the rights of its role, so it is not given to another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "actor/actor.h"
#include "actor/owned.h"
#include "base/params.h"

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

/*
 * Reports the actors of a role, and returns the names of those that may change.
 * An actor that runs a message, or gets one, is left: no one waits for a worker.
 */
static Datum
free_actors(JdgHandover *h)
{
	static JdgQuery q = {
		"SELECT a.name FROM jadugar_internal.actor a "
		"WHERE a.owner = $1 ORDER BY a.name FOR UPDATE", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};
	int64		n = jdg_run(&q, v, NULL, 0);
	Datum	   *names = palloc(sizeof(Datum) * Max(n, 1));
	int			nfree = 0;

	for (int64 i = 0; i < n; i++)
	{
		char	   *name = jdg_col_text(i, 1, CurrentMemoryContext);
		bool		locked = jdg_actor_try_lock_change(name);

		jdg_handover_report(h, name, locked ? NULL : "a message of it runs, or is being sent");
		if (locked)
			names[nfree++] = CStringGetTextDatum(name);
	}
	return jdg_array(TEXTOID, names, NULL, nfree);
}

static void
reassign_actors(JdgHandover *h)
{
	static JdgQuery states = {
		"UPDATE jadugar_internal.actor_state SET owner = $2 "
		"WHERE actor = ANY ($1)", 2, {TEXTARRAYOID, OIDOID}
	};
	static JdgQuery actors = {
		"UPDATE jadugar_internal.actor SET owner = $2 WHERE name = ANY ($1)",
		2, {TEXTARRAYOID, OIDOID}
	};
	Datum		v[2] = {free_actors(h), ObjectIdGetDatum(h->to)};

	if (h->dry_run)
		return;
	jdg_run(&states, v, NULL, 0);
	jdg_run(&actors, v, NULL, 0);
}

/* The messages are tasks, which are another kind. */
static void
drop_actors(JdgHandover *h)
{
	static JdgQuery states = {
		"DELETE FROM jadugar_internal.actor_state WHERE actor = ANY ($1)",
		1, {TEXTARRAYOID}
	};
	static JdgQuery actors = {
		"DELETE FROM jadugar_internal.actor WHERE name = ANY ($1)",
		1, {TEXTARRAYOID}
	};
	Datum		v[1] = {free_actors(h)};

	if (h->dry_run)
		return;
	jdg_run(&states, v, NULL, 0);
	jdg_run(&actors, v, NULL, 0);
}

const JdgOwned jdg_actor_owned[] = {
	{"actors", reassign_actors, drop_actors},
	{"cache", NULL, drop_cache},
	{NULL}
};
