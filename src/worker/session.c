/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Clears session state, so that no task sees that of another.
 *
 * Settings roll back with the task's GUC nest level (run.c).  This file
 * clears the state that survives that: cursors, prepared statements, session locks,
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

#include "base/spi.h"
#include "launcher/ddl_hook.h"
#include "worker/worker.h"

#define MAX_SUBXIDS 40

/*
 * Must the group end here?  40 subtransaction ids: the server's cache holds
 * 64 of a backend, and past that every snapshot in the cluster pays.
 */
bool
jdg_session_ends_group(void)
{
	return (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0 ||
		jdg_set_constraints_used ||
		MyProc->subxidStatus.overflowed ||
		MyProc->subxidStatus.count >= MAX_SUBXIDS;
}

/* After each task, in its group's transaction. */
void
jdg_session_reset_task(void)
{
	DropAllPreparedStatements();
	LockReleaseSession(USER_LOCKMETHOD);
	ResetSequenceCaches();
}

/*
 * After a standalone command, whose SETs have outlived it: the effect of
 * DISCARD ALL.
 */
void
jdg_session_reset_all(void)
{
	StartTransactionCommand();
	PortalHashTableDeleteAll();
	SetPGVariable("session_authorization", NIL, false);
	ResetAllOptions();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetTempTableNamespace();
	ResetSequenceCaches();
	CommitTransactionCommand();
}

/* After the group's commit or abort, outside a transaction. */
void
jdg_session_reset_group(bool temp_used)
{
	jdg_set_constraints_used = false;
	LockReleaseSession(USER_LOCKMETHOD);
	if (!temp_used)
		return;
	StartTransactionCommand();
	ResetTempTableNamespace();
	CommitTransactionCommand();
}
