/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of tenants in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "tenant/owned.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.tenant t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.tenant_grant t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_tenant_owned};

const JdgModule jdg_tenant_module = {
	.name = "tenant",
	.roles = &roles,
};
