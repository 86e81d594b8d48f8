/*-------------------------------------------------------------------------
 *
 * work.c
 *	  A transaction of one of our processes, see work.h.
 *
 * Runs in the scheduler, and in processes that send requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "shared/work.h"

static JdgInternal internal;
static MemoryContext caller_context = NULL;

/* Starts the transaction, READ COMMITTED regardless of the defaults. */
static void
start(void)
{
	caller_context = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	jdg_lock_extension();
	MemoryContextSwitchTo(caller_context);
}

static void
begin(bool wait_for_disk)
{
	start();
	if (!wait_for_disk)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller_context);
	jdg_internal_begin(&internal);
}

void
jdg_work_begin(void)
{
	begin(true);
}

void
jdg_work_begin_async(void)
{
	begin(false);
}

void
jdg_work_end(void)
{
	jdg_internal_end(&internal);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller_context);
	pgstat_report_stat(false);
}

void
jdg_work_begin_bare(void)
{
	start();
}

void
jdg_work_end_bare(void)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller_context);
	pgstat_report_stat(false);
}
