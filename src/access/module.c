/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of roles and access in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "access/audit_retention.h"
#include "access/control.h"
#include "access/gone.h"
#include "access/owner_names.h"
#include "base/module.h"
#include "base/spi.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.access t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.audit t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.audit t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.owner t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{NULL}
};

static const JdgDuty duties[] = {
	{"control", JDG_DUTY_CONTROL, JDG_WAKE_CONTROL, true, jdg_control},
	{"owner names", JDG_DUTY_UPKEEP, JDG_WAKE_NAMES, true, jdg_owner_names},
	{"audit", JDG_DUTY_UPKEEP, 0, true, jdg_audit_retention_duty},
	{"gone roles", JDG_DUTY_UPKEEP, 0, true, jdg_gone_roles},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL};

const JdgModule jdg_access_module = {
	.name = "access",
	.duties = duties,
	.roles = &roles,
};
