/*-------------------------------------------------------------------------
 *
 * read_funcs.c
 *	  The nodes of graphs, for the views of flows.
 *
 * Runs in the reader's backend, called by the views and SQL functions of
 * sql/flow_views.sql, which pass the graph along: nothing is read here,
 * so nothing can be seen that the reader was not given.
 *
 * A view asks for the node of each row.  Graphs that a query has met stay
 * parsed until it ends, found by the id of their version; a query that meets
 * very many begins anew now and then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "flow/graph/draft.h"
#include "flow/graph/parse.h"
#include "flow/kind/kind.h"
#include "flow/run/run_row.h"

PG_FUNCTION_INFO_V1(jdg_v_flow_nodes);
PG_FUNCTION_INFO_V1(jdg_v_flow_node);
PG_FUNCTION_INFO_V1(jdg_v_flow_leaves);

/* nodes that a query may keep parsed */
#define MAX_KEPT_NODES 200000

/* columns that _v_flow_nodes() and _v_flow_node() have in common */
#define NODE_COLUMNS 11

typedef struct KeptGraph
{
	int64		version_id;		/* the key */
	JdgFlowGraph *graph;
} KeptGraph;

typedef struct Kept
{
	MemoryContext mcxt;
	HTAB	   *graphs;
	int			nnodes;
	int64		last_id;		/* of the graph in "last", if that is set */
	JdgFlowGraph *last;
} Kept;

static Datum
number_array(const int *numbers, int n)
{
	Datum	   *elems = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		elems[i] = Int32GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elems, n, INT4OID, sizeof(int32),
										   true, TYPALIGN_INT));
}

static int
leaves_within(const JdgFlowGraph *g, const JdgFlowNode *node)
{
	int			n = 0;

	for (int i = node->no; i < node->end; i++)
		n += jdg_node_is_leaf(&g->nodes[i]) ? 1 : 0;
	return n;
}

/*
 * node, parent, block, kind, name, leaf, made_up, waits_for, after,
 * compensates, leaves
 */
static void
node_columns(const JdgFlowGraph *g, const JdgFlowNode *node, Datum *values,
			 bool *nulls)
{
	char	   *open = node->kind->waiting_for ?
	node->kind->waiting_for(node) : NULL;

	memset(nulls, 0, sizeof(bool) * NODE_COLUMNS);
	values[0] = Int32GetDatum(node->no);
	nulls[1] = node->parent < 0;
	values[1] = Int32GetDatum(node->parent);
	values[2] = Int32GetDatum(node->block);
	values[3] = CStringGetTextDatum(node->kind->name);
	values[4] = CStringGetTextDatum(node->name);
	values[5] = BoolGetDatum(jdg_node_is_leaf(node));
	values[6] = BoolGetDatum(node->no < g->first_child);
	nulls[7] = open == NULL;
	if (open != NULL)
		values[7] = CStringGetTextDatum(open);
	nulls[8] = node->nafter == 0;
	if (node->nafter > 0)
		values[8] = number_array(node->after, node->nafter);
	values[9] = BoolGetDatum(node->compensate != NULL);
	values[10] = Int32GetDatum(leaves_within(g, node));
}

/* _v_flow_nodes(graph): its nodes, in order of their numbers */
Datum
jdg_v_flow_nodes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_mcxt = AllocSetContextCreate(CurrentMemoryContext,
												   "jadugar flow node",
												   ALLOCSET_SMALL_SIZES);
	JdgFlowGraph *g;

	jdg_init_materialized_srf(fcinfo, 0);
	g = jdg_flow_parse(PG_GETARG_JSONB_P(0), false);
	for (int i = 0; i < g->nnodes; i++)
	{
		Datum		values[NODE_COLUMNS];
		bool		nulls[NODE_COLUMNS];
		MemoryContext old = MemoryContextSwitchTo(row_mcxt);

		node_columns(g, &g->nodes[i], values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_mcxt);
	}
	MemoryContextDelete(row_mcxt);
	return (Datum) 0;
}

/* Begin to keep graphs, until "parent" goes. */
static Kept *
kept_begin(MemoryContext parent)
{
	MemoryContext mcxt = AllocSetContextCreate(parent, "jadugar flow graphs",
											   ALLOCSET_DEFAULT_SIZES);
	Kept	   *k = MemoryContextAllocZero(mcxt, sizeof(Kept));
	HASHCTL		ctl = {0};

	k->mcxt = mcxt;
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(KeptGraph);
	ctl.hcxt = mcxt;
	k->graphs = hash_create("jadugar flow graphs", 16, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return k;
}

/* The graph of the version that a call of _v_flow_node() is about. */
static JdgFlowGraph *
kept_graph(FunctionCallInfo fcinfo)
{
	Kept	   *k = fcinfo->flinfo->fn_extra;
	int64		version_id = PG_GETARG_INT64(0);
	KeptGraph  *entry;
	JdgFlowGraph *graph;
	MemoryContext old;

	if (k != NULL && k->last != NULL && k->last_id == version_id)
		return k->last;
	if (k != NULL && k->nnodes > MAX_KEPT_NODES)
	{
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(k->mcxt);
		k = NULL;
	}
	if (k == NULL)
		fcinfo->flinfo->fn_extra = k = kept_begin(fcinfo->flinfo->fn_mcxt);
	entry = hash_search(k->graphs, &version_id, HASH_FIND, NULL);
	if (entry == NULL)
	{
		old = MemoryContextSwitchTo(k->mcxt);
		graph = jdg_flow_parse(PG_GETARG_JSONB_P(1), false);
		MemoryContextSwitchTo(old);
		entry = hash_search(k->graphs, &version_id, HASH_ENTER, NULL);
		entry->graph = graph;
		k->nnodes += graph->nnodes;
	}
	k->last_id = version_id;
	k->last = entry->graph;
	return k->last;
}

/* _v_flow_node(version_id, graph, node): one of them; NULL: there is none */
Datum
jdg_v_flow_node(PG_FUNCTION_ARGS)
{
	JdgFlowGraph *g = kept_graph(fcinfo);
	int			no = PG_GETARG_INT32(2);
	TupleDesc	tupdesc;
	Datum		values[NODE_COLUMNS];
	bool		nulls[NODE_COLUMNS];

	if (no < 0 || no >= g->nnodes)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	node_columns(g, &g->nodes[no], values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc),
													  values, nulls)));
}

/* _v_flow_leaves(graph): how many of its nodes are steps or waits */
Datum
jdg_v_flow_leaves(PG_FUNCTION_ARGS)
{
	JdgFlowGraph *g = jdg_flow_parse(PG_GETARG_JSONB_P(0), false);

	PG_RETURN_INT32(leaves_within(g, &g->nodes[0]));
}

/*
 * _v_flow_draft(owner, name): the flow that a draft makes, NULL where it has no
 * step yet.  For roles that may see its contents, which the view checks.
 */
JDG_FUNCTION(jdg_v_flow_draft, JDG_LEVEL_ANY)
{
	Oid			owner = PG_GETARG_OID(0);
	Jsonb	   *flow;

	if (!jdg_may_manage(GetUserId(), owner))
		PG_RETURN_NULL();
	flow = jdg_flow_draft_peek(owner, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (flow == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(flow);
}

/* _v_flow_found(run_id, progress): the progress, unless there is no such run */
JDG_FUNCTION(jdg_v_flow_found, JDG_LEVEL_ANY)
{
	if (PG_ARGISNULL(0))
		jdg_null_argument("run_id", "flow_progress");
	if (PG_ARGISNULL(1))
		jdg_flow_run_not_found(PG_GETARG_INT64(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}

/*
 * A run and the status of each of its steps.  Containers without a name of
 * their own are left out: %s is a list of their kinds.  Parsed as the caller, so no name of it may be one
 * of jadugar_internal's, nor be found by a search path.
 */
#define STATUS_SQL \
	"SELECT ROW(r.*, " \
	"(SELECT COALESCE(pg_catalog.jsonb_object_agg(s.step, s.status), " \
	"'{}'::pg_catalog.jsonb) FROM jadugar.flow_steps s " \
	"WHERE s.run_id OPERATOR(pg_catalog.=) r.run_id AND s.item IS NULL " \
	"AND NOT (s.kind OPERATOR(pg_catalog.=) ANY " \
	"('{%s}'::pg_catalog.text[]) " \
	"AND s.step OPERATOR(pg_catalog.=) pg_catalog.concat(s.kind, '#', s.node)))" \
	")::jadugar.flow_info " \
	"FROM jadugar.flow_runs r WHERE r.run_id OPERATOR(pg_catalog.=) $1"

/* "chain,parallel,...": kinds that are containers. */
static char *
container_kinds(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; jdg_kinds[i] != NULL; i++)
	{
		if (jdg_kinds[i]->children != JDG_CHILDREN_NONE)
			appendStringInfo(&list, "%s%s", list.len > 0 ? "," : "",
							 jdg_kinds[i]->name);
	}
	return list.data;
}

/*
 * flow_status(run_id).  The views are read as the caller, and filter; the plan
 * costs more than its rows, so it is kept.
 */
JDG_FUNCTION(jdg_flow_status, JDG_LEVEL_ANY)
{
	static SPIPlanPtr plan = NULL;
	Oid			argtypes[1] = {INT8OID};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[1];
	Datum		info;
	bool		isnull;

	if (PG_ARGISNULL(0))
		jdg_null_argument("run_id", "flow_status");
	v[0] = PG_GETARG_DATUM(0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (plan == NULL)
	{
		plan = SPI_prepare(psprintf(STATUS_SQL, container_kinds()), 1,
						   argtypes);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s",
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, v, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the state of a flow run");
	if (SPI_processed == 0)
		jdg_flow_run_not_found(PG_GETARG_INT64(0));
	info = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						 &isnull);
	MemoryContextSwitchTo(mcxt);
	info = datumCopy(info, false, -1);
	SPI_finish();
	PG_RETURN_DATUM(info);
}
