/*-------------------------------------------------------------------------
 *
 * draft_funcs.c
 *	  create_chain(), create_group(), add_step(), remove_step(): flows put
 *	  together step by step.
 *
 * Runs in the caller's backend.  A draft belongs to the calling role.  A
 * session that changes one locks its row first, so that two sessions that
 * build one draft take turns.  add_parallel() and add_conditional() are add_step() in SQL.
 *
 * A step is checked by itself when it is added, and its name against those of
 * the steps that are there; the flow as a whole is checked when it is started.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/spi.h"
#include "flow/graph/lookup.h"
#include "flow/graph/parse.h"
#include "flow/graph/plan.h"
#include "flow/graph/type.h"
#include "flow/kind/build.h"

/* The argument "name" of a function that makes a draft. */
static char *
flow_name(FunctionCallInfo fcinfo, const char *function)
{
	char	   *name = jdg_need_text(fcinfo, 0, function, "name");

	jdg_check_flow_name(name);
	return name;
}

/* Make the draft; "options" as flow/graph/draft.c has them. */
static void
create_draft(const char *name, Jsonb *options)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.flow_draft (owner, name, options, "
		"created_at) "
		"VALUES ($1, $2, $3, $4) ON CONFLICT (owner, name) DO NOTHING", 4,
		{OIDOID, TEXTOID, JSONBOID, TIMESTAMPTZOID},
		.config = true
	};
	Oid			owner = jdg_resolve_owner(NULL);
	Datum		v[4];
	bool		is_flow;
	bool		is_draft = false;
	JdgInternal in;

	v[0] = ObjectIdGetDatum(owner);
	v[1] = CStringGetTextDatum(name);
	v[2] = JsonbPGetDatum(options);
	v[3] = TimestampTzGetDatum(jdg_now());
	jdg_internal_begin(&in);
	is_flow = jdg_flow_version_find(owner, name, 0) != 0;
	if (!is_flow)
		is_draft = jdg_run(&insert, v, NULL, 0) == 0;
	jdg_internal_end(&in);
	if (is_flow)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("flow \"%s\" already exists", name),
				 errhint("Choose another name, or call jadugar.drop_flow() first.")));
	if (is_draft)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("flow \"%s\" already exists", name),
				 errdetail("It is a draft."),
				 errhint("Choose another name, add to it by jadugar.add_step(), or call jadugar.drop_flow() first.")));
}

#define NO_BOUND "Omit it for no bound."

/* An argument that is not null and greater than zero. */
static int
positive(FunctionCallInfo fcinfo, int arg, const char *name, const char *hint)
{
	int			n = PG_GETARG_INT32(arg);

	if (n <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", name),
				 errdetail("The value is %d.", n),
				 errhint("%s", hint)));
	return n;
}

static bool
need_bool(FunctionCallInfo fcinfo, int arg, const char *name,
		  const char *function)
{
	if (PG_ARGISNULL(arg))
		jdg_null_argument(name, function);
	return PG_GETARG_BOOL(arg);
}

static void
json_true(JsonbParseState **st, const char *key)
{
	JsonbValue	v;

	v.type = jbvBool;
	v.val.boolean = true;
	jdg_json_jsonb(st, key, JsonbValueToJsonb(&v));
}

/* create_chain(name, stop_on_failure, parallel, max_concurrency) */
JDG_FUNCTION(jdg_create_chain, JDG_LEVEL_USER)
{
	char	   *name = flow_name(fcinfo, "create_chain");
	bool		stops = need_bool(fcinfo, 1, "stop_on_failure", "create_chain");
	bool		parallel = need_bool(fcinfo, 2, "parallel", "create_chain");
	JsonbParseState *st;

	if (!PG_ARGISNULL(3) && !parallel)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_concurrency requires parallel => true"),
				 errhint("Pass parallel => true, or omit max_concurrency.")));
	jdg_json_begin(&st);
	jdg_json_text(&st, "kind", parallel ? "parallel" : "chain");
	if (!stops)
		json_true(&st, "continue");
	if (!PG_ARGISNULL(3))
		jdg_json_int64(&st, "concurrency",
					   positive(fcinfo, 3, "max_concurrency", NO_BOUND));
	create_draft(name, jdg_json_finish(&st));
	PG_RETURN_VOID();
}

/* Refuse an unrecognized completion, and one that does not go with n. */
static void
check_completion(const char *completion, bool has_n)
{
	static const char *const known[] = {
		"all", "any", "n_of_m", "all_done", "best_effort", NULL
	};

	jdg_check_word("completion", completion, known);
	if ((strcmp(completion, "n_of_m") == 0) != has_n)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 has_n ? errmsg("n requires completion 'n_of_m'") :
				 errmsg("completion 'n_of_m' requires n"),
				 errhint("Pass both or neither.")));
}

/* create_group(name, concurrency, completion, n, timeout) */
JDG_FUNCTION(jdg_create_group, JDG_LEVEL_USER)
{
	char	   *name = flow_name(fcinfo, "create_group");
	char	   *completion = jdg_need_text(fcinfo, 2, "create_group",
										   "completion");
	JsonbParseState *st;

	check_completion(completion, !PG_ARGISNULL(3));
	jdg_json_begin(&st);
	jdg_json_text(&st, "kind", "parallel");
	if (!PG_ARGISNULL(1))
		jdg_json_int64(&st, "concurrency", positive(fcinfo, 1, "concurrency", NO_BOUND));
	jdg_json_text(&st, "completion", completion);
	if (!PG_ARGISNULL(3))
		jdg_json_int64(&st, "n", positive(fcinfo, 3, "n", "It is the number of steps that must succeed."));
	if (!PG_ARGISNULL(4))
		jdg_json_text(&st, "timeout",
					  jdg_flow_interval_text(jdg_check_interval("timeout",
																PG_GETARG_INTERVAL_P(4),
																false)));
	create_draft(name, jdg_json_finish(&st));
	PG_RETURN_VOID();
}

/* Lock the caller's draft, or NOT_FOUND.  Inside jdg_internal_begin(). */
static void
lock_draft(Datum owner, Datum name)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.flow_draft WHERE owner = $1 "
		"AND name = $2 FOR UPDATE", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {owner, name};

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, v, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("draft of flow \"%s\" does not exist",
						jdg_excerpt(TextDatumGetCString(name))),
				 errhint("Call jadugar.create_chain() or jadugar.create_group() first.")));
}

/* Refuse a step that contains a name of the draft.  Likewise. */
static void
check_names(Datum owner, Datum name, const JdgFlowGraph *g)
{
	static JdgQuery q = {
		"SELECT step FROM jadugar_internal.flow_draft_step WHERE owner = $1 "
		"AND name = $2 AND step = ANY ($3) ORDER BY pos", 3,
		{OIDOID, TEXTOID, TEXTARRAYOID}
	};
	Datum	   *names = palloc(sizeof(Datum) * g->nnodes);
	int			n = 0;
	Datum		v[3];

	Assert(jdg_is_bookkeeping());
	for (int i = g->first_child; i < g->nnodes; i++)
	{
		if (g->nodes[i].named)
			names[n++] = CStringGetTextDatum(g->nodes[i].name);
	}
	v[0] = owner;
	v[1] = name;
	v[2] = PointerGetDatum(construct_array(names, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
	if (jdg_run(&q, v, NULL, 1) > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("step \"%s\" already exists in flow \"%s\"",
						jdg_col_text(0, 1, CurrentMemoryContext),
						TextDatumGetCString(name)),
				 errhint("Names of steps are unique within a flow.")));
}

/* "parallel#3", the first that is free.  Likewise. */
static char *
make_name(Datum owner, Datum name, const JdgFlowNode *node, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT n FROM (SELECT count(*) + 1 AS n "
		"FROM jadugar_internal.flow_draft_step "
		"WHERE owner = $1 AND name = $2) AS c UNION ALL "
		"SELECT substr(step, length($3) + 1)::bigint + 1 "
		"FROM jadugar_internal.flow_draft_step WHERE owner = $1 AND name = $2 "
		"AND step ~ ('^' || $3 || '[0-9]{1,9}$') ORDER BY 1 DESC LIMIT 1", 3,
		{OIDOID, TEXTOID, TEXTOID}
	};
	char	   *kind = psprintf("%s#", node->kind->name);
	Datum		v[3] = {owner, name, CStringGetTextDatum(kind)};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 1);
	return MemoryContextStrdup(mcxt, psprintf("%s%lld", kind,
											  (long long) jdg_col_int64(0, 1, 1)));
}

/* add_step(flow, step): returns the name that the draft knows it by */
JDG_FUNCTION(jdg_add_step, JDG_LEVEL_USER)
{
	static JdgQuery insert = {
		"INSERT INTO jadugar_internal.flow_draft_step (owner, name, step, "
		"graph) VALUES ($1, $2, $3, $4::jadugar.flow)", 4,
		{OIDOID, TEXTOID, TEXTOID, JSONBOID}
	};
	char	   *name = jdg_need_text(fcinfo, 0, "add_step", "flow");
	MemoryContext mcxt = CurrentMemoryContext;
	JdgFlowGraph *g;
	JdgFlowNode *root;
	Datum		v[4];
	JdgInternal in;

	if (PG_ARGISNULL(1))
		jdg_null_argument("step", "add_step");
	g = jdg_flow_parse(PG_GETARG_JSONB_P(1), false);
	root = &g->nodes[g->first_child];
	v[0] = ObjectIdGetDatum(jdg_resolve_owner(NULL));
	v[1] = CStringGetTextDatum(name);
	v[3] = JsonbPGetDatum(PG_GETARG_JSONB_P(1));
	jdg_internal_begin(&in);
	lock_draft(v[0], v[1]);
	check_names(v[0], v[1], g);
	if (!root->named)
		root->name = make_name(v[0], v[1], root, mcxt);
	MemoryContextSwitchTo(mcxt);
	v[2] = CStringGetTextDatum(root->name);
	jdg_run(&insert, v, NULL, 0);
	jdg_internal_end(&in);
	PG_RETURN_DATUM(v[2]);
}

/* remove_step(flow, name) */
JDG_FUNCTION(jdg_remove_step, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_draft_step "
		"WHERE owner = $1 AND name = $2 AND step = $3", 3,
		{OIDOID, TEXTOID, TEXTOID}
	};
	char	   *flow = jdg_need_text(fcinfo, 0, "remove_step", "flow");
	char	   *name = jdg_need_text(fcinfo, 1, "remove_step", "name");
	Datum		v[3];
	JdgInternal in;

	v[0] = ObjectIdGetDatum(jdg_resolve_owner(NULL));
	v[1] = CStringGetTextDatum(flow);
	v[2] = CStringGetTextDatum(name);
	jdg_internal_begin(&in);
	lock_draft(v[0], v[1]);
	if (jdg_run(&q, v, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("step \"%s\" does not exist in the draft of flow \"%s\"",
						jdg_excerpt(name), flow),
				 errhint("A step is removed as a whole, by the name that add_step() returned.")));
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
