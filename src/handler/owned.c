/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Handlers of a role that go to another role, or away; see owned.h.
 *
 * Runs in the caller's backend.  Grants of a handler stay when its owner
 * changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "base/compat.h"
#include "base/objects.h"
#include "handler/command.h"
#include "handler/owned.h"

/* do tasks, schedules, subscriptions or flows use handler t? */
#define IN_USE \
	"(EXISTS (SELECT FROM jadugar_internal.command c " \
	"JOIN jadugar_internal.task k USING (command_id) " \
	"WHERE c.kind = " JDG_SQL_HANDLER " AND c.text = t.name) " \
	"OR EXISTS (SELECT FROM jadugar_internal.command c " \
	"JOIN jadugar_internal.schedule s USING (command_id) " \
	"WHERE c.kind = " JDG_SQL_HANDLER " AND c.text = t.name) " \
	"OR EXISTS (SELECT FROM jadugar_internal.command c " \
	"JOIN jadugar_internal.subscription s USING (command_id) " \
	"WHERE c.kind = " JDG_SQL_HANDLER " AND c.text = t.name) " \
	"OR (SELECT u.flows + u.runs > 0 " \
	"FROM jadugar_internal._flow_uses(NULL, t.name) u))"

/*
 * The name of a handler means code that other roles run with their rights, and
 * its owner can replace that code.  So an operator cannot move handlers merely
 * as an operator.
 */
static bool
may_move(const JdgHandover *h)
{
	return superuser_arg(h->caller) ||
		(has_privs_of_role(h->caller, h->from) &&
		 jdg_member_can_set_role(h->caller, h->to));
}

static void
reassign(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.handler t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery refused = {
		"SELECT t.name, 'only a superuser or a member of both roles can move "
		"handlers' FROM jadugar_internal.handler t "
		"WHERE t.owner = $1 ORDER BY t.name", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.handler SET owner = $2 WHERE owner = $1",
		2, {OIDOID, OIDOID},.config = true},
		{NULL}
	};
	static JdgQuery nothing[] = {{NULL}};

	if (may_move(h))
		jdg_handover_rows(h, &list, changes);
	else
		jdg_handover_rows(h, &refused, nothing);
}

static void
drop(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, CASE WHEN " IN_USE " "
		"THEN 'tasks, schedules, subscriptions or flows use it' END "
		"FROM jadugar_internal.handler t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE OF t", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"WITH gone AS (DELETE FROM jadugar_internal.handler t "
			"WHERE t.owner = $1 AND NOT " IN_USE " "
			"RETURNING t.name) DELETE FROM jadugar_internal.handler_grant "
			"WHERE handler IN (SELECT g.name FROM gone g)",
		1, {OIDOID}},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
	jdg_config_changed();
}

const JdgOwned jdg_handler_owned[] = {
	{"handlers", reassign, drop},
	{NULL}
};
