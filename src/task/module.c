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
#include "task/history.h"
#include "task/owned.h"
#include "task/relane.h"
#include "task/retention.h"
#include "task/tenant_history.h"
#include "task/tenant_quota.h"
#include "task/unique.h"
#include "task/upkeep.h"
#include "task/waiting.h"
#include "task/wakeup.h"
#include "tenant/rows.h"

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
	jdg_tenant_quota_init();
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
	{"history of tenants", JDG_DUTY_UPKEEP, 0, true, jdg_tenant_history},
	{"history", JDG_DUTY_UPKEEP, 0, true, jdg_retention_history},
	{"unkept", JDG_DUTY_UPKEEP, 0, true, jdg_retention_unkept},
	{"logs", JDG_DUTY_UPKEEP, 0, true, jdg_retention_logs},
	{"lanes", JDG_DUTY_UPKEEP, JDG_WAKE_LIMITS, true, jdg_relane},
	{"unique keys", JDG_DUTY_UPKEEP, 0, true, jdg_retention_keys},
	{"left keys", JDG_DUTY_UPKEEP, JDG_WAKE_UNIQUE, true,
	jdg_unique_keys_sweep},
	{"old partitions", JDG_DUTY_UPKEEP, 0, true, jdg_upkeep_old_partitions,
	true},
	{NULL}
};

/* Neither has an index by tenant: the rows are read in the order of time. */
static JdgQuery drop_attempts = {
	"WITH part AS (SELECT max(finished_at) AS last FROM ("
	"SELECT h.finished_at FROM jadugar_internal.attempt h "
	"WHERE h.finished_at > $2 ORDER BY h.finished_at "
	"FETCH FIRST " JDG_TENANT_BATCH " ROWS WITH TIES) b), "
	"gone AS (DELETE FROM jadugar_internal.attempt "
	"WHERE finished_at > $2 AND finished_at <= (SELECT last FROM part) "
	"AND tenant = $1 RETURNING task_id, final, status), "
	/* as retention.c does */
	"noted AS (UPDATE jadugar_internal.here SET forgotten = x.id "
	"FROM (SELECT max(task_id) AS id FROM gone "
	"WHERE final AND status <> " JDG_SQL_COMPLETED ") x "
	"WHERE x.id > forgotten) "
	"SELECT (SELECT count(*) FROM gone), last FROM part",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static JdgQuery drop_logs = {
	"WITH part AS (SELECT max(at) AS last FROM ("
	"SELECT l.at FROM jadugar_internal.log l WHERE l.at > $2 ORDER BY l.at "
	"FETCH FIRST " JDG_TENANT_BATCH " ROWS WITH TIES) b), "
	"gone AS (DELETE FROM jadugar_internal.log "
	"WHERE at > $2 AND at <= (SELECT last FROM part) AND tenant = $1 "
	"RETURNING 1) "
	"SELECT (SELECT count(*) FROM gone), last FROM part",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static const JdgTenantRows tenant_rows[] = {
	{"history", false, &drop_attempts},
	{"logs", false, &drop_logs},
	{NULL}
};

static const JdgRoleUse roles = {remap, jdg_charge_tasks_of_role, jdg_task_owned};

const JdgModule jdg_task_module = {
	.name = "task",
	.init = init,
	.duties = duties,
	.roles = &roles,
	.tenant_rows = tenant_rows,
	.adopted = jdg_tasks_adopted,
};
