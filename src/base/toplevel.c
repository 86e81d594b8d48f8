/*-------------------------------------------------------------------------
 *
 * toplevel.c
 *	  Runs SQL outside a transaction, see toplevel.h.
 *
 * Used by workers for standalone commands (VACUUM, CREATE INDEX CONCURRENTLY,
 * CALL with commits inside) and by the scheduler's maintenance for DETACH
 * PARTITION CONCURRENTLY.  The sequence of steps is that of any statement of a
 * client; steps of the server alone (logging of durations, protocol) are left
 * out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/toplevel.h"

ParamListInfo
jdg_payload_params(Jsonb *payload)
{
	ParamListInfo params = makeParamList(1);

	params->params[0].value = PointerGetDatum(payload);
	params->params[0].isnull = payload == NULL;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = JSONBOID;
	return params;
}

/*
 * Runs one statement in a transaction of its own.  Returns the number of rows
 * processed.  Allocates in the current context, which must outlive the
 * transaction.
 */
static uint64
run_statement(RawStmt *stmt, const char *sql, Jsonb *payload,
			  DestReceiver *dest, const JdgToplevelCalls *calls)
{
	Oid			argtypes[1] = {JSONBOID};
	List	   *queries;
	List	   *plans;
	Portal		portal;
	QueryCompletion qc;
	bool		snapshot_set = false;
	MemoryContext mcxt = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	/* plans must outlive this transaction: VACUUM and CALL end it */
	MemoryContextSwitchTo(mcxt);
	if (analyze_requires_snapshot(stmt))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		snapshot_set = true;
	}
	queries = pg_analyze_and_rewrite_fixedparams(stmt, sql, argtypes, 1, NULL);
	plans = pg_plan_queries(queries, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	if (snapshot_set)
		PopActiveSnapshot();

	CHECK_FOR_INTERRUPTS();
	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(stmt->stmt), plans,
					  NULL);
	PortalStart(portal, jdg_payload_params(payload), 0, InvalidSnapshot);
	InitializeQueryCompletion(&qc);
	(void) jdg_portal_run(portal, dest, &qc);
	PortalDrop(portal, false);
	MemoryContextSwitchTo(mcxt);
	if (calls != NULL)
		calls->ends(dest);
	CommitTransactionCommand();
	return qc.nprocessed;
}

uint64
jdg_toplevel_run(const char *sql, Jsonb *payload, DestReceiver *dest,
				 const JdgToplevelCalls *calls)
{
	/* the caller's context outlives transactions, and frees this on errors */
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "jadugar standalone command",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	List	   *stmts = pg_parse_query(sql);
	ListCell   *lc;
	uint64		processed = 0;

	/* parse trees and params must outlive the transactions of CALL */
	foreach(lc, stmts)
	{
		MemoryContextSwitchTo(mcxt);
		if (calls != NULL)
			calls->begins(foreach_current_index(lc) + 1, list_length(stmts));
		processed = run_statement(lfirst_node(RawStmt, lc), sql, payload,
								  dest, calls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return processed;
}
