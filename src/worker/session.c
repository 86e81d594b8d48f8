/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Clears session state, so that no task sees that of another.
 *
 * Settings roll back with the task's GUC nest level (run.c).  This file clears
 * the state that survives that: cursors, prepared statements, session locks,
 * sequence state, temporary objects.  Temporary objects and SET CONSTRAINTS
 * live in the transaction, so they also end the group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "launcher/ddl_hook.h"
#include "worker/worker.h"

#define MAX_SUBXIDS 40

/*
 * The server caches 64 subtransaction ids of a backend.  If a backend has
 * more, every snapshot in the cluster becomes slower; so a group ends at 40.
 */
bool
jdg_session_ends_group(void)
{
	return (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0 ||
		jdg_set_constraints_used ||
		MyProc->subxidStatus.overflowed ||
		MyProc->subxidStatus.count >= MAX_SUBXIDS;
}

void
jdg_session_reset_task(void)
{
	DropAllPreparedStatements();
	LockReleaseSession(USER_LOCKMETHOD);
	ResetSequenceCaches();
}

/* Drops the temporary objects: deleting catalog rows needs a snapshot. */
static void
drop_temporary_objects(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	ResetTempTableNamespace();
	PopActiveSnapshot();
}

/*
 * Has the effect of DISCARD ALL, because the settings of a standalone command
 * are not rolled back.
 */
void
jdg_session_reset_all(void)
{
	StartTransactionCommand();
	PortalHashTableDeleteAll();
	SetPGVariable("session_authorization", NIL, false);

	/*
	 * resets to the setting "role" of the session user, see ALTER ROLE …
	 * SET
	 */
	SetPGVariable("role", NIL, false);
	ResetAllOptions();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	drop_temporary_objects();
	ResetSequenceCaches();
	CommitTransactionCommand();
}

void
jdg_session_reset_group(bool temp_used)
{
	jdg_set_constraints_used = false;
	LockReleaseSession(USER_LOCKMETHOD);
	if (!temp_used)
		return;
	StartTransactionCommand();
	drop_temporary_objects();
	CommitTransactionCommand();
}
