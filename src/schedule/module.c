/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of schedules in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/module.h"
#include "base/spi.h"
#include "schedule/due.h"
#include "schedule/firing.h"
#include "schedule/held.h"
#include "schedule/owned.h"
#include "schedule/schedule.h"
#include "schedule/startup.h"
#include "schedule/stat.h"
#include "shared/wakeup.h"
#include "tenant/rows.h"

/* delay of the next try for locked rows */
#define RETRY_US USECS_PER_SEC

static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.schedule t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static JdgQuery drop_schedules = {
	"WITH gone AS (DELETE FROM jadugar_internal.schedule "
	"WHERE schedule_id = ANY (ARRAY("
	"SELECT schedule_id FROM jadugar_internal.schedule WHERE tenant = $1 "
	"LIMIT " JDG_TENANT_BATCH ")) RETURNING schedule_id), "
	"stat AS (DELETE FROM jadugar_internal.schedule_stat "
	"WHERE schedule_id = ANY (ARRAY(SELECT schedule_id FROM gone))) "
	JDG_TENANT_GONE, 2, {TEXTOID, TIMESTAMPTZOID}
};

static const JdgTenantRows tenant_rows[] = {
	{"schedules", true, &drop_schedules},
	{"statistics of schedules", false, &jdg_schedule_stat_prune},
	{NULL}
};

/*
 * Duty of the scheduler: fires due schedules, in its first call also those of
 * a start.  Returns when the next one is due.
 */
static TimestampTz
fire(JdgDb *db, uint32 why)
{
	static bool started = false;
	static bool left = false;	/* held schedules of tenants not paused */
	TimestampTz next;

	if (left || (why & JDG_WAKE_CONTROL))
	{
		left = !jdg_schedules_release();
		why |= JDG_WAKE_SCHEDULES;
	}
	if (why & JDG_WAKE_SCHEDULES)
		left |= !jdg_startup_release(db);
	if (why & JDG_WAKE_SCHEDULES)
		jdg_fire_changed();
	if (!started)
		jdg_fire_startup(db);
	started = true;
	next = jdg_fire_due(db);
	return left ? Min(next, jdg_now() + RETRY_US) : next;
}

static const JdgDuty duties[] = {
	{"fire", JDG_DUTY_FIRE, JDG_WAKE_ROUND | JDG_WAKE_SCHEDULES | JDG_WAKE_CONTROL,
	false, fire},
	{"statistics", JDG_DUTY_UPKEEP, 0, true, jdg_schedule_stat_upkeep},
	{NULL}
};

static void
adopted(const JdgAdoption *adoption)
{
	if (adoption->skip_missed)
		jdg_schedule_skip_missed("not_adopted");
}

static const JdgRoleUse roles = {remap, NULL, jdg_schedule_owned};

const JdgModule jdg_schedule_module = {
	.name = "schedule",
	.duties = duties,
	.follower = &jdg_schedule_follower,
	.roles = &roles,
	.tenant_rows = tenant_rows,
	.adopted = adopted,
};
