/*-------------------------------------------------------------------------
 *
 * export_funcs.c
 *	  export_tenant(): the rows of a tenant as objects.
 *
 * Runs in the caller's backend, for operators, and only reads.  Each object is
 * {"kind", "version", "row"}.  A row has the columns of its table, with names
 * in place of ids that mean something in this database only: of roles, queues,
 * commands, topics and flows.  Its own id stays, because other rows refer to it.
 *
 * The rows are read with a cursor, in the order of an index, and the result
 * goes to disk beyond work_mem.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/spi.h"
#include "tenant/exported.h"
#include "tenant/tenant.h"

typedef struct ExportArgs
{
	char	   *name;
	ArrayType  *kinds;
} ExportArgs;

static const JdgArg export_args[] = {
	{"name", TEXTOID, offsetof(ExportArgs, name), JDG_NEEDED},
	{"kinds", TEXTARRAYOID, offsetof(ExportArgs, kinds)},
};

#define OBJECT(kind, row) \
	"SELECT jsonb_build_object('kind', '" kind "', 'version', " \
	JDG_EXPORT_VERSION_TEXT ", 'row', " row ") "

#define ROLE_NAME(column) \
	"(SELECT r.rolname FROM pg_roles r WHERE r.oid = " column " OFFSET 0)"

#define QUEUE_NAME(column) \
	"(SELECT q.name FROM jadugar_internal.queue q " \
	"WHERE q.queue_id = " column " OFFSET 0)"

#define COMMAND_TEXT(column) \
	"(SELECT c.text FROM jadugar_internal.command c " \
	"WHERE c.command_id = " column " OFFSET 0)"

#define NAMES(t) \
	"jsonb_build_object('owner', " ROLE_NAME(t ".owner") ", " \
	"'queue', " QUEUE_NAME(t ".queue_id") ", " \
	"'command', " COMMAND_TEXT(t ".command_id") ")"

/* a task in its fallback begins anew */
#define FIRST_COMMAND(t) \
	"CASE WHEN " t ".fallback IS NULL THEN '{}' ELSE jsonb_build_object(" \
	"'command', " t ".fallback->'command', " \
	"'transaction', " t ".fallback->'transaction', " \
	"'isolate', " t ".fallback->'isolate', " \
	"'expect_rows', " t ".fallback->'rows') END"

static JdgQuery tenant_query = {
	OBJECT("tenant", "to_jsonb(n) - '{tenant_id, owner, dropping}'::text[]")
	"FROM jadugar_internal.tenant n WHERE n.name = $1", 1, {TEXTOID}
};

static JdgQuery schedules_query = {
	OBJECT("schedule", "to_jsonb(s) "
		   "- '{queue_id, command_id, held, last_startup}'::text[] || " NAMES("s"))
	"FROM jadugar_internal.schedule s WHERE s.tenant = $1 "
	"ORDER BY s.schedule_id", 1, {TEXTOID}
};

static JdgQuery tasks_query = {
	OBJECT("task", "to_jsonb(t) - '{queue_id, command_id, bounded, "
		   "crashes, started_at, key_place, flow_run, step_id, step, flow_data, "
		   "event, lane, fallback}'::text[] || " NAMES("t") " || jsonb_build_object("
		   "'depends_on', ARRAY(SELECT d.parent_id "
		   "FROM jadugar_internal.dependency d WHERE d.task_id = t.task_id "
		   "ORDER BY 1), 'unique_until', (SELECT u.until "
		   "FROM jadugar_internal.unique_key u WHERE u.owner = t.owner "
		   "AND u.queue_id = t.queue_id AND u.key = t.unique_key OFFSET 0)) "
		   "|| " FIRST_COMMAND("t"))
	"FROM jadugar_internal.task t WHERE t.tenant = $1 "
	"AND t.flow_run IS NULL AND t.event IS NULL AND t.state <> 'f' "
	"ORDER BY t.task_id", 1, {TEXTOID}
};

static JdgQuery history_query = {
	OBJECT("history", "to_jsonb(h) - '{queue_id, command_id}'::text[] || "
		   NAMES("h"))
	"FROM jadugar_internal.attempt h WHERE h.tenant = $1 "
	"ORDER BY h.finished_at, h.attempt_id", 1, {TEXTOID}
};

static JdgQuery logs_query = {
	OBJECT("log", "to_jsonb(l) || jsonb_build_object('owner', "
		   ROLE_NAME("l.owner") ")")
	"FROM jadugar_internal.log l WHERE l.tenant = $1 "
	"ORDER BY l.at, l.log_id", 1, {TEXTOID}
};

static JdgQuery events_query = {
	OBJECT("event", "to_jsonb(e) - '{xid, leaf, slot, stream_id, "
		   "stream_version}'::text[] || jsonb_build_object("
		   "'publisher', " ROLE_NAME("e.publisher") ", "
		   "'topic', (SELECT p.name FROM jadugar_internal.event_leaf f "
		   "JOIN jadugar_internal.topic p ON p.topic_id = f.topic_id "
		   "WHERE f.leaf = e.leaf OFFSET 0))")
	"FROM jadugar_internal.event e WHERE e.tenant = $1 "
	"ORDER BY e.event_id", 1, {TEXTOID}
};

/* what the view flow_runs shows of a run; it goes on in this database only */
static JdgQuery runs_query = {
	OBJECT("run", "to_jsonb(f) - '{version_id, ending, compensate, pivoted, "
		   "live, next_id, last_done, not_undone, depth, schedule_live, "
		   "done_count, quiet}'::text[] || jsonb_build_object("
		   "'owner', " ROLE_NAME("f.owner") ") || "
		   "(SELECT jsonb_build_object('flow', v.name, 'version', v.version) "
		   "FROM jadugar_internal.flow_version v "
		   "WHERE v.version_id = f.version_id OFFSET 0)")
	"FROM jadugar_internal.flow_run f WHERE f.tenant = $1 "
	"ORDER BY f.run_id", 1, {TEXTOID}
};

static JdgQuery *const queries[] = {
	&tenant_query, &schedules_query, &tasks_query, &history_query,
	&logs_query, &events_query, &runs_query
};

static void
put_rows(int64 n, void *arg)
{
	ReturnSetInfo *rsinfo = arg;

	for (int64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		value = jdg_col(i, 1, &isnull);

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &isnull);
	}
}

/* Which kinds are asked for?  NULL: all. */
static void
choose_kinds(ArrayType *words, bool *chosen)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	for (int i = 0; i < lengthof(queries); i++)
		chosen[i] = words == NULL;
	if (words == NULL)
		return;
	deconstruct_array(words, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		chosen[jdg_choice("kinds", nulls[i] ? "" : TextDatumGetCString(elems[i]),
						  jdg_exported_kinds)] = true;
}

/* export_tenant(name, kinds): also of a label that was not created */
JDG_FUNCTION(jdg_export_tenant, JDG_LEVEL_OPERATOR)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ExportArgs	a;
	bool		chosen[lengthof(queries)];
	JdgInternal in;
	Datum		v[1];

	JDG_READ_ARGS("export_tenant", export_args, &a);
	jdg_check_tenant("name", a.name);
	choose_kinds(a.kinds, chosen);
	jdg_init_materialized_srf(fcinfo, JDG_SRF_EXPECTED_DESC);
	v[0] = CStringGetTextDatum(a.name);
	jdg_internal_begin(&in);
	for (int i = 0; i < lengthof(queries); i++)
	{
		if (chosen[i])
			(void) jdg_run_batches(queries[i], v, put_rows, rsinfo);
	}
	jdg_internal_end(&in);
	return (Datum) 0;
}
