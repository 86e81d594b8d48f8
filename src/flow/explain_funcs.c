/*-------------------------------------------------------------------------
 *
 * explain_funcs.c
 *	  explain_flow(): a flow, a named one, or a run, as text.
 *
 * Runs in the caller's backend; only reads.  A name means the caller's own
 * flow or draft; a run is shown to roles that may act on it, since the graph
 * has all commands and payloads.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/row_access.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/spi.h"
#include "flow/graph/draft.h"
#include "flow/graph/lookup.h"
#include "flow/graph/parse.h"
#include "flow/graph/plan.h"
#include "flow/graph/type.h"
#include "flow/run/explain.h"
#include "flow/run/mermaid.h"
#include "flow/run/run_row.h"

PG_FUNCTION_INFO_V1(jdg_explain_flow_value);

static const char *const format_words[] = {"text", "mermaid", NULL};

typedef enum Format
{
	FORMAT_TEXT,
	FORMAT_MERMAID
} Format;

/* explain_flow(): of a value, of a name, of a run */
typedef struct ExplainArgs
{
	Jsonb	   *flow;
	char	   *name;
	int64		run_id;
	Format		format;
	int32	   *version;		/* NULL: the newest, or a draft */
} ExplainArgs;

#define FIELD(field) offsetof(ExplainArgs, field)

#define FORMAT_ARG \
	{"format", TEXTOID, FIELD(format), JDG_NEEDED, format_words}

static const JdgArg value_args[] = {
	{"flow", InvalidOid, FIELD(flow), JDG_NEEDED},
	FORMAT_ARG
};

static const JdgArg name_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	FORMAT_ARG,
	{"version", INT4OID, FIELD(version)},
};

static const JdgArg run_args[] = {
	{"run_id", INT8OID, FIELD(run_id), JDG_NEEDED},
	FORMAT_ARG
};

static Datum
explained(const JdgFlowGraph *graph, const JdgFlowSeen *seen, Format format)
{
	return CStringGetTextDatum(format == FORMAT_MERMAID ?
							   jdg_flow_explain_mermaid(graph, seen) :
							   jdg_flow_explain_text(graph, seen));
}

/* explain_flow(flow, format) */
Datum
jdg_explain_flow_value(PG_FUNCTION_ARGS)
{
	ExplainArgs a;

	JDG_READ_ARGS("explain_flow", value_args, &a);
	return explained(jdg_flow_parse(a.flow, false), NULL, a.format);
}

/* The graph of the caller's flow of that name; version 0: the newest. */
static Jsonb *
named_flow(const char *name, int version)
{
	static JdgQuery q = {
		"SELECT graph FROM jadugar_internal.flow_version "
		"WHERE version_id = $1", 1,
		{INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Jsonb	   *flow = NULL;
	JdgInternal in;
	Datum		id;

	jdg_internal_begin(&in);
	id = Int64GetDatum(jdg_flow_version_find(in.save_user, name, version));
	if (DatumGetInt64(id) != 0 && jdg_run(&q, &id, NULL, 1) > 0)
		flow = jdg_col_jsonb(0, 1, mcxt);
	jdg_internal_end(&in);
	return flow;
}

/* explain_flow(name, format, version) */
JDG_FUNCTION(jdg_explain_flow_name, JDG_LEVEL_ANY)
{
	ExplainArgs a;
	Jsonb	   *flow;

	JDG_READ_ARGS("explain_flow", name_args, &a);
	if (a.version != NULL && *a.version <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("version must be at least 1"),
				 errdetail("The value is %d.", *a.version),
				 errhint("Omit it for the newest version.")));
	if (a.name[0] == JDG_FLOW_VALUE_BEGINS && a.version == NULL)
		flow = jdg_flow_of_text(a.name);
	else if (a.version == NULL)
	{
		/* the flow that start_flow() would start */
		flow = jdg_flow_draft(GetUserId(), a.name);
		if (flow == NULL)
			flow = named_flow(a.name, 0);
	}
	else
		flow = named_flow(a.name, *a.version);
	if (flow == NULL && a.version == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("flow \"%s\" does not exist", jdg_excerpt(a.name)),
				 errhint("The view jadugar.flows lists your own flows.")));
	if (flow == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("version %d of flow \"%s\" does not exist",
						*a.version, jdg_excerpt(a.name)),
				 errhint("The view jadugar.flows lists your own flows.")));
	return explained(jdg_flow_parse(flow, false), NULL, a.format);
}

/* The rows of a run for each node of a graph that has "nnodes". */
static JdgFlowSeen *
read_seen(Datum run_id, int nnodes)
{
	static JdgQuery q = {
		"SELECT node, state, count(*)::int, max(attempts), min(started_at), "
		"max(finished_at), max(error ->> 'message') "
		"FROM jadugar_internal.flow_step WHERE run_id = $1 "
		"GROUP BY node, state", 1, {INT8OID}
	};
	JdgFlowSeen *seen = palloc0(sizeof(JdgFlowSeen) * nnodes);
	MemoryContext mcxt = CurrentMemoryContext;
	int64		n;

	for (int i = 0; i < nnodes; i++)
		seen[i].started_at = seen[i].finished_at = DT_NOBEGIN;
	n = jdg_run(&q, &run_id, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		int			no = jdg_col_int32(i, 1, -1);
		JdgStepState state = jdg_step_state_in(jdg_col_char(i, 2));
		TimestampTz started = jdg_col_time(i, 5, DT_NOBEGIN);
		JdgFlowSeen *s;

		if (no < 0 || no >= nnodes)
			elog(ERROR, "a step of flow run %lld is not of its flow",
				 (long long) DatumGetInt64(run_id));
		s = &seen[no];
		s->rows[state] = jdg_col_int32(i, 3, 0);
		s->attempts = Max(s->attempts, jdg_col_int32(i, 4, 0));
		if (started != DT_NOBEGIN &&
			(s->started_at == DT_NOBEGIN || started < s->started_at))
			s->started_at = started;
		s->finished_at = Max(s->finished_at, jdg_col_time(i, 6, DT_NOBEGIN));
		if (s->error == NULL)
			s->error = jdg_col_text(i, 7, mcxt);
	}
	return seen;
}

/* explain_flow(run_id, format) */
JDG_FUNCTION(jdg_explain_flow_run, JDG_LEVEL_ANY)
{
	static JdgQuery q = {
		"SELECT r.owner, v.graph, r.tenant FROM jadugar_internal.flow_run r, "
		"jadugar_internal.flow_version v WHERE r.run_id = $1 "
		"AND v.version_id = r.version_id", 1, {INT8OID}
	};
	ExplainArgs a;
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		run_id;
	Jsonb	   *flow = NULL;
	JdgFlowGraph *graph;
	JdgFlowSeen *seen;
	JdgInternal in;

	JDG_READ_ARGS("explain_flow", run_args, &a);
	run_id = Int64GetDatum(a.run_id);
	jdg_internal_begin(&in);
	if (jdg_run(&q, &run_id, NULL, 1) > 0)
	{
		flow = jdg_col_jsonb(0, 2, mcxt);
		if (jdg_row_access(in.save_user, jdg_col_oid(0, 1),
						   jdg_col_text(0, 3, mcxt)) != JDG_ROW_WHOLE)
			flow = NULL;
	}
	if (flow == NULL)
		jdg_flow_run_not_found(DatumGetInt64(run_id));
	MemoryContextSwitchTo(mcxt);
	graph = jdg_flow_parse(flow, false);
	seen = read_seen(run_id, graph->nnodes);
	jdg_internal_end(&in);
	return explained(graph, seen, a.format);
}
