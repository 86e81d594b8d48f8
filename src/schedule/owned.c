/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Schedules of a role that go to another role, or away; see owned.h.
 *
 * Runs in the caller's backend.  A schedule keeps its id, its counters and its
 * next instant.  Its unfinished tasks are tasks: task/owned.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "schedule/owned.h"

static void
reassign(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN EXISTS (SELECT "
		"FROM jadugar_internal.schedule o WHERE o.owner = $2 "
		"AND o.name = t.name) "
		"THEN 'the new owner has a schedule of this name' END "
		"FROM jadugar_internal.schedule t WHERE t.owner = $1 "
		"ORDER BY t.name FOR UPDATE OF t", 2, {OIDOID, OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.schedule t SET owner = $2 "
			"WHERE t.owner = $1 AND NOT EXISTS (SELECT "
			"FROM jadugar_internal.schedule o WHERE o.owner = $2 "
		"AND o.name = t.name)", 2, {OIDOID, OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

static void
drop(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.schedule t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"WITH gone AS (DELETE FROM jadugar_internal.schedule "
			"WHERE owner = $1 RETURNING schedule_id) "
			"DELETE FROM jadugar_internal.schedule_stat "
			"WHERE schedule_id IN (SELECT schedule_id FROM gone)",
		1, {OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

const JdgOwned jdg_schedule_owned[] = {
	{"schedules", reassign, drop},
	{NULL}
};
