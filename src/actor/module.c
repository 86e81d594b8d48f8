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
#include "actor/owned.h"
#include "base/module.h"
#include "shared/wakeup.h"

static const JdgDuty duties[] = {
	{"cache", JDG_DUTY_UPKEEP, JDG_WAKE_CACHE, true, jdg_cache_upkeep},
	{NULL}
};

/* values of the cache stay with a role; the table is never dumped */
static const JdgRoleUse roles = {NULL, NULL, jdg_actor_owned};

const JdgModule jdg_actor_module = {
	.name = "actor",
	.shmem = (const JdgShmemPart *const[])
	{
		&jdg_cache_shmem, NULL
	},
	.duties = duties,
	.roles = &roles,
};
