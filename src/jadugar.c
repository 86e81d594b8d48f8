/*-------------------------------------------------------------------------
 *
 * jadugar.c
 *	  _PG_init: settings, shared memory, hooks, launcher.
 *
 * Loaded through shared_preload_libraries.  Loaded otherwise (LOAD, or
 * CREATE EXTENSION in a server that was not told), the functions say which
 * line is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/settings.h"
#include "flow/graph/mixing.h"
#include "flow/run/advance.h"
#include "scheduler/scheduler.h"
#include "shared/shmem.h"
#include "task/count.h"
#include "task/enqueue.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	jdg_define_settings();
	jdg_shmem_init();
	jdg_enqueue_init();
	jdg_count_init();
	jdg_hooks_init();
	jdg_flow_mixing_init();
	jdg_flow_init();
	if (!IsBinaryUpgrade)
		jdg_launcher_register();
}
