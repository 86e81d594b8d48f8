/*-------------------------------------------------------------------------
 *
 * prune.c
 *	  Deleting old runs, see prune.h.
 *
 * Runs in the scheduler after maintenance, and in purge_completed() in a
 * session.  Takes no locks of runs: only the scheduler changes a run that
 * has finished, and a session deletes no run that a request may change.  Those
 * are runs that have not completed, and runs whose parent may still compensate
 * them.  So the run of a sub_flow is deleted only after that of its parent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "flow/run/prune.h"
#include "flow/run/run_row.h"
#include "tenant/rows.h"

/* where "gone" has the runs; arrays and OFFSET 0: see base/spi.h */
#define WITH_THEIR_ROWS \
	"steps AS (DELETE FROM jadugar_internal.flow_step " \
	"WHERE run_id = ANY (ARRAY(SELECT run_id FROM gone))), " \
	"messages AS (DELETE FROM jadugar_internal.flow_message " \
	"WHERE run_id = ANY (ARRAY(SELECT run_id FROM gone))) "

#define NO_PARENT \
	"NOT EXISTS (SELECT FROM jadugar_internal.flow_run p " \
	"WHERE p.run_id = r.parent_run OFFSET 0) "

#define NOT_ASKED \
	"NOT EXISTS (SELECT FROM jadugar_internal.flow_message a " \
	"WHERE a.run_id = r.run_id AND NOT a.seen OFFSET 0) "

#define NOT_USED \
	"NOT EXISTS (SELECT FROM jadugar_internal.flow_run r " \
	"WHERE r.version_id = v.version_id OFFSET 0)"

/*
 * At most a thousand runs, or as many as have some twenty thousand rows in
 * flow_step; next_id bounds the number of rows.  Ids grow with time: if all
 * runs of a call have begun later, so have all that follow.
 */
bool
jdg_flow_prune_some(int64 *after, TimestampTz before)
{
	static JdgQuery q = {
		"WITH next AS (SELECT run_id, created_at, next_id, "
		"sum(next_id) OVER (ORDER BY run_id) AS rows FROM "
		"(SELECT run_id, created_at, next_id FROM jadugar_internal.flow_run "
		"WHERE run_id > $1 ORDER BY run_id LIMIT 1000) t), "
		"looked_at AS (SELECT run_id, created_at FROM next "
		"WHERE rows - next_id < 20000), "
		/* a session may be deleting some: purge_completed() */
		"mine AS (SELECT r.run_id FROM jadugar_internal.flow_run r "
		"WHERE r.run_id = ANY (ARRAY(SELECT run_id FROM looked_at)) "
		"AND r.finished_at < $2 "
		"AND " NO_PARENT "AND " NOT_ASKED "FOR UPDATE OF r SKIP LOCKED), "
		"gone AS (DELETE FROM jadugar_internal.flow_run "
		"WHERE run_id = ANY (ARRAY(SELECT run_id FROM mine)) "
		"RETURNING run_id), "
		WITH_THEIR_ROWS
		"SELECT max(run_id) FROM looked_at HAVING min(created_at) < $2", 2,
		{INT8OID, TIMESTAMPTZOID}
	};
	Datum		v[2] = {Int64GetDatum(*after), TimestampTzGetDatum(before)};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 0) == 0)
		return false;
	*after = jdg_col_int64(0, 1, 0);
	return true;
}

/*
 * A version is first taken out of use, so that start_flow() makes another of
 * the same value, and deleted a day later: by then the transactions that had
 * found it before have committed their runs.
 */
void
jdg_flow_prune_unused(TimestampTz now)
{
	static JdgQuery retire = {
		"UPDATE jadugar_internal.flow_version v SET dropped_at = $1 "
		"WHERE v.name IS NULL AND v.dropped_at IS NULL AND v.created_at < $2 "
		"AND " NOT_USED, 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery versions = {
		"DELETE FROM jadugar_internal.flow_version v WHERE v.dropped_at < $2 "
		"AND " NOT_USED, 2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	static JdgQuery messages = {
		"DELETE FROM jadugar_internal.flow_message "
		"WHERE message_id = ANY (ARRAY("
		"SELECT m.message_id FROM jadugar_internal.flow_message m "
		"WHERE m.seen AND m.run_id IS NOT NULL AND NOT EXISTS "
		"(SELECT FROM jadugar_internal.flow_run r WHERE r.run_id = m.run_id "
		"OFFSET 0) "
		"FOR UPDATE SKIP LOCKED))", 0
	};
	Datum		v[2] = {TimestampTzGetDatum(now),
	TimestampTzGetDatum(now - USECS_PER_DAY)};

	Assert(jdg_is_bookkeeping());
	jdg_run(&versions, v, NULL, 0);
	jdg_run(&retire, v, NULL, 0);
	jdg_run(&messages, NULL, NULL, 0);
}

JdgQuery	jdg_flow_drop_of_tenant = {
	"WITH gone AS (DELETE FROM jadugar_internal.flow_run "
	"WHERE run_id = ANY (ARRAY("
	"SELECT run_id FROM jadugar_internal.flow_run "
	"WHERE tenant = $1 AND finished_at IS NOT NULL "
	"LIMIT " JDG_TENANT_BATCH ")) RETURNING run_id), "
	WITH_THEIR_ROWS JDG_TENANT_GONE, 2, {TEXTOID, TIMESTAMPTZOID}
};

int64
jdg_flow_purge_completed(const Datum *which, const char *nulls,
						 JdgAuditTally *tally)
{
	static JdgQuery q = {
		"WITH gone AS (DELETE FROM jadugar_internal.flow_run r "
		"WHERE r.status = $4 AND r.finished_at < $1 AND r.owner = ANY ($2) "
		"AND ($3 IS NULL OR r.tenant = ANY ($3)) "
		"AND " NO_PARENT "AND " NOT_ASKED "RETURNING r.run_id, r.owner), "
		WITH_THEIR_ROWS
		"SELECT owner, count(*) FROM gone GROUP BY owner", 4,
		{TIMESTAMPTZOID, OIDARRAYOID, TEXTARRAYOID, CHAROID}
	};
	Datum		v[4] = {which[0], which[1], which[2],
	CharGetDatum(jdg_flow_status_out(JDG_FLOW_STATUS_COMPLETED))};
	char		v_nulls[4] = {nulls[0], nulls[1], nulls[2], ' '};
	int64		n = 0;
	int64		more;

	Assert(jdg_is_bookkeeping());
	/* once for each level of sub_flows */
	do
	{
		more = jdg_run(&q, v, v_nulls, 0);
		for (int64 i = 0; i < more; i++)
		{
			jdg_audit_count(tally, jdg_col_oid(i, 1), jdg_col_int64(i, 2, 0));
			n += jdg_col_int64(i, 2, 0);
		}
	} while (more > 0);
	return n;
}
