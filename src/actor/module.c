/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of actors and the cache in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "actor/cache.h"
#include "actor/cache_size.h"
#include "actor/idle.h"
#include "actor/owned.h"
#include "actor/stop.h"
#include "base/module.h"
#include "base/spi.h"
#include "shared/wakeup.h"
#include "tenant/rows.h"

/* values of the cache stay with a role; that table is never dumped */
static JdgQuery remap[] = {
	{"UPDATE jadugar_internal.actor t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{"UPDATE jadugar_internal.actor_state t SET owner = m.n "
		"FROM unnest($1, $2) m(o, n) "
	"WHERE t.owner = m.o", 2, {OIDARRAYOID, OIDARRAYOID}},
	{NULL}
};

static const JdgDuty duties[] = {
	{"cache", JDG_DUTY_UPKEEP, JDG_WAKE_CACHE, true, jdg_cache_upkeep},
	{"idle actors", JDG_DUTY_UPKEEP, 0, true, jdg_actor_forget_idle},
	{NULL}
};

static JdgQuery drop_states = {
	"WITH gone AS (DELETE FROM jadugar_internal.actor_state "
	"WHERE ctid = ANY (ARRAY("
	"SELECT t.ctid FROM jadugar_internal.actor_state t WHERE t.tenant = $1 "
	"LIMIT " JDG_TENANT_BATCH " FOR UPDATE)) RETURNING 1) "
	JDG_TENANT_GONE, 2, {TEXTOID, TIMESTAMPTZOID}
};

static const JdgTenantRows tenant_rows[] = {
	{"states of actors", false, &drop_states},
	{NULL}
};

static const JdgRoleUse roles = {remap, NULL, jdg_actor_owned};

const JdgModule jdg_actor_module = {
	.name = "actor",
	.shmem = (const JdgShmemPart *const[])
	{
		&jdg_cache_shmem, NULL
	},
	.duties = duties,
	.follower = &jdg_actor_follower,
	.retried = jdg_actor_retried,
	.roles = &roles,
	.tenant_rows = tenant_rows,
};
