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
#include "access/audit.h"
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

static const char *const completion_words[] = {
	"all", "any", "n_of_m", "all_done", "best_effort", NULL
};

#define COMPLETION_N_OF_M 2		/* in completion_words */

/* create_chain(), create_group() */
typedef struct DraftArgs
{
	char	   *name;
	bool		stop_on_failure;
	bool		parallel;
	int32	   *concurrency;
	int			completion;		/* in completion_words */
	int32	   *n;
	Interval   *timeout;
} DraftArgs;

#define FIELD(field) offsetof(DraftArgs, field)

static const JdgArg chain_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"stop_on_failure", BOOLOID, FIELD(stop_on_failure), JDG_NEEDED},
	{"parallel", BOOLOID, FIELD(parallel), JDG_NEEDED},
	{"max_concurrency", INT4OID, FIELD(concurrency)},
};

static const JdgArg group_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"concurrency", INT4OID, FIELD(concurrency)},
	{"completion", TEXTOID, FIELD(completion), JDG_NEEDED, completion_words},
	{"n", INT4OID, FIELD(n)},
	{"timeout", INTERVALOID, FIELD(timeout)},
};

/* add_step(), remove_step() */
typedef struct StepArgs
{
	char	   *flow;
	Jsonb	   *step;
	char	   *name;
} StepArgs;

static const JdgArg add_args[] = {
	{"flow", TEXTOID, offsetof(StepArgs, flow), JDG_NEEDED},
	{"step", InvalidOid, offsetof(StepArgs, step), JDG_NEEDED},
};

static const JdgArg remove_args[] = {
	{"flow", TEXTOID, offsetof(StepArgs, flow), JDG_NEEDED},
	{"name", TEXTOID, offsetof(StepArgs, name), JDG_NEEDED},
};

/* Make the draft; "options" as flow/graph/draft.c has them. */
static void
create_draft(const char *function, const char *name, Jsonb *options)
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
	jdg_flow_name_lock(owner, name);
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
	jdg_audit(function, "flow", name, owner);
}

#define NO_BOUND "Omit it for no bound."

/* Refuse a number that is not greater than zero. */
static int
positive(int n, const char *name, const char *hint)
{
	if (n <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", name),
				 errdetail("The value is %d.", n),
				 errhint("%s", hint)));
	return n;
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
	DraftArgs	a;
	JsonbParseState *st;

	JDG_READ_ARGS("create_chain", chain_args, &a);
	jdg_check_flow_name(a.name);
	if (a.concurrency != NULL && !a.parallel)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_concurrency requires parallel => true"),
				 errhint("Pass parallel => true, or omit max_concurrency.")));
	jdg_json_begin(&st);
	jdg_json_text(&st, "kind", a.parallel ? "parallel" : "chain");
	if (!a.stop_on_failure)
		json_true(&st, "continue");
	if (a.concurrency != NULL)
		jdg_json_int64(&st, "concurrency",
					   positive(*a.concurrency, "max_concurrency", NO_BOUND));
	create_draft("create_chain", a.name, jdg_json_finish(&st));
	PG_RETURN_VOID();
}

/* create_group(name, concurrency, completion, n, timeout) */
JDG_FUNCTION(jdg_create_group, JDG_LEVEL_USER)
{
	DraftArgs	a;
	JsonbParseState *st;

	JDG_READ_ARGS("create_group", group_args, &a);
	jdg_check_flow_name(a.name);
	if ((a.completion == COMPLETION_N_OF_M) != (a.n != NULL))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 a.n != NULL ? errmsg("n requires completion 'n_of_m'") :
				 errmsg("completion 'n_of_m' requires n"),
				 errhint("Pass both or neither.")));
	jdg_json_begin(&st);
	jdg_json_text(&st, "kind", "parallel");
	if (a.concurrency != NULL)
		jdg_json_int64(&st, "concurrency",
					   positive(*a.concurrency, "concurrency", NO_BOUND));
	jdg_json_text(&st, "completion", completion_words[a.completion]);
	if (a.n != NULL)
		jdg_json_int64(&st, "n",
					   positive(*a.n, "n", "It is the number of steps that must succeed."));
	if (a.timeout != NULL)
		jdg_json_text(&st, "timeout",
					  jdg_flow_interval_text(jdg_check_interval("timeout", a.timeout,
																false)));
	create_draft("create_group", a.name, jdg_json_finish(&st));
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
	StepArgs	a;
	MemoryContext mcxt = CurrentMemoryContext;
	JdgFlowGraph *g;
	JdgFlowNode *root;
	Datum		v[4];
	JdgInternal in;

	JDG_READ_ARGS("add_step", add_args, &a);
	g = jdg_flow_parse(a.step, false);
	root = &g->nodes[g->first_child];
	v[0] = ObjectIdGetDatum(jdg_resolve_owner(NULL));
	v[1] = CStringGetTextDatum(a.flow);
	v[3] = JsonbPGetDatum(a.step);
	jdg_internal_begin(&in);
	lock_draft(v[0], v[1]);
	check_names(v[0], v[1], g);
	if (!root->named)
		root->name = make_name(v[0], v[1], root, mcxt);
	MemoryContextSwitchTo(mcxt);
	v[2] = CStringGetTextDatum(root->name);
	jdg_run(&insert, v, NULL, 0);
	jdg_audit_detail("add_step", "flow", a.flow, DatumGetObjectId(v[0]),
					 psprintf("step \"%s\"", root->name), NULL);
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
	StepArgs	a;
	Datum		v[3];
	JdgInternal in;

	JDG_READ_ARGS("remove_step", remove_args, &a);
	v[0] = ObjectIdGetDatum(jdg_resolve_owner(NULL));
	v[1] = CStringGetTextDatum(a.flow);
	v[2] = CStringGetTextDatum(a.name);
	jdg_internal_begin(&in);
	lock_draft(v[0], v[1]);
	if (jdg_run(&q, v, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("step \"%s\" does not exist in the draft of flow \"%s\"",
						jdg_excerpt(a.name), a.flow),
				 errhint("A step is removed as a whole, by the name that add_step() returned.")));
	jdg_audit_detail("remove_step", "flow", a.flow, DatumGetObjectId(v[0]),
					 psprintf("step \"%s\"", a.name), NULL);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
