/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of handlers in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "handler/owned.h"
#include "handler/unused.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.handler t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.handler_grant t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{NULL}
};

static const JdgDuty duties[] = {
	{"commands", JDG_DUTY_UPKEEP, 0, true, jdg_remove_unused_commands},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_handler_owned};

const JdgModule jdg_handler_module = {
	.name = "handler",
	.duties = duties,
	.roles = &roles,
};
