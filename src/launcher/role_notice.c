/*-------------------------------------------------------------------------
 *
 * role_notice.c
 *	  Hints after statements on roles, see role_notice.h.
 *
 * Runs in any backend.  Schedules, tasks and the like are rows of our tables:
 * REASSIGN OWNED and DROP OWNED do not reach them, and DROP ROLE does not fail
 * because of them.  Only this database is examined.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "launcher/role_notice.h"

/* a role that owns something */
typedef struct Left
{
	Oid			role;
	char	   *name;
	bool		dropped;		/* the statement drops it */
} Left;

static bool
owns_something(Oid role)
{
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.schedule t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.task t WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.handler t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.queue t "
		"WHERE t.owner = $1 AND t.queue_id >= 10) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_version t "
		"WHERE t.owner = $1 AND t.name IS NOT NULL AND t.dropped_at IS NULL) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_draft t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_run t "
		"WHERE t.owner = $1 AND t.finished_at IS NULL)", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(role)};

	jdg_run(&q, v, NULL, 1);
	return jdg_col_bool(0, 1);
}

List *
jdg_role_notice_find(Node *stmt)
{
	List	   *specs = NIL;
	List	   *found = NIL;
	ListCell   *lc;

	if (IsA(stmt, ReassignOwnedStmt))
		specs = ((ReassignOwnedStmt *) stmt)->roles;
	else if (IsA(stmt, DropOwnedStmt))
		specs = ((DropOwnedStmt *) stmt)->roles;
	else if (IsA(stmt, DropRoleStmt))
		specs = ((DropRoleStmt *) stmt)->roles;
	if (specs == NIL || !IsTransactionState() || creating_extension ||
		!OidIsValid(get_extension_oid("jadugar", true)))
		return NIL;
	foreach(lc, specs)
	{
		RoleSpec   *spec = lfirst_node(RoleSpec, lc);
		Oid			role = get_rolespec_oid(spec, true);
		JdgInternal in;
		Left	   *left;
		bool		owns;

		if (!OidIsValid(role))
			continue;
		jdg_internal_begin(&in);
		owns = owns_something(role);
		jdg_internal_end(&in);
		if (!owns)
			continue;
		left = palloc(sizeof(Left));
		left->role = role;
		left->name = GetUserNameFromId(role, false);
		left->dropped = IsA(stmt, DropRoleStmt);
		found = lappend(found, left);
	}
	return found;
}

void
jdg_role_notice_give(List *found)
{
	ListCell   *lc;

	foreach(lc, found)
	{
		Left	   *left = lfirst(lc);

		if (left->dropped)
			ereport(NOTICE,
					(errmsg("role \"%s\" has left schedules, tasks or other objects of jadugar",
							left->name),
					 errhint("An operator can give them to another role or drop them: see jadugar.reassign_owned('%u', ...) and jadugar.drop_owned('%u').",
							 left->role, left->role)));
		else
			ereport(NOTICE,
					(errmsg("role \"%s\" still owns schedules, tasks or other objects of jadugar",
							left->name),
					 errhint("Give them to another role with jadugar.reassign_owned(), or drop them with jadugar.drop_owned().")));
	}
}
