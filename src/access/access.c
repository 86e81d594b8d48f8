/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Levels given by grant_access(), membership, and whom a call acts for.
 *
 * Runs in any process; reads jadugar_internal.access without locks.  Roles
 * that our tables name are looked at through jdg_role_is_meant() and
 * jdg_role_meant_by(): in a restored database an OID may be another role's
 * until adopt() has mapped it.
 *
 * Our functions may be executed by PUBLIC, so a function that does more than
 * compute asks here for the level of its caller before anything else: see
 * JDG_FUNCTION.  USAGE on the schema is no level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "access/confine.h"
#include "access/owner.h"
#include "access/power.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"

/*
 * Levels, as bits; an operator has the first three.  A confined role is no
 * monitor, and reads the rows of its tenants.
 */
#define LEVEL_USER		1
#define LEVEL_MONITOR	2
#define LEVEL_OPERATOR	4
#define LEVEL_CONFINED	8
#define LEVELS_ALL		(LEVEL_USER | LEVEL_MONITOR | LEVEL_OPERATOR)

/* what a role may do */
typedef struct Rights
{
	int			levels;
	JdgConfined *confined;		/* NULL: it is not */
} Rights;

static JdgQuery levels_query = {
	"SELECT role, level FROM jadugar_internal.access", 0, {0}
};

static int
level_bits(const char *level)
{
	if (strcmp(level, "user") == 0)
		return LEVEL_USER;
	if (strcmp(level, "monitor") == 0)
		return LEVEL_MONITOR;
	return LEVELS_ALL;
}

/*
 * Reads the levels of all roles whose privileges the role has, as they are now
 * whatever the transaction's snapshot is.
 */
static int
read_levels(Oid role)
{
	JdgInternal in;
	int			levels = 0;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run_latest(&levels_query, NULL, NULL);
	for (int64 i = 0; i < n; i++)
	{
		SPITupleTable *table = SPI_tuptable;
		Oid			given_to = jdg_role_meant_by(jdg_col_oid(i, 1));

		SPI_tuptable = table;
		if (OidIsValid(given_to) && has_privs_of_role(role, given_to))
			levels |= level_bits(jdg_col_text(i, 2, CurrentMemoryContext));
	}
	jdg_internal_end(&in);
	return levels;
}

/*
 * Confines the levels of a role to its tenants.  It acts on some if it is a
 * user, of jadugar and of a tenant.  A role that has lost its access gets none
 * by this, and its subscriptions go on.
 */
static int
confine_levels(int levels, JdgConfined *c)
{
	bool		user = false;

	if (levels == 0)
		return 0;
	for (int i = 0; i < c->n; i++)
	{
		c->tenants[i].user &= (levels & LEVEL_USER) != 0;
		user |= c->tenants[i].user;
	}
	return LEVEL_CONFINED | (user ? LEVEL_USER : 0);
}

/*
 * Reads what a role may do.  An operator, who may be a member of many roles, is
 * confined by a grant to itself only.
 */
static Rights
read_rights(Oid role, MemoryContext mcxt)
{
	Rights		r = {read_levels(role), NULL};

	r.confined = jdg_confined_read(role, (r.levels & LEVEL_OPERATOR) != 0,
								   mcxt);
	if (r.confined != NULL)
		r.levels = confine_levels(r.levels, r.confined);
	return r;
}

/* a role whose rights this process has read */
typedef struct KnownRole
{
	Oid			role;
	uint64		epoch;			/* of the configuration; 0: not kept */
	Rights		rights;
	MemoryContext mcxt;			/* of rights.confined */
} KnownRole;

/* Makes room for the rights of one more role. */
static KnownRole *
next_known(KnownRole *known, int n)
{
	static int	next = 0;
	KnownRole  *k = &known[next];

	next = (next + 1) % n;
	k->epoch = 0;
	if (k->mcxt == NULL)
		k->mcxt = AllocSetContextCreate(TopMemoryContext,
										"jadugar rights of a role",
										ALLOCSET_SMALL_SIZES);
	MemoryContextReset(k->mcxt);
	return k;
}

/*
 * What a role may do.  Every call of a function asks for it, so it is kept for
 * some roles until the configuration changes.
 */
static Rights
rights_of(Oid role)
{
	static KnownRole known[8];
	KnownRole  *k;
	uint64		epoch;

	if (superuser_arg(role) || has_privs_of_role(role, jdg_bookkeeper()))
	{
		Rights		all = {LEVELS_ALL, NULL};

		return all;
	}
	epoch = jdg_config_epoch_latest();
	for (int i = 0; epoch != 0 && i < lengthof(known); i++)
	{
		if (known[i].role == role && known[i].epoch == epoch)
			return known[i].rights;
	}
	k = next_known(known, lengthof(known));
	k->rights = read_rights(role, k->mcxt);
	k->role = role;
	/* no level is not kept: which role is meant may change without an epoch */
	k->epoch = k->rights.levels ? epoch : 0;
	return k->rights;
}

static int
levels_of(Oid role)
{
	return rights_of(role).levels;
}

const JdgConfined *
jdg_confined(Oid role)
{
	return rights_of(role).confined;
}

bool
jdg_is_operator(Oid role)
{
	return (levels_of(role) & LEVEL_OPERATOR) != 0;
}

bool
jdg_is_monitor(Oid role)
{
	return (levels_of(role) & LEVEL_MONITOR) != 0;
}

bool
jdg_has_access(Oid role)
{
	return levels_of(role) != 0;
}

/* The name of the SQL function that calls the C function. */
static const char *
function_name(FunctionCallInfo fcinfo)
{
	char	   *name = get_func_name(fcinfo->flinfo->fn_oid);

	if (name == NULL)
		return "?";
	return strncmp(name, "_v_", 3) == 0 ? name + 3 : name;
}

/* Raises UNAUTHORIZED: the caller of the function lacks the level. */
static void
refuse(const char *function, bool operator_only)
{
	const char *role = GetUserNameFromId(GetUserId(), false);
	const char *level = operator_only ? "operator" : "user";

	if (jdg_confined(GetUserId()) != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_UNAUTHORIZED),
				 errmsg("permission denied for jadugar.%s()", function),
				 operator_only ?
				 errdetail("Role \"%s\" is confined to tenants. Only operators that are not confined can call this function.",
						   role) :
				 errdetail("Role \"%s\" is confined to tenants, and does not have the level \"%s\" in any of them.",
						   role, level),
				 operator_only ? 0 :
				 errhint("It needs the level \"%s\" from jadugar.grant_access(), and for one of its tenants from jadugar.grant_tenant().",
						 level)));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_UNAUTHORIZED),
			 errmsg("permission denied for jadugar.%s()", function),
			 errdetail("Role \"%s\" does not have access to jadugar at level \"%s\" in this database.",
					   role, level),
			 errhint("A superuser can grant it: SELECT jadugar.grant_access(%s, '%s').",
					 quote_literal_cstr(role), level)));
}

/* Raises UNAUTHORIZED if the levels do not include the required one. */
static void
check_level(int levels, JdgLevel level, FunctionCallInfo fcinfo,
			const char *function)
{
	bool		enough = false;

	switch (level)
	{
		case JDG_LEVEL_ANY:
			enough = levels != 0;
			break;
		case JDG_LEVEL_USER:
		case JDG_LEVEL_USER_READS:
			enough = (levels & LEVEL_USER) != 0;
			break;
		case JDG_LEVEL_OPERATOR:
			enough = (levels & LEVEL_OPERATOR) != 0;
			break;
	}
	if (!enough)
		refuse(function ? function : function_name(fcinfo),
			   level == JDG_LEVEL_OPERATOR);
}

static bool
may_change(JdgLevel level)
{
	return level == JDG_LEVEL_USER || level == JDG_LEVEL_OPERATOR;
}

/*
 * The levels of the current user, as they are now: a transaction that has been
 * open for long sees here what was revoked meanwhile, levels and all else.
 */
static int
levels_now(void)
{
	AcceptInvalidationMessages();
	return levels_of(GetUserId());
}

/*
 * A function that changes something is VOLATILE, and a monitor may not call
 * it.  What it does may not be a change of rows, and a standby would not
 * notice, so the transaction is asked here.
 */
void
jdg_require_level(FunctionCallInfo fcinfo, JdgLevel level)
{
	check_level(levels_now(), level, fcinfo, NULL);
	if (XactReadOnly && may_change(level) &&
		func_volatile(fcinfo->flinfo->fn_oid) == PROVOLATILE_VOLATILE)
		PreventCommandIfReadOnly(psprintf("jadugar.%s()",
										  function_name(fcinfo)));
}

void
jdg_require_level_of(const char *function, JdgLevel level)
{
	check_level(levels_now(), level, NULL, function);
	if (may_change(level))
		PreventCommandIfReadOnly(psprintf("jadugar.%s()", function));
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

/*
 * Parses a number as the views show it in place of the name of an owner that
 * was dropped.  Returns InvalidOid if it names none.
 */
static Oid
dropped_owner(const char *number)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.owner WHERE role = $1", 1, {OIDOID}
	};
	char	   *end;
	unsigned long value;
	Datum		role;
	NameData	name;
	bool		can_login;
	JdgInternal in;
	int64		n;

	if (number[0] < '1' || number[0] > '9')
		return InvalidOid;
	errno = 0;
	value = strtoul(number, &end, 10);
	if (*end != '\0' || errno != 0 || value > PG_UINT32_MAX ||
		jdg_role_read((Oid) value, &name, &can_login))
		return InvalidOid;
	role = ObjectIdGetDatum((Oid) value);
	jdg_internal_begin(&in);
	n = jdg_run(&q, &role, NULL, 1);
	jdg_internal_end(&in);
	return n > 0 ? (Oid) value : InvalidOid;
}

/* The role that "owner" means, by its name, or by its OID if it was dropped. */
static Oid
named_owner(const char *owner_name)
{
	Oid			role = get_role_oid(owner_name, true);

	if (!OidIsValid(role))
		role = dropped_owner(owner_name);
	return OidIsValid(role) ? role : jdg_role_by_name(owner_name);
}

/* Returns the OID of the role for whose objects a call acts, see access.h. */
Oid
jdg_owner_of_call(const char *owner_name)
{
	Oid			user = GetUserId();
	Oid			owner;

	if (owner_name == NULL)
		return user;
	owner = named_owner(owner_name);
	if (!jdg_may_manage(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to act for role \"%s\"", owner_name),
				 errdetail("Role \"%s\" is neither a member of it nor an operator.",
						   GetUserNameFromId(user, false)),
				 errhint("Act as a member of that role, or as an operator.")));
	return owner;
}

Oid
jdg_grantee(const char *name)
{
	Oid			role = get_role_oid(name, true);

	if (!OidIsValid(role) && pg_strcasecmp(name, "public") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot grant privileges of jadugar to PUBLIC"),
				 errhint("Create a role for the users, grant the privilege to that role, and grant that role to the users.")));
	return jdg_role_by_name(name);
}

void
jdg_note_no_access(Oid role)
{
	if (jdg_has_access(role))
		return;
	ereport(NOTICE,
			(errmsg("role \"%s\" has no access to jadugar", jdg_role_name(role)),
			 errhint("A superuser can call jadugar.grant_access() for it, or for its members.")));
}

Oid
jdg_owner_to_read(const char *owner_name)
{
	if (owner_name != NULL && jdg_is_monitor(GetUserId()))
		return named_owner(owner_name);
	return jdg_owner_of_call(owner_name);
}

Oid
jdg_owner_of_rows_to_read(const char *owner_name)
{
	if (owner_name != NULL && jdg_confined(GetUserId()) != NULL)
		return named_owner(owner_name);
	return jdg_owner_to_read(owner_name);
}

Oid
jdg_visible_owner(int64 n)
{
	Oid			caller = jdg_section_caller();
	Oid		   *owners = palloc(sizeof(Oid) * Max(n, 1));

	for (int64 i = 0; i < n; i++)
		owners[i] = jdg_col_oid(i, 1);
	/* the caller may not see all that they own */
	if (jdg_confined(caller) != NULL)
		return InvalidOid;
	for (int64 i = 0; i < n; i++)
	{
		if (jdg_may_manage(caller, owners[i]) || jdg_is_monitor(caller))
			return owners[i];
	}
	return InvalidOid;
}

/*
 * An operator may give work to any role except those with more power than an
 * operator.  That needs the right to SET ROLE to them.
 */
static void
check_may_become(Oid user, Oid owner, const char *name)
{
	const char *power = NULL;

	if (user == owner || jdg_member_can_set_role(user, owner))
		return;
	if (jdg_is_operator(user) && (power = jdg_role_power(owner)) == NULL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to give work to role \"%s\"", name),
			 power == NULL ?
			 errdetail("Role \"%s\" may not SET ROLE to it.",
					   GetUserNameFromId(user, false)) :
			 errdetail("It has the right \"%s\", and role \"%s\" may not SET ROLE to it.",
					   power, GetUserNameFromId(user, false)),
			 errhint("Work runs with all rights of its owner.")));
}

JDG_NORETURN static void
raise_gone(Oid role)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("role with OID %u does not exist", role)));
	pg_unreachable();
}

/* Finds the role, and checks that the caller may give it something. */
static Oid
resolve(const char *owner_name, NameData *name, bool *can_login)
{
	Oid			owner = jdg_owner_of_call(owner_name);

	Assert(!jdg_is_bookkeeping());
	if (!jdg_role_read(owner, name, can_login))
		raise_gone(owner);
	check_may_become(GetUserId(), owner, NameStr(*name));
	return owner;
}

/* Returns the owner of the work that a call makes; see access.h. */
/* Raises an error unless workers can connect as the role. */
static void
check_may_work(Oid owner, const char *name, bool can_login)
{
	if (!can_login)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("role \"%s\" cannot own work because it is not permitted to log in",
						name),
				 errdetail("Workers connect to the database as the owner of the work."),
				 errhint("Run ALTER ROLE %s LOGIN, or act as a role that may log in.",
						 quote_identifier(name))));
	if (!jdg_database_acl_ok(MyDatabaseId, owner, ACL_CONNECT))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("role \"%s\" cannot own work because it may not connect to the database",
						name),
				 errdetail("Workers connect to the database as the owner of the work."),
				 errhint("Run GRANT CONNECT ON DATABASE %s TO %s, or act as another role.",
						 quote_identifier(get_database_name(MyDatabaseId)),
						 quote_identifier(name))));
}

Oid
jdg_resolve_owner(const char *owner_name)
{
	NameData	name;
	bool		can_login;
	Oid			owner = resolve(owner_name, &name, &can_login);

	check_may_work(owner, NameStr(name), can_login);
	jdg_owner_record(owner, &name);
	return owner;
}

void
jdg_require_may_work(Oid owner)
{
	NameData	name;
	bool		can_login;

	if (!jdg_role_read(owner, &name, &can_login))
		raise_gone(owner);
	check_may_work(owner, NameStr(name), can_login);
}

/* The same for objects that are no work. */
Oid
jdg_resolve_object_owner(const char *owner_name)
{
	NameData	name;
	bool		can_login;
	Oid			owner = resolve(owner_name, &name, &can_login);

	jdg_owner_record(owner, &name);
	return owner;
}
