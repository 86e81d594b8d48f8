/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  Tenants of a role that go to another role; see owned.h.
 *
 * Runs in the caller's backend.  drop_owned() does not drop a tenant: its rows
 * are deleted in many transactions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "tenant/owned.h"

static void
reassign_tenants(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, NULL::text FROM jadugar_internal.tenant t "
		"WHERE t.owner = $1 ORDER BY t.name FOR UPDATE", 1, {OIDOID}
	};
	static JdgQuery changes[] = {
		{"UPDATE jadugar_internal.tenant t SET owner = $2 WHERE t.owner = $1",
		2, {OIDOID, OIDOID},.config = true},
		{NULL}
	};

	jdg_handover_rows(h, &list, changes);
}

static void
keep_tenants(JdgHandover *h)
{
	static JdgQuery list = {
		"SELECT t.name, 'drop_tenant() drops it' "
		"FROM jadugar_internal.tenant t WHERE t.owner = $1 ORDER BY t.name",
		1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(h->from)};

	(void) jdg_handover_list(h, &list, v);
}

const JdgOwned jdg_tenant_owned[] = {
	{"tenants", reassign_tenants, keep_tenants},
	{NULL}
};
