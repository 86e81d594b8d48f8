/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Levels given by grant_access(), membership, and whom a call acts for.
 *
 * Runs in any process; reads jadugar_internal.access without locks.  Roles
 * that our tables name are looked at through jdg_role_is_meant(): in a
 * restored database an OID may be another role's until adopt() has mapped it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"

static JdgQuery levels_query = {
	"SELECT role, level FROM jadugar_internal.access "
	"WHERE level <> 'user'", 0, {0}
};

/* Has the role the privileges of one that was given a level? */
static bool
has_level(Oid role, bool monitor_too)
{
	JdgInternal in;
	bool		found = false;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run(&levels_query, NULL, NULL, 0);
	for (int64 i = 0; i < n && !found; i++)
	{
		char	   *level = jdg_col_text(i, 2, CurrentMemoryContext);

		if (monitor_too || strcmp(level, "operator") == 0)
			found = has_privs_of_role(role, jdg_col_oid(i, 1)) &&
				jdg_role_is_meant(jdg_col_oid(i, 1));
	}
	jdg_internal_end(&in);
	return found;
}

bool
jdg_is_operator(Oid role)
{
	return superuser_arg(role) ||
		has_privs_of_role(role, jdg_bookkeeper()) ||
		has_level(role, false);
}

bool
jdg_is_monitor(Oid role)
{
	return superuser_arg(role) ||
		has_privs_of_role(role, jdg_bookkeeper()) ||
		has_level(role, true);
}

void
jdg_require_operator(const char *function)
{
	const char *user;

	if (jdg_is_operator(GetUserId()))
		return;
	user = GetUserNameFromId(GetUserId(), false);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_UNAUTHORIZED),
			 errmsg("permission denied for jadugar.%s()", function),
			 errdetail("Role \"%s\" is not an operator of jadugar in this database.",
					   user),
			 errhint("A superuser can make it one: SELECT jadugar.grant_access('%s', 'operator').",
					 user)));
}

bool
jdg_owns(Oid role, Oid owner)
{
	return has_privs_of_role(role, owner) && jdg_role_is_meant(owner);
}

bool
jdg_may_manage(Oid role, Oid owner)
{
	return jdg_owns(role, owner) || jdg_is_operator(role);
}

bool
jdg_role_trusts(Oid role, Oid other)
{
	return role == other ||
		(is_member_of_role_nosuper(role, other) &&
		 has_privs_of_role(role, other));
}

/* The OID of the role whose objects a call means. */
Oid
jdg_owner_of_call(const char *owner_name)
{
	Oid			user = GetUserId();
	Oid			owner;

	if (owner_name == NULL)
		return user;
	owner = jdg_role_by_name(owner_name);
	if (!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to act for role \"%s\"", owner_name),
				 errdetail("Role \"%s\" is neither a member of it nor an operator.",
						   GetUserNameFromId(user, false)),
				 errhint("Act as a member of that role, or ask for jadugar.grant_access(..., 'operator').")));
	return owner;
}

Oid
jdg_grantee(const char *name)
{
	Oid			role = get_role_oid(name, true);

	if (!OidIsValid(role) && pg_strcasecmp(name, "public") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("nothing of jadugar can be granted to PUBLIC"),
				 errhint("Create a role for those who may use it, grant it to that role, and the role to them.")));
	return jdg_role_by_name(name);
}

Oid
jdg_owner_to_read(const char *owner_name)
{
	if (owner_name != NULL && jdg_is_monitor(GetUserId()))
		return jdg_role_by_name(owner_name);
	return jdg_owner_of_call(owner_name);
}

/*
 * An operator may give work to anybody but to those who could do more than
 * any operator: that needs the right to become them.
 */
static void
check_may_become(Oid user, Oid owner, const char *name)
{
	if (user == owner || jdg_member_can_set_role(user, owner))
		return;
	if (!superuser_arg(owner) && owner != jdg_bookkeeper() &&
		jdg_is_operator(user))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to give work to role \"%s\"", name),
			 errdetail("Role \"%s\" could not SET ROLE to it.",
					   GetUserNameFromId(user, false)),
			 errhint("Work runs with all rights of its owner.")));
}

/*
 * The owner of what a call makes; see access.h.
 */
Oid
jdg_resolve_owner(const char *owner_name)
{
	Oid			owner = jdg_owner_of_call(owner_name);
	NameData	name;
	bool		can_login;

	Assert(!jdg_is_bookkeeping());
	if (!jdg_role_read(owner, &name, &can_login))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("role with OID %u does not exist", owner)));
	check_may_become(GetUserId(), owner, NameStr(name));
	if (!can_login)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("role \"%s\" can not own work because it may not log in",
						NameStr(name)),
				 errdetail("Workers connect to the database as the owner of the work."),
				 errhint("ALTER ROLE %s LOGIN, or act as a role that may log in.",
						 quote_identifier(NameStr(name)))));
	jdg_owner_record(owner, &name);
	return owner;
}
