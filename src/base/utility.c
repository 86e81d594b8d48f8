/*-------------------------------------------------------------------------
 *
 * utility.c
 *	  DDL on our own tables, see utility.h.
 *
 * Runs in any process.  The server fires event triggers for statements that it
 * takes for complete, so ours are executed as parts of another one.  A part is
 * not at top level, as DETACH PARTITION CONCURRENTLY has to be.  That statement
 * runs at top level, and our hook on utility statements executes it without
 * the event triggers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/tablecmds.h"
#include "nodes/makefuncs.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"

#include "base/toplevel.h"
#include "base/utility.h"

/* the statement that jdg_utility_run_toplevel() is running, or NULL */
static const char *toplevel_sql = NULL;

void
jdg_utility_run(const char *sql)
{
	RawStmt    *raw = linitial_node(RawStmt, pg_parse_query(sql));
	PlannedStmt *pstmt = makeNode(PlannedStmt);
	QueryCompletion qc;

	Assert(IsTransactionState());
	pstmt->commandType = CMD_UTILITY;
	pstmt->utilityStmt = raw->stmt;
	pstmt->stmt_location = raw->stmt_location;
	pstmt->stmt_len = raw->stmt_len;
	InitializeQueryCompletion(&qc);
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(pstmt, sql, false, PROCESS_UTILITY_SUBCOMMAND, NULL, NULL,
				   None_Receiver, &qc);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

void
jdg_utility_run_toplevel(const char *sql)
{
	Assert(!IsTransactionState());
	toplevel_sql = sql;
	PG_TRY();
	{
		jdg_toplevel_run(sql, NULL, None_Receiver, NULL);
	}
	PG_FINALLY();
	{
		toplevel_sql = NULL;
	}
	PG_END_TRY();
}

bool
jdg_utility_is_ours(PlannedStmt *pstmt, const char *sql)
{
	AlterTableUtilityContext context = {0};
	AlterTableStmt *stmt;
	LOCKMODE	lockmode;

	if (toplevel_sql == NULL || strcmp(toplevel_sql, sql) != 0)
		return false;
	stmt = castNode(AlterTableStmt, pstmt->utilityStmt);
	toplevel_sql = NULL;
	/* this is the server's own sequence of steps, without its triggers */
	lockmode = AlterTableGetLockLevel(stmt->cmds);
	context.pstmt = pstmt;
	context.queryString = sql;
	context.relid = AlterTableLookupRelation(stmt, lockmode);
	if (OidIsValid(context.relid))
		AlterTable(stmt, lockmode, &context);
	return true;
}
