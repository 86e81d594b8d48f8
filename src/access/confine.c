/*-------------------------------------------------------------------------
 *
 * confine.c
 *	  Tenants to which a role is confined, see confine.h.
 *
 * Runs in any process; reads jadugar_internal.tenant_grant without locks.  A
 * grant to a role concerns the roles that have its privileges, as a policy of
 * row security does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "access/confine.h"
#include "access/owner.h"
#include "base/params.h"

static JdgQuery grants_query = {
	"SELECT role, tenant_id, level = 'user' FROM jadugar_internal.tenant_grant",
	0, {0}
};

/*
 * A grant whose tenant has no row comes last, and confines all the same: the
 * role would else see everything when its tenant was dropped.
 */
static JdgQuery names_query = {
	"SELECT g.name, g.is_user FROM (SELECT (SELECT n.name "
	"FROM jadugar_internal.tenant n WHERE n.tenant_id = x.tenant_id OFFSET 0) "
	"AS name, x.is_user FROM unnest($1, $2) x (tenant_id, is_user) OFFSET 0) g "
	"ORDER BY g.name COLLATE \"C\"", 2, {INT4ARRAYOID, BOOLARRAYOID}
};

/* Does a grant to the role "given_to" concern this role? */
static bool
concerns(Oid given_to, Oid role, bool directly)
{
	if (directly)
		return given_to == role;
	return OidIsValid(given_to) && has_privs_of_role(role, given_to);
}

/* Adds a tenant, which may be the last one again. */
static void
add(JdgConfined *c, char *name, bool user)
{
	JdgConfinedTenant *last = c->n > 0 ? &c->tenants[c->n - 1] : NULL;

	if (last != NULL && strcmp(last->name, name) == 0)
	{
		last->user |= user;
		return;
	}
	c->tenants[c->n].name = name;
	c->tenants[c->n].user = user;
	c->n++;
}

/*
 * Collects the grants that concern the role, of which most concern others: their
 * tenants in values[0], and whether they are of level user in values[1].
 * Returns their number.
 */
static int
collect(Oid role, bool directly, Datum *values)
{
	int64		n = jdg_run_latest(&grants_query, NULL, NULL);
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *users = palloc(sizeof(Datum) * Max(n, 1));
	int			found = 0;

	for (int64 i = 0; i < n; i++)
	{
		SPITupleTable *table = SPI_tuptable;
		Oid			given_to = jdg_role_meant_by(jdg_col_oid(i, 1));

		SPI_tuptable = table;
		if (!concerns(given_to, role, directly))
			continue;
		ids[found] = Int32GetDatum(jdg_col_int32(i, 2, 0));
		users[found++] = BoolGetDatum(jdg_col_bool(i, 3));
	}
	values[0] = jdg_array(INT4OID, ids, NULL, found);
	values[1] = jdg_array(BOOLOID, users, NULL, found);
	return found;
}

/* See confine.h.  Reads what is committed now, whatever the snapshot is. */
JdgConfined *
jdg_confined_read(Oid role, bool directly, MemoryContext mcxt)
{
	JdgConfined *c = NULL;
	JdgInternal in;
	Datum		values[2];
	int64		n;

	jdg_internal_begin(&in);
	if (collect(role, directly, values) > 0)
	{
		n = jdg_run_latest(&names_query, values, NULL);
		c = MemoryContextAllocZero(mcxt, sizeof(JdgConfined));
		c->tenants = MemoryContextAllocHuge(mcxt, sizeof(JdgConfinedTenant) * n);
		for (int64 i = 0; i < n; i++)
		{
			char	   *name = jdg_col_text(i, 1, mcxt);

			if (name != NULL)
				add(c, name, jdg_col_bool(i, 2));
		}
	}
	jdg_internal_end(&in);
	return c;
}

JdgConfined *
jdg_confined_copy(const JdgConfined *c)
{
	JdgConfined *copy;

	if (c == NULL)
		return NULL;
	copy = palloc(sizeof(JdgConfined));
	copy->n = c->n;
	copy->tenants = palloc(sizeof(JdgConfinedTenant) * Max(c->n, 1));
	for (int i = 0; i < c->n; i++)
	{
		copy->tenants[i].name = pstrdup(c->tenants[i].name);
		copy->tenants[i].user = c->tenants[i].user;
	}
	return copy;
}

const JdgConfinedTenant *
jdg_confined_find(const JdgConfined *c, const char *name)
{
	int			lo = 0;
	int			hi = c->n;

	if (name == NULL)
		return NULL;
	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;
		int			order = strcmp(c->tenants[mid].name, name);

		if (order == 0)
			return &c->tenants[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

Datum
jdg_confined_user_names(const JdgConfined *c)
{
	Datum	   *names = palloc(sizeof(Datum) * Max(c->n, 1));
	int			n = 0;

	for (int i = 0; i < c->n; i++)
	{
		if (c->tenants[i].user)
			names[n++] = CStringGetTextDatum(c->tenants[i].name);
	}
	return jdg_array(TEXTOID, names, NULL, n);
}
