/*-------------------------------------------------------------------------
 *
 * row_access.c
 *	  What a role may do with a row that has an owner and the label of a
 *	  tenant, and the functions by which views ask for it.
 *
 * Runs in any process.  A role that is not confined acts on rows of its own
 * roles, or as an operator on all, whatever the label is.  A role that is
 * confined sees the rows of its tenants, whoever owns them, and acts on those
 * of them that its own roles own.  Rows without a label belong to no tenant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "access/confine.h"
#include "access/row_access.h"
#include "base/errors.h"
#include "base/spi.h"

PG_FUNCTION_INFO_V1(jdg_v_sees);
PG_FUNCTION_INFO_V1(jdg_v_reads);
PG_FUNCTION_INFO_V1(jdg_v_is_confined);

/* How much a confined role sees of rows with the label. */
static JdgRowAccess
confined_access(const JdgConfined *c, const char *tenant)
{
	const JdgConfinedTenant *t = jdg_confined_find(c, tenant);

	if (t == NULL)
		return JDG_ROW_HIDDEN;
	return t->user ? JDG_ROW_WHOLE : JDG_ROW_OUTLINE;
}

JdgRowAccess
jdg_row_access(Oid role, Oid owner, const char *tenant)
{
	const JdgConfined *c = jdg_confined(role);

	if (c != NULL)
		return confined_access(c, tenant);
	if (jdg_may_manage(role, owner))
		return JDG_ROW_WHOLE;
	return jdg_is_monitor(role) ? JDG_ROW_OUTLINE : JDG_ROW_HIDDEN;
}

bool
jdg_may_manage_row(Oid role, Oid owner, const char *tenant)
{
	const JdgConfined *c = jdg_confined(role);

	if (c != NULL && confined_access(c, tenant) != JDG_ROW_WHOLE)
		return false;
	return jdg_may_manage(role, owner);
}

bool
jdg_may_replace(Oid role, Oid owner)
{
	JdgConfined *own;
	const JdgConfined *c;

	if (!jdg_owns(role, owner))
		return false;
	own = jdg_confined_copy(jdg_confined(role));
	if (own == NULL)
		return true;
	c = jdg_confined(owner);
	for (int i = 0; c != NULL && i < c->n; i++)
	{
		if (confined_access(own, c->tenants[i].name) == JDG_ROW_HIDDEN)
			return false;
	}
	return c != NULL;
}

void
jdg_put_tenants(Datum *value, char *isnull, Oid role)
{
	const JdgConfined *c = jdg_confined(role);

	*isnull = c == NULL ? 'n' : ' ';
	*value = c == NULL ? (Datum) 0 : jdg_confined_user_names(c);
}

/* Raises an error: the role has to name one of its tenants. */
static void
raise_choose(const JdgConfined *c)
{
	const char *role = GetUserNameFromId(GetUserId(), false);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("no tenant is given"),
			 errdetail("Role \"%s\" is confined to several tenants.", role),
			 errhint("Pass tenant, or set jadugar.tenant.")));
}

const char *
jdg_tenant_of_new_row(const char *tenant)
{
	const JdgConfined *c = jdg_confined(GetUserId());
	const JdgConfinedTenant *only = NULL;
	int			n = 0;

	Assert(!jdg_is_bookkeeping());
	if (c == NULL)
		return tenant;
	for (int i = 0; i < c->n; i++)
	{
		if (!c->tenants[i].user)
			continue;
		only = &c->tenants[i];
		n++;
	}
	if (tenant == NULL && n > 1)
		raise_choose(c);
	if (tenant == NULL && n == 1)
		return pstrdup(only->name);
	if (tenant == NULL || confined_access(c, tenant) != JDG_ROW_WHOLE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 tenant ? errmsg("permission denied for tenant \"%s\"", tenant) :
				 errmsg("permission denied for rows without a tenant"),
				 errdetail("Role \"%s\" is confined to other tenants.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("An operator can allow it with jadugar.grant_tenant().")));
	return tenant;
}

/* what a call of _v_sees() or _v_reads() keeps for the next one of the query */
typedef struct ViewState
{
	Oid			user;
	bool		has_access;
	JdgConfined *confined;
} ViewState;

/* The state of the call: the rights of the reader are looked up once. */
static const ViewState *
view_state(FunctionCallInfo fcinfo)
{
	ViewState  *state = fcinfo->flinfo->fn_extra;
	Oid			user = GetUserId();
	MemoryContext old;

	if (state != NULL && state->user == user)
		return state;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state = palloc(sizeof(ViewState));
	/* a transaction that has all its locks would not learn of a grant */
	AcceptInvalidationMessages();
	state->has_access = jdg_has_access(user);
	state->confined = jdg_confined_copy(jdg_confined(user));
	state->user = user;
	fcinfo->flinfo->fn_extra = state;
	MemoryContextSwitchTo(old);
	return state;
}

/* How much the reader sees of the row that a call is about. */
static JdgRowAccess
view_access(FunctionCallInfo fcinfo)
{
	const ViewState *state = view_state(fcinfo);
	char	   *tenant;
	JdgRowAccess result;

	if (!state->has_access)
		return JDG_ROW_HIDDEN;
	if (state->confined == NULL)
		return !PG_ARGISNULL(0) && jdg_owns(state->user, PG_GETARG_OID(0)) ?
			JDG_ROW_WHOLE : JDG_ROW_HIDDEN;
	if (PG_ARGISNULL(1))
		return JDG_ROW_HIDDEN;
	tenant = text_to_cstring(PG_GETARG_TEXT_PP(1));
	result = confined_access(state->confined, tenant);
	pfree(tenant);
	return result;
}

/*
 * _v_sees(owner, tenant): does the reader see the row?  Monitors see all rows;
 * views ask for that once, with _v_is_monitor().
 */
Datum
jdg_v_sees(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(view_access(fcinfo) != JDG_ROW_HIDDEN);
}

/* _v_reads(owner, tenant): the same with its contents, for _v_is_operator() */
Datum
jdg_v_reads(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(view_access(fcinfo) == JDG_ROW_WHOLE);
}

/* _v_is_confined() */
Datum
jdg_v_is_confined(PG_FUNCTION_ARGS)
{
	AcceptInvalidationMessages();
	PG_RETURN_BOOL(jdg_confined(GetUserId()) != NULL);
}
