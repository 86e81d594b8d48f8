/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of flows in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "flow/graph/mixing.h"
#include "flow/owned.h"
#include "flow/run/adopted.h"
#include "flow/run/advance.h"
#include "flow/run/awaited.h"
#include "flow/run/data.h"
#include "flow/graph/lookup.h"
#include "flow/run/duty.h"
#include "flow/run/prune.h"
#include "flow/run/wait_start.h"
#include "handler/command.h"
#include "shared/wakeup.h"
#include "tenant/rows.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.flow_version t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.flow_draft t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID},.config = true},
	{"UPDATE jadugar_internal.flow_draft_step t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.flow_run t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.flow_message t SET role = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.role = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static void
init(void)
{
	jdg_flow_mixing_init();
	jdg_wait_start_init();
	jdg_command_register_resolver(jdg_flow_resolve_name);
}

static const JdgDuty duties[] = {
	{"flows", JDG_DUTY_ADVANCE, JDG_WAKE_FLOWS | JDG_WAKE_SWEEP |
	JDG_WAKE_WAITS, true, jdg_flow_advance},
	{"runs", JDG_DUTY_UPKEEP, 0, true, jdg_flow_upkeep},
	{NULL}
};

static const JdgTenantRows tenant_rows[] = {
	{"runs", false, &jdg_flow_drop_of_tenant},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_flow_owned};

const JdgModule jdg_flow_module = {
	.name = "flow",
	.init = init,
	.duties = duties,
	.follower = &jdg_flow_follower,
	.payload = jdg_flow_payload,
	.stop = jdg_awaited_stop,
	.roles = &roles,
	.tenant_rows = tenant_rows,
	.adopted = jdg_flows_adopted,
};
