/*-------------------------------------------------------------------------
 *
 * uses.c
 *	  The flows and runs that use a queue or a handler, see uses.h.
 *
 * Runs in sessions.  The templates of tasks in flow_version.plan name queues
 * and commands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/audit.h"
#include "base/params.h"
#include "base/spi.h"
#include "flow/run/message.h"
#include "flow/uses.h"

static void
read_uses(Datum *values, const char *nulls, JdgFlowUses *uses)
{
	static JdgQuery q = {
		"SELECT flows, names, runs, run_ids "
		"FROM jadugar_internal._flow_uses($1, $2)", 2, {INT4OID, TEXTOID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum	   *ids;
	bool		isnull;
	int			n;

	Assert(jdg_is_bookkeeping());
	jdg_run_latest(&q, values, nulls);
	uses->flows = jdg_col_int64(0, 1, 0);
	uses->names = jdg_col_text(0, 2, mcxt);
	uses->runs = jdg_col_int64(0, 3, 0);
	deconstruct_array(DatumGetArrayTypeP(jdg_col(0, 4, &isnull)), INT8OID,
					  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids,
					  NULL, &n);
	Assert(n == uses->runs);
	uses->run_ids = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		uses->run_ids[i] = DatumGetInt64(ids[i]);
}

void
jdg_flow_uses_of_queue(int32 queue_id, JdgFlowUses *uses)
{
	Datum		v[2] = {Int32GetDatum(queue_id), (Datum) 0};

	read_uses(v, " n", uses);
}

void
jdg_flow_uses_of_handler(const char *handler, JdgFlowUses *uses)
{
	Datum		v[2] = {(Datum) 0, CStringGetTextDatum(handler)};

	read_uses(v, "n ", uses);
}

/* Notes in the audit trail whose runs they are. */
static void
audit_abort(const JdgFlowUses *uses, const char *function)
{
	static JdgQuery q = {
		"SELECT owner, count(*) FROM jadugar_internal.flow_run "
		"WHERE run_id = ANY ($1) GROUP BY owner", 1, {INT8ARRAYOID}
	};
	JdgAuditTally *tally = jdg_audit_tally();
	Datum	   *ids = palloc(sizeof(Datum) * Max(uses->runs, 1));
	Datum		array;
	int64		n;

	for (int64 i = 0; i < uses->runs; i++)
		ids[i] = Int64GetDatum(uses->run_ids[i]);
	array = jdg_array(INT8OID, ids, NULL, (int) uses->runs);
	n = jdg_run_latest(&q, &array, NULL);
	for (int64 i = 0; i < n; i++)
		jdg_audit_count(tally, jdg_col_oid(i, 1), jdg_col_int64(i, 2, 0));
	jdg_audit_counted(tally, function, "flow runs");
}

void
jdg_flow_uses_abort(const JdgFlowUses *uses, Oid role, const char *function)
{
	audit_abort(uses, function);
	for (int64 i = 0; i < uses->runs; i++)
	{
		CHECK_FOR_INTERRUPTS();
		jdg_flow_message_as(JDG_MESSAGE_ABORT, uses->run_ids[i], 0,
							"compensate", NULL, role);
	}
}
