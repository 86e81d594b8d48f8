/*-------------------------------------------------------------------------
 *
 * access_funcs.c
 *	  SQL functions grant_access() and revoke_access(), and the views'
 *	  checks.
 *
 * Runs in the caller's backend.  GRANT and REVOKE run as the caller, which is
 * a superuser or has the rights of the extension's owner: a utility command
 * may fire event triggers, which must not run under the owner's identity.
 * Only the row of jadugar_internal.access is written as the owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/spi.h"

PG_FUNCTION_INFO_V1(jdg_grant_access);
PG_FUNCTION_INFO_V1(jdg_revoke_access);
PG_FUNCTION_INFO_V1(jdg_v_is_operator);
PG_FUNCTION_INFO_V1(jdg_v_is_monitor);
PG_FUNCTION_INFO_V1(jdg_v_has_access);
PG_FUNCTION_INFO_V1(jdg_v_owns);
PG_FUNCTION_INFO_V1(jdg_v_may_read);
PG_FUNCTION_INFO_V1(jdg_v_may_change);
PG_FUNCTION_INFO_V1(jdg_guard);

static const char *const level_words[] = {
	"user", "operator", "monitor", NULL
};

typedef struct GrantArgs
{
	char	   *role;
	int			level;			/* in level_words */
} GrantArgs;

static const JdgArg grant_args[] = {
	{"role", TEXTOID, offsetof(GrantArgs, role), JDG_NEEDED},
	{"level", TEXTOID, offsetof(GrantArgs, level), JDG_NEEDED, level_words},
};

static const JdgArg revoke_args[] = {
	{"role", TEXTOID, 0, JDG_NEEDED},
};

static JdgQuery record_query = {
	"INSERT INTO jadugar_internal.access (role, level) VALUES ($1, $2) "
	"ON CONFLICT (role) DO UPDATE SET level = excluded.level",
	2, {OIDOID, TEXTOID},
	.config = true
};

static JdgQuery forget_query = {
	"DELETE FROM jadugar_internal.access WHERE role = $1", 1, {OIDOID},
	.config = true
};

static void
check_caller(const char *function)
{
	Oid			user = GetUserId();

	if (superuser() || has_privs_of_role(user, jdg_bookkeeper()))
	{
		PreventCommandIfReadOnly(psprintf("jadugar.%s()", function));
		return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied for jadugar.%s()", function),
			 errdetail("Role \"%s\" is neither a superuser nor the owner of the extension.",
					   GetUserNameFromId(user, false))));
}

/* The role to which access is given or from which it is taken. */
static Oid
named_role(const char *name)
{
	Oid			role = jdg_grantee(name);

	if (role == jdg_bookkeeper())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cannot change the access of role \"%s\"", name),
				 errdetail("The role owns the extension. It needs all privileges and has them.")));
	return role;
}

/* The one privilege that a role needs, given or taken as the current user. */
static void
change_grant(const char *command)
{
	int			guc_level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run: %s", command);
	SPI_finish();
	AtEOXact_GUC(false, guc_level);
}

/* grant_access(role, level) */
Datum
jdg_grant_access(PG_FUNCTION_ARGS)
{
	GrantArgs	a;
	JdgInternal in;
	Datum		values[2];

	check_caller("grant_access");
	JDG_READ_ARGS("grant_access", grant_args, &a);
	values[0] = ObjectIdGetDatum(named_role(a.role));
	values[1] = CStringGetTextDatum(level_words[a.level]);
	jdg_internal_begin(&in);
	jdg_remember_role(DatumGetObjectId(values[0]));
	jdg_run(&record_query, values, NULL, 0);
	jdg_audit_detail("grant_access", "role", a.role,
					 DatumGetObjectId(values[0]),
					 psprintf("level \"%s\"", level_words[a.level]), NULL);
	jdg_internal_end(&in);
	change_grant(psprintf("GRANT USAGE ON SCHEMA jadugar TO %s",
						  quote_identifier(a.role)));
	PG_RETURN_VOID();
}

/* revoke_access(role) */
Datum
jdg_revoke_access(PG_FUNCTION_ARGS)
{
	char	   *name;
	JdgInternal in;
	Datum		role;
	int64		n;

	check_caller("revoke_access");
	JDG_READ_ARGS("revoke_access", revoke_args, &name);
	role = ObjectIdGetDatum(named_role(name));
	jdg_internal_begin(&in);
	n = jdg_run(&forget_query, &role, NULL, 0);
	jdg_audit("revoke_access", "role", name, DatumGetObjectId(role));
	jdg_internal_end(&in);
	if (n == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("role \"%s\" has not been granted access", name),
				 errdetail("It may be a member of a role that has.")));
	change_grant(psprintf("REVOKE ALL ON SCHEMA jadugar FROM %s",
						  quote_identifier(name)));
	PG_RETURN_VOID();
}

Datum
jdg_v_is_operator(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(jdg_is_operator(GetUserId()));
}

Datum
jdg_v_is_monitor(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(jdg_is_monitor(GetUserId()));
}

Datum
jdg_v_has_access(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(jdg_has_access(GetUserId()));
}

/* The check of an SQL function that any level may call. */
Datum
jdg_v_may_read(PG_FUNCTION_ARGS)
{
	jdg_require_level_of(text_to_cstring(PG_GETARG_TEXT_PP(0)), JDG_LEVEL_ANY);
	PG_RETURN_BOOL(true);
}

/* The check of an SQL function that changes something. */
Datum
jdg_v_may_change(PG_FUNCTION_ARGS)
{
	jdg_require_level_of(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 JDG_LEVEL_USER);
	PG_RETURN_BOOL(true);
}

/*
 * The statement trigger of our tables.  A role that could write them could run
 * work as any other role, and pg_write_all_data can write every table.  Only
 * bookkeeping may, and roles that can do anything in the extension anyway.
 */
Datum
jdg_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "called as a function");
	if (!jdg_is_bookkeeping() && !superuser() &&
		!has_privs_of_role(GetUserId(), jdg_bookkeeper()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change table \"%s\" of jadugar",
						RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation)),
				 errdetail("Only superusers and jadugar itself may change it."),
				 errhint("Use the functions in schema jadugar.")));
	return PointerGetDatum(NULL);
}

/* The state that a call of _v_owns() keeps for the next call. */
typedef struct OwnsState
{
	Oid			user;
	bool		has_access;
} OwnsState;

/* Asked for each row of a view: access is looked up once in a query. */
Datum
jdg_v_owns(PG_FUNCTION_ARGS)
{
	OwnsState  *state = fcinfo->flinfo->fn_extra;
	Oid			user = GetUserId();

	if (state == NULL)
		fcinfo->flinfo->fn_extra = state =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(OwnsState));
	if (state->user != user)
	{
		state->has_access = jdg_has_access(user);
		state->user = user;
	}
	PG_RETURN_BOOL(state->has_access && jdg_owns(user, PG_GETARG_OID(0)));
}
