/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Allocation of the modules' shared memory, see shmem.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "base/module.h"
#include "shared/shmem.h"

#define TRANCHE_NAME "jadugar"

LWLock	   *JdgSharedLock = NULL;
LWLock	   *JdgGatesLock = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* shmem_request_hook: reserves the space of all parts, and the LWLocks. */
static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	jdg_foreach_module(module)
	{
		for (int i = 0; module->shmem && module->shmem[i]; i++)
			RequestAddinShmemSpace(MAXALIGN(module->shmem[i]->size()));
	}
	RequestNamedLWLockTranche(TRANCHE_NAME, 2);
}

/*
 * shmem_startup_hook: attaches this process to all parts; the first process
 * initializes them.
 */
static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	JdgSharedLock = &GetNamedLWLockTranche(TRANCHE_NAME)[0].lock;
	JdgGatesLock = &GetNamedLWLockTranche(TRANCHE_NAME)[1].lock;
	jdg_foreach_module(module)
	{
		for (int i = 0; module->shmem && module->shmem[i]; i++)
		{
			const JdgShmemPart *p = module->shmem[i];
			bool		found;
			void	   *at = ShmemInitStruct(p->name, p->size(), &found);

			p->init(at, found);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

void
jdg_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

void
jdg_require_shmem(void)
{
	const char *now;

	if (JdgSharedLock != NULL)
		return;
	now = GetConfigOption("shared_preload_libraries", true, false);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("jadugar must be loaded through shared_preload_libraries"),
			 now && now[0] != '\0' ?
			 errdetail("The setting is \"%s\".", now) :
			 errdetail("The setting is empty."),
			 now && now[0] != '\0' ?
			 errhint("Put this line into postgresql.conf and restart the server: shared_preload_libraries = '%s,jadugar'", now) :
			 errhint("Put this line into postgresql.conf and restart the server: shared_preload_libraries = 'jadugar'")));
}
