/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of tasks in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/module.h"
#include "base/spi.h"
#include "shared/slot.h"
#include "task/adopted.h"
#include "task/charge.h"
#include "task/count.h"
#include "task/depth.h"
#include "task/due.h"
#include "task/owned.h"
#include "task/retention.h"
#include "task/unique.h"
#include "task/upkeep.h"
#include "task/waiting.h"
#include "task/wakeup.h"

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.task t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.unique_key t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.unkept t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.attempt t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.log t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static void
init(void)
{
	jdg_enqueue_init();
	jdg_count_init();
	jdg_depth_init();
}

/* Workers that do not stop a cancelled task are terminated. */
static TimestampTz
enforce_cancels(JdgDb *db, uint32 why)
{
	return jdg_slots_enforce_cancels(db->dboid);
}

static const JdgDuty duties[] = {
	{"charge", JDG_DUTY_START, JDG_WAKE_ROUND, true, jdg_charge},
	{"promote", JDG_DUTY_ADVANCE, JDG_WAKE_SCHEDULES, true, jdg_promote},
	{"cancels", JDG_DUTY_ADVANCE, JDG_WAKE_ROUND, true, enforce_cancels},
	{"waiting", JDG_DUTY_ADVANCE, JDG_WAKE_ROUND | JDG_WAKE_RECHECK |
	JDG_WAKE_SWEEP | JDG_WAKE_KEYS, true, jdg_waiting},
	{"new partitions", JDG_DUTY_UPKEEP, 0, true, jdg_upkeep_new_partitions,
	true},
	{"history", JDG_DUTY_UPKEEP, 0, true, jdg_retention_history},
	{"unkept", JDG_DUTY_UPKEEP, 0, true, jdg_retention_unkept},
	{"logs", JDG_DUTY_UPKEEP, 0, true, jdg_retention_logs},
	{"unique keys", JDG_DUTY_UPKEEP, 0, true, jdg_retention_keys},
	{"left keys", JDG_DUTY_UPKEEP, JDG_WAKE_UNIQUE, true,
	jdg_unique_keys_sweep},
	{"old partitions", JDG_DUTY_UPKEEP, 0, true, jdg_upkeep_old_partitions,
	true},
	{NULL}
};

static const JdgRoleUse roles = {remap, jdg_charge_tasks_of_role, jdg_task_owned};

const JdgModule jdg_task_module = {
	.name = "task",
	.init = init,
	.duties = duties,
	.roles = &roles,
	.adopted = jdg_tasks_adopted,
};
