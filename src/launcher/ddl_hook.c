/*-------------------------------------------------------------------------
 *
 * ddl_hook.c
 *	  Statements of users that affect our processes.
 *
 * Runs in any backend.
 *
 * CREATE DATABASE … TEMPLATE, DROP DATABASE, ALTER DATABASE … RENAME and SET
 * TABLESPACE need a database without sessions: our processes are made to leave
 * it until the statement's transaction ends.  A role that cannot run the
 * statement has no such effect.
 *
 * DROP EXTENSION: the scheduler is woken at commit; until then the lock that
 * each of our transactions takes first keeps us out (base/spi.c).
 *
 * COMMIT PREPARED: the wake-ups that the transaction had gathered were lost
 * with PREPARE, so the scheduler runs all duties; also after ROLLBACK
 * PREPARED, because workers have skipped the rows that it had locked.  A
 * database without the extension is left alone.
 *
 * Changes to roles may unblock tasks: all schedulers look again.  After a
 * rename they write the new name into jadugar_internal.owner, so that a dump
 * has it.  A new subscription may bring history of days that have no
 * partition.
 *
 * Changes to foreign servers and user mappings may be of endpoints, whose lanes
 * are parked: all schedulers look again.
 *
 * ALTER ROLE … SET and ALTER DATABASE … SET count for new sessions.  A task is
 * one to its owner, so the workers concerned leave after their group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/settings.h"
#include "base/utility.h"
#include "endpoint/statement.h"
#include "launcher/ddl_hook.h"
#include "launcher/role_notice.h"
#include "queue/queue.h"
#include "shared/database.h"
#include "shared/depth.h"
#include "shared/quota.h"
#include "shared/launcher_state.h"
#include "shared/pool.h"
#include "shared/shmem.h"

bool		jdg_set_constraints_used = false;

static ProcessUtility_hook_type prev_utility = NULL;
static object_access_hook_type prev_object_access = NULL;

/* to do at the end of this transaction */
static bool evicted = false;
static bool *evicting = NULL;	/* by number of the entry */
static uint32 wake_all = 0;		/* JDG_WAKE_* for all schedulers */
static bool extension_dropped = false;

/* whose settings were changed; InvalidOid: every role, every database */
typedef struct ChangedSettings
{
	Oid			dboid;
	Oid			role;
} ChangedSettings;

#define MAX_CHANGED	8

static ChangedSettings changed[MAX_CHANGED];
static int	nchanged = 0;

/*
 * Ends the eviction of our processes, and wakes the schedulers if the
 * extension was dropped.  Changes of roles are left to release_callback()
 * after a commit, and forgotten after an abort.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT;

	if (!commit && event != XACT_EVENT_ABORT)
		return;
	if (evicted)
	{
		for (int i = 0; i < jdg_max_databases; i++)
		{
			JdgDb	   *db = &jdg_dbs[i];

			if (!evicting[i])
				continue;
			evicting[i] = false;
			if (db->evicted_by == MyProcPid)
				db->evicted_by = 0;
			pg_atomic_fetch_sub_u32(&db->evictors, 1);
		}
		evicted = false;
		jdg_launcher_wake(true);
	}
	if (commit && extension_dropped)
		jdg_dbs_wake(JDG_WAKE_CONTROL);
	extension_dropped = false;
	if (!commit)
	{
		wake_all = 0;
		nchanged = 0;
	}
}

/*
 * Lets workers with old settings leave: new ones see what has committed.
 * Wakes the schedulers after changes of roles.  They check roles through the
 * system caches, so they are woken only when the transaction has sent its
 * invalidations, which is after xact_callback().
 */
static void
release_callback(ResourceReleasePhase phase, bool commit, bool top, void *arg)
{
	uint32		why = wake_all;

	if (!top || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	for (int i = 0; i < nchanged && commit; i++)
		jdg_pool_leave(changed[i].dboid, changed[i].role, 0);
	nchanged = 0;
	if (why == 0)
		return;
	wake_all = 0;
	if (commit)
		jdg_dbs_wake(why);
}

/*
 * Makes our processes leave a database until this transaction ends, and those
 * of all others that have evicted them.  Processes that are starting in it see
 * the mark when they have attached.  It keeps the entry from being given to
 * another database.
 */
static void
evict(Oid dboid)
{
	JdgDb	   *db = jdg_db_lookup(dboid, false);

	if (db == NULL)
		return;
	if (evicting == NULL)
		evicting = MemoryContextAllocZero(TopMemoryContext,
										  sizeof(bool) * jdg_max_databases);
	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	if (db->dboid != dboid)
	{
		/* it had no process of ours */
		LWLockRelease(JdgSharedLock);
		return;
	}
	if (!evicting[db - jdg_dbs])
		pg_atomic_fetch_add_u32(&db->evictors, 1);
	evicting[db - jdg_dbs] = true;
	db->evicted_by = MyProcPid;
	evicted = true;
	if (db->scheduler_pid != 0)
		(void) kill(db->scheduler_pid, SIGTERM);
	for (int i = 0; i < JDG_WAITING_MAX; i++)
	{
		if (db->waiting_pid[i] != 0)
			(void) kill(db->waiting_pid[i], SIGTERM);
	}
	LWLockRelease(JdgSharedLock);
	jdg_pool_evict(dboid);
}

/*
 * Evicts our processes from a database if the user may run the statement: as
 * its owner, or (as_template) as a superuser or its owner, with the right to
 * create databases.
 */
static void
evict_if_allowed(const char *dbname, bool as_template)
{
	Oid			dboid = dbname ? get_database_oid(dbname, true) : InvalidOid;

	if (!OidIsValid(dboid))
		return;
	if (as_template ? !(jdg_have_createdb_privilege() &&
						(superuser() || jdg_database_owned_by(dboid, GetUserId()))) :
		!jdg_database_owned_by(dboid, GetUserId()))
		return;
	evict(dboid);
}

/* The value of an option as a string, or NULL if the statement lacks it. */
static const char *
option_string(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *d = lfirst_node(DefElem, lc);

		if (strcmp(d->defname, name) == 0 && d->arg)
			return defGetString(d);
	}
	return NULL;
}

/*
 * Evicts our processes before statements that need a database without
 * sessions.
 */
static void
before_utility(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
			evict_if_allowed(option_string(((CreatedbStmt *) stmt)->options,
										   "template"), true);
			break;
		case T_DropdbStmt:
			evict_if_allowed(((DropdbStmt *) stmt)->dbname, false);
			break;
		case T_AlterDatabaseStmt:
			if (option_string(((AlterDatabaseStmt *) stmt)->options,
							  "tablespace") != NULL)
				evict_if_allowed(((AlterDatabaseStmt *) stmt)->dbname, false);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				evict_if_allowed(((RenameStmt *) stmt)->subname, false);
			break;
		default:
			break;
	}
}

/*
 * Notes that settings were changed.  When there is no room, notes it for all
 * roles and databases.
 */
static void
note_changed_settings(Oid dboid, Oid role)
{
	if (nchanged == MAX_CHANGED)
	{
		dboid = role = InvalidOid;
		nchanged = 0;
	}
	changed[nchanged].dboid = dboid;
	changed[nchanged++].role = role;
}

/* The same, from the statement; of objects that do not exist, nothing is. */
static void
note_alter_role_set(const AlterRoleSetStmt *stmt)
{
	Oid			role = InvalidOid;
	Oid			dboid = InvalidOid;

	if (stmt->role)
		role = get_rolespec_oid(stmt->role, true);
	if (stmt->database)
		dboid = get_database_oid(stmt->database, true);
	note_changed_settings(dboid, role);
}

/* Notes the effects of a statement that has succeeded. */
static void
after_utility(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_ConstraintsSetStmt:
			jdg_set_constraints_used = true;
			break;
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
		case T_GrantRoleStmt:
		case T_GrantStmt:
		case T_CreateSubscriptionStmt:
			wake_all |= JDG_WAKE_CONTROL | JDG_WAKE_WORK;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_ROLE)
				wake_all |= JDG_WAKE_NAMES;
			break;
		case T_AlterUserMappingStmt:
			/* of all changes, only this one has no object access hook */
			wake_all |= JDG_WAKE_QUEUE_CHANGED;
			break;
		case T_CreatedbStmt:
			jdg_launcher_wake(true);
			break;
		case T_AlterRoleSetStmt:
			note_alter_role_set((AlterRoleSetStmt *) stmt);
			break;
		case T_AlterDatabaseSetStmt:
			note_changed_settings(get_database_oid(((AlterDatabaseSetStmt *) stmt)->dbname, true),
								  InvalidOid);
			break;
		default:
			break;
	}
}

/* Runs the statement by the previous hook, or by the server. */
static void
run_utility(PlannedStmt *pstmt, const char *query, bool read_only,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_utility)
		prev_utility(pstmt, query, read_only, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only, context, params, env,
								dest, qc);
}

/* Is this COMMIT PREPARED or ROLLBACK PREPARED? */
static bool
is_end_of_prepared(Node *stmt)
{
	TransactionStmtKind kind;

	if (!IsA(stmt, TransactionStmt))
		return false;
	kind = ((TransactionStmt *) stmt)->kind;
	return kind == TRANS_STMT_COMMIT_PREPARED ||
		kind == TRANS_STMT_ROLLBACK_PREPARED;
}

/* a prepared transaction that is being ended */
typedef struct Ending
{
	bool		active;
	JdgDb	   *db;				/* its entry, NULL: it has none */
} Ending;

static Ending ending;

/*
 * The transaction has ended, or it is not known whether it has.  No process
 * knows which tasks it has made ready, or whose places it has freed: clears
 * the marks, has full queues counted again, and makes the scheduler run all
 * duties.  Without an entry, that is left to the launcher.  It also looks
 * whether the transaction has created the extension.
 */
static void
wake_after_prepared(void)
{
	JdgDb	   *db = ending.db;

	if (!ending.active)
		return;
	JDG_FAULT("prepared-before-wake");
	ending.active = false;
	jdg_depths_doubt(MyDatabaseId);
	jdg_quotas_doubt(MyDatabaseId);
	if (db == NULL)
	{
		jdg_launcher_look_at(MyDatabaseId);
		return;
	}
	jdg_db_lose_marks(db);
	jdg_db_wake(db, JDG_WAKE_ALL);
	if (db->state != JDG_DB_ACTIVE)
	{
		pg_atomic_write_u32(&db->maybe_created, 1);
		jdg_launcher_wake(true);
	}
	jdg_db_unpin(db);
}

static void
exit_callback(int code, Datum arg)
{
	wake_after_prepared();
}

/* Has this database the extension?  If that cannot be asked, it may have it. */
static bool
has_jadugar(void)
{
	return !IsTransactionState() ||
		OidIsValid(get_extension_oid("jadugar", true));
}

/*
 * Runs COMMIT PREPARED or ROLLBACK PREPARED, and wakes the scheduler.  The
 * transaction may have committed even if the statement fails or the process
 * exits.
 */
static void
end_prepared(PlannedStmt *pstmt, const char *query, bool read_only,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	static bool registered = false;
	bool		had = has_jadugar();

	if (!registered)
		before_shmem_exit(exit_callback, (Datum) 0);
	registered = true;
	ending.db = had ? jdg_db_pin(MyDatabaseId) : NULL;
	ending.active = true;
	PG_TRY();
	{
		run_utility(pstmt, query, read_only, context, params, env, dest, qc);
		/* most databases have none, and their launcher need not look */
		if (!had && !has_jadugar())
			ending.active = false;
	}
	PG_FINALLY();
	{
		wake_after_prepared();
	}
	PG_END_TRY();
}

/* ProcessUtility_hook: acts before and after the statement. */
static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	/* the statement may be gone after CALL has committed */
	Node	   *stmt = pstmt->utilityStmt;
	NodeTag		tag = nodeTag(stmt);
	List	   *left = jdg_role_notice_find(stmt);

	if (jdg_utility_is_ours(pstmt, query))
		return;
	before_utility(stmt);
	jdg_endpoint_before_statement(stmt);
	if (is_end_of_prepared(stmt))
		end_prepared(pstmt, query, read_only, context, params, env, dest, qc);
	else
		run_utility(pstmt, query, read_only, context, params, env, dest, qc);
	if (tag != T_CallStmt && tag != T_DoStmt)
	{
		after_utility(stmt);
		jdg_endpoint_after_statement(stmt);
	}
	jdg_role_notice_give(left);
}

/*
 * object_access_hook: notes that the extension is being dropped, and that a
 * server or user mapping changes, whatever statement does that.
 */
static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub,
			  void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_DROP && class == ExtensionRelationId &&
		get_extension_oid("jadugar", true) == object)
		extension_dropped = true;
	if ((class == ForeignServerRelationId || class == UserMappingRelationId) &&
		(access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP))
		wake_all |= JDG_WAKE_QUEUE_CHANGED;
}

void
jdg_hooks_init(void)
{
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
	RegisterXactCallback(xact_callback, NULL);
	RegisterResourceReleaseCallback(release_callback, NULL);
}
