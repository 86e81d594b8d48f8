/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Levels given by grant_access(), membership, and whom a call acts for.
 *
 * Runs in any process; reads jadugar.access without locks.  Roles that our
 * tables name are looked at through jdg_role_is_meant(): in a restored
 * database an OID may be another role's until adopt() has mapped it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/spi.h"

static JdgQuery levels_query = {
	"SELECT role, level FROM jadugar.access WHERE level <> 'user'", 0, {0}
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
	owner = get_role_oid(owner_name, true);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("role \"%s\" does not exist", jdg_excerpt(owner_name)),
				 errhint("Give owner the exact name of a role.")));
	if (!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to act for role \"%s\"", owner_name),
				 errdetail("Role \"%s\" is neither a member of it nor an operator.",
						   GetUserNameFromId(user, false)),
				 errhint("Act as a member of that role, or ask for jadugar.grant_access(..., 'operator').")));
	return owner;
}
