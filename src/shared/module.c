/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of shared memory in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "shared/database.h"
#include "shared/depth.h"
#include "shared/feed.h"
#include "shared/gatefile.h"
#include "shared/gatetable.h"
#include "shared/happening.h"
#include "shared/lanetable.h"
#include "shared/launcher_state.h"
#include "shared/pool.h"
#include "shared/quota.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "shared/suspect.h"

static void
init(void)
{
	jdg_shmem_init();
	jdg_happening_init();
}

const JdgModule jdg_shared_module = {
	.name = "shared",
	.init = init,
	.shmem = (const JdgShmemPart *const[])
	{
		&jdg_launcher_shmem, &jdg_databases_shmem, &jdg_slots_shmem,
		&jdg_pools_shmem, &jdg_suspects_shmem, &jdg_depths_shmem,
		&jdg_feeds_shmem, &jdg_quotas_shmem, &jdg_lanes_shmem, &jdg_gates_shmem,
		&jdg_gatefile_shmem, NULL
	},
};
