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
#include "actor/messages.h"
#include "actor/owned.h"
#include "actor/state.h"
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

/* Reports a message, which is a task. */
static void
report_task(JdgHandover *h, int64 task_id, const char *problem)
{
	const char *kind = h->kind;

	h->kind = "tasks";
	jdg_handover_report(h, psprintf(INT64_FORMAT, task_id), problem);
	h->kind = kind;
}

static void
report_message(void *arg, int64 task_id)
{
	report_task(arg, task_id, NULL);
}

static void
report_left_message(void *arg, int64 task_id)
{
	report_task(arg, task_id, "its actor stays");
}

/*
 * Why an actor, which the caller has locked, cannot be handed over; NULL: it
 * can.  No one waits for a worker.
 */
static const char *
obstacle_to(JdgHandover *h, const char *name)
{
	if (!jdg_actor_try_lock_change(name))
		return "a message of it runs, or is being sent";
	if (!OidIsValid(h->to))
		return NULL;
	return jdg_messages_obstacle(name, h->from, h->to);
}

/*
 * Reports the actors of a role, with their messages if these are to move.
 * Returns the names of the actors that change.
 */
static List *
free_actors(JdgHandover *h)
{
	static JdgQuery q = {
		"SELECT a.name FROM jadugar_internal.actor a "
		"WHERE a.owner = $1 ORDER BY a.name FOR UPDATE", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};
	int64		n = jdg_run(&q, v, NULL, 0);
	List	   *all = NIL;
	List	   *result = NIL;
	ListCell   *lc;

	for (int64 i = 0; i < n; i++)
		all = lappend(all, jdg_col_text(i, 1, CurrentMemoryContext));
	foreach(lc, all)
	{
		const char *obstacle = obstacle_to(h, lfirst(lc));

		jdg_handover_report(h, lfirst(lc), obstacle);
		if (OidIsValid(h->to))
			jdg_messages_list(lfirst(lc), h->from, obstacle == NULL ?
							  report_message : report_left_message, h);
		if (obstacle == NULL)
			result = lappend(result, lfirst(lc));
	}
	return result;
}

/* The names as an argument of a query. */
static Datum
array_of(List *names)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(names), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, names)
	{
		elems[n++] = CStringGetTextDatum(lfirst(lc));
	}
	return jdg_array(TEXTOID, elems, NULL, n);
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
	List	   *names = free_actors(h);
	Datum		v[2] = {array_of(names), ObjectIdGetDatum(h->to)};
	ListCell   *lc;

	if (h->dry_run)
		return;
	jdg_run(&states, v, NULL, 0);
	jdg_run(&actors, v, NULL, 0);
	foreach(lc, names)
	{
		jdg_messages_move(lfirst(lc), h->from, h->to);
	}
}

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
	List	   *names = free_actors(h);
	Datum		v[1] = {array_of(names)};
	ListCell   *lc;

	if (h->dry_run)
		return;
	foreach(lc, names)
	{
		jdg_messages_cancel(lfirst(lc), h->from, h->caller, report_message, h);
	}
	jdg_run(&states, v, NULL, 0);
	jdg_run(&actors, v, NULL, 0);
	foreach(lc, names)
	{
		jdg_actor_state_dropped(lfirst(lc));
	}
}

const JdgOwned jdg_actor_owned[] = {
	{"actors", reassign_actors, drop_actors},
	{"cache", NULL, drop_cache},
	{NULL}
};
