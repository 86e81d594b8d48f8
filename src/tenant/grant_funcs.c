/*-------------------------------------------------------------------------
 *
 * grant_funcs.c
 *	  grant_tenant(), revoke_tenant().
 *
 * Runs in the caller's backend, for operators.  A grant confines the role:
 * src/access/confine.c reads it.  Both lock the row of the tenant, so that
 * drop_tenant() and a grant wait for one another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "tenant/tenant.h"

static const char *const level_words[] = {"user", "monitor", NULL};

typedef struct GrantArgs
{
	char	   *tenant;
	char	   *role;
	int			level;			/* in level_words */
} GrantArgs;

static const JdgArg grant_args[] = {
	{"tenant", TEXTOID, offsetof(GrantArgs, tenant), JDG_NEEDED},
	{"role", TEXTOID, offsetof(GrantArgs, role), JDG_NEEDED},
	{"level", TEXTOID, offsetof(GrantArgs, level), JDG_NEEDED, level_words},
};

static const JdgArg revoke_args[] = {
	{"tenant", TEXTOID, offsetof(GrantArgs, tenant), JDG_NEEDED},
	{"role", TEXTOID, offsetof(GrantArgs, role), JDG_NEEDED},
};

static JdgQuery grant_query = {
	"INSERT INTO jadugar_internal.tenant_grant (tenant_id, role, level) "
	"VALUES ($1, $2, $3) "
	"ON CONFLICT (tenant_id, role) DO UPDATE SET level = excluded.level "
	"WHERE tenant_grant.level <> excluded.level",
	3, {INT4OID, OIDOID, TEXTOID},
	.config = true
};

static JdgQuery revoke_query = {
	"DELETE FROM jadugar_internal.tenant_grant "
	"WHERE tenant_id = $1 AND role = $2", 2, {INT4OID, OIDOID},
	.config = true
};

/* Raises an error for a role that the caller cannot confine. */
static void
check_role(Oid role, const char *name)
{
	Oid			caller = GetUserId();

	if (superuser_arg(role) || has_privs_of_role(role, jdg_bookkeeper()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot confine role \"%s\" to a tenant", name),
				 errdetail("Superusers and the owner of the extension see all rows.")));
	if (jdg_is_operator(role) && !superuser() &&
		!has_privs_of_role(caller, jdg_bookkeeper()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to confine role \"%s\" to a tenant",
						name),
				 errdetail("It is an operator."),
				 errhint("A superuser can confine an operator.")));
}

/* Locks the tenant for a grant. */
static void
lock_tenant(const char *name, Oid user, JdgTenant *tenant)
{
	jdg_tenant_lock(name, user, tenant);
	if (tenant->dropping)
		jdg_tenant_is_dropped(tenant);
}

/*
 * Warns of roles that the confined role can become with SET ROLE, and which are
 * not confined.  The first one is named.
 */
static void
warn_of_ways_out(Oid role, const char *name)
{
	static JdgQuery q = {
		"SELECT role FROM jadugar_internal.access ORDER BY role", 0
	};
	int64		n = jdg_run(&q, NULL, NULL, 0);
	Oid		   *roles = palloc(sizeof(Oid) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		roles[i] = jdg_col_oid(i, 1);
	for (int64 i = 0; i < n; i++)
	{
		if (roles[i] == role || GetUserNameFromId(roles[i], true) == NULL ||
			!jdg_member_can_set_role(role, roles[i]) ||
			!jdg_has_access(roles[i]) || jdg_confined(roles[i]) != NULL)
			continue;
		ereport(WARNING,
				(errmsg("role \"%s\" can leave its tenants", name),
				 errdetail("SET ROLE makes it role \"%s\", which has access and is not confined.",
						   jdg_role_name(roles[i])),
				 errhint("Grant access to role \"%s\" itself, and revoke its membership in the other role.",
						 name)));
		return;
	}
}

/* grant_tenant(tenant, role, level) */
JDG_FUNCTION(jdg_grant_tenant, JDG_LEVEL_OPERATOR)
{
	GrantArgs	a;
	JdgTenant	tenant;
	Oid			role;
	JdgInternal in;
	Datum		v[3];

	JDG_READ_ARGS("grant_tenant", grant_args, &a);
	role = jdg_grantee(a.role);
	check_role(role, a.role);
	v[1] = ObjectIdGetDatum(role);
	v[2] = CStringGetTextDatum(level_words[a.level]);
	jdg_internal_begin(&in);
	lock_tenant(a.tenant, in.save_user, &tenant);
	v[0] = Int32GetDatum(tenant.tenant_id);
	jdg_remember_role(role);
	if (jdg_run(&grant_query, v, NULL, 0) > 0)
		jdg_audit_grant("grant_tenant", "tenant", a.tenant, tenant.owner,
						level_words[a.level], a.role);
	warn_of_ways_out(role, a.role);
	jdg_internal_end(&in);
	jdg_note_no_access(role);
	PG_RETURN_VOID();
}

/* revoke_tenant(tenant, role) */
JDG_FUNCTION(jdg_revoke_tenant, JDG_LEVEL_OPERATOR)
{
	GrantArgs	a;
	JdgTenant	tenant;
	Oid			role;
	JdgInternal in;
	Datum		v[2];
	bool		is_free;

	JDG_READ_ARGS("revoke_tenant", revoke_args, &a);
	role = jdg_grantee(a.role);
	v[1] = ObjectIdGetDatum(role);
	jdg_internal_begin(&in);
	lock_tenant(a.tenant, in.save_user, &tenant);
	v[0] = Int32GetDatum(tenant.tenant_id);
	if (jdg_run(&revoke_query, v, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("tenant \"%s\" is not granted to role \"%s\"",
						a.tenant, a.role),
				 errdetail("It may be granted to a role of which this one is a member."),
				 errhint("See the view jadugar.tenant_grants.")));
	jdg_audit_detail("revoke_tenant", "tenant", a.tenant, tenant.owner,
					 psprintf("role \"%s\"", a.role), NULL);
	is_free = jdg_has_access(role) && jdg_confined(role) == NULL;
	jdg_internal_end(&in);
	if (is_free)
		ereport(NOTICE,
				(errmsg("role \"%s\" is no longer confined to tenants", a.role),
				 errhint("To take its access away, call jadugar.revoke_access().")));
	PG_RETURN_VOID();
}
