/*-------------------------------------------------------------------------
 *
 * role_notice.c
 *	  Hints after statements on roles, see role_notice.h.
 *
 * Runs in any backend.  Schedules, tasks and the like are rows of our tables:
 * REASSIGN OWNED and DROP OWNED do not reach them, and DROP ROLE does not fail
 * because of them.  Only this database is examined, and only as far as that is
 * quick: the notice is a courtesy, and the statement the user's.
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
#include "utils/guc.h"

#include "base/spi.h"
#include "base/subxact.h"
#include "launcher/role_notice.h"
#include "task/task.h"

/* limit of the time for which a statement waits for one of our tables */
#define LOCK_TIMEOUT_OF_NOTICE "20ms"

/* how many tasks that no index finds by owner are examined */
#define LATEST "10000"

/* a role that owns something */
typedef struct Left
{
	Oid			role;
	char	   *name;
	bool		dropped;		/* the statement drops it */
} Left;

/* a question about a role, and its answer */
typedef struct Question
{
	Oid			role;
	bool		owns;
} Question;

/*
 * Does the role own something?  An index answers for all kinds but tasks that
 * are not ready.  Of these the latest are examined, since the question must
 * not take long.
 */
static bool
owns_something(Oid role)
{
	static JdgQuery known = {
		"SELECT 1 FROM jadugar_internal.owner t WHERE t.role = $1", 1, {OIDOID}
	};
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.schedule t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE t.owner = $1 AND t.state = " JDG_SQL_READY ") "
		"OR EXISTS (SELECT FROM jadugar_internal.task t "
		"WHERE t.owner = $1 AND t.state = " JDG_SQL_KEY ") "
		"OR EXISTS (SELECT FROM jadugar_internal.handler t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.queue t "
		"WHERE t.owner = $1 AND t.queue_id >= 10) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_version t "
		"WHERE t.owner = $1 AND t.name IS NOT NULL AND t.dropped_at IS NULL) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_draft t "
		"WHERE t.owner = $1) "
		"OR EXISTS (SELECT FROM jadugar_internal.flow_run t "
		"WHERE t.owner = $1 AND t.finished_at IS NULL) "
		"OR EXISTS (SELECT FROM (SELECT t.owner FROM jadugar_internal.task t "
		"ORDER BY t.task_id DESC LIMIT " LATEST ") l WHERE l.owner = $1) "
		"OR EXISTS (SELECT FROM (SELECT t.owner FROM jadugar_internal.task t "
		"WHERE t.state = " JDG_SQL_SCHEDULED " "
		"ORDER BY t.run_at DESC LIMIT " LATEST ") l WHERE l.owner = $1)",
		1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(role)};

	/* most roles have never owned anything */
	if (jdg_run_latest(&known, v, NULL) == 0)
		return false;
	jdg_run_latest(&q, v, NULL);
	return jdg_col_bool(0, 1);
}

/* Answers the question, in a subtransaction. */
static void
answer(void *arg)
{
	Question   *q = arg;
	JdgInternal in;

	jdg_internal_begin(&in);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT_OF_NOTICE,
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	q->owns = owns_something(q->role);
	jdg_internal_end(&in);
}

/*
 * The same without effect on the user's statement: it waits for no lock of our
 * tables, and no error but the user's own cancel reaches it.
 */
static bool
may_own_something(Oid role)
{
	Question	q = {role, false};
	ErrorData  *edata = jdg_in_subxact(answer, &q, CurrentMemoryContext);

	if (edata == NULL)
		return q.owns;
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(edata);
	ereport(DEBUG1,
			(errmsg_internal("jadugar does not know what role %u owns: %s",
							 role, edata->message)));
	return false;
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
		Left	   *left;

		if (!OidIsValid(role) || !may_own_something(role))
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
