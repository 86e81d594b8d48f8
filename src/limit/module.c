/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of limits in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/module.h"
#include "base/spi.h"
#include "limit/owned.h"
#include "shared/gate.h"
#include "shared/wakeup.h"

/* The scheduler makes lanes active for which there is room. */
static TimestampTz
open_gates(JdgDb *db, uint32 why)
{
	if ((why & JDG_WAKE_LIMITS) != 0)
		jdg_gates_changed(db);
	return jdg_gates_due(db, jdg_now());
}

static const JdgDuty duties[] = {
	{"limits", JDG_DUTY_CONTROL, JDG_WAKE_GATES | JDG_WAKE_LIMITS, true,
	open_gates},
	{NULL}
};

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.limit_of t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_limit_owned};

const JdgModule jdg_limit_module = {
	.name = "limit",
	.duties = duties,
	.roles = &roles,
};
