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
 * Libraries may keep state of their own, such as the connections of dblink,
 * and a task that failed has not closed them.  After it, a worker that has
 * loaded a library not known to be clean leaves, so that the next attempt
 * begins in a new session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "fmgr.h"
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

/*
 * Libraries that leave nothing in the session when a transaction that has used
 * them is rolled back.  postgres_fdw keeps connections, and resets them.
 */
static const char *const clean_libraries[] = {
	"plpgsql", "amcheck", "btree_gin", "btree_gist", "citext", "cube",
	"dict_snowball", "earthdistance", "file_fdw", "fuzzystrmatch", "hstore",
	"_int", "isn", "ltree", "pageinspect", "pg_trgm", "pgcrypto",
	"pgrowlocks", "pgstattuple", "postgres_fdw", "seg", "tablefunc",
	"unaccent", "uuid-ossp"
};

/* size of the list of libraries when the session began */
static Size libraries_at_start = 0;

void
jdg_session_init(void)
{
	libraries_at_start = EstimateLibraryStateSpace();
}

/* Is it in the list above, or a library of C handlers? */
static bool
is_clean_library(const char *path)
{
	const char *name = strrchr(path, '/');
	void	   *handle;
	size_t		len;

	name = name ? name + 1 : path;
	len = strcspn(name, ".");
	for (int i = 0; i < lengthof(clean_libraries); i++)
	{
		if (strlen(clean_libraries[i]) == len &&
			strncmp(clean_libraries[i], name, len) == 0)
			return true;
	}
	return load_external_function(path, "jadugar_module", false,
								  &handle) != NULL;
}

void
jdg_session_after_error(void)
{
	Size		size = EstimateLibraryStateSpace();
	char	   *names;
	const char *name;

	if (size == libraries_at_start)
		return;
	/* names in the order of loading, each with its zero byte, then another */
	names = palloc(size);
	SerializeLibraryState(size, names);
	for (name = names + libraries_at_start - 1; *name != '\0';
		 name += strlen(name) + 1)
	{
		if (is_clean_library(name))
			continue;
		SpinLockAcquire(&jdg_my_slot->mutex);
		jdg_my_slot->leave = true;
		SpinLockRelease(&jdg_my_slot->mutex);
		break;
	}
	pfree(names);
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
