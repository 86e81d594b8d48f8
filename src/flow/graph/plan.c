/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Versions of flows, see plan.h.
 *
 * Making one runs in a session, as the user: each step's command and options
 * are checked as enqueue() would check them.  The task templates that follow
 * from that are kept in flow_version.plan, two for each node.
 * Reading one runs in any process, without evaluating anything.
 *
 * Locks: JDG_LOCK_FLOW on owner and name while a version is numbered, or the
 * name is given to a draft.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/locks.h"
#include "base/settings.h"
#include "base/spi.h"
#include "flow/graph/names.h"
#include "flow/graph/parse.h"
#include "flow/graph/plan.h"
#include "flow/graph/template.h"
#include "flow/kind/kind.h"
#include "flow/kind/task.h"
#include "task/prepare.h"
#include "task/retry.h"

#define MAX_PLANS		256
#define MAX_PLAN_NODES	100000	/* in all of them */

typedef struct Entry
{
	int64		version_id;		/* hash key */
	JdgFlowPlan *plan;
} Entry;

static HTAB *plans = NULL;
static MemoryContext plans_mcxt = NULL;
static int	kept_nodes = 0;

/* ------------------------------------------------------------ making one */

/*
 * Is $1 in this SQL nothing but $1->'input', 'item' or 'index'?  Decided by
 * the text: an expression written in another way counts as more than that.
 */
static bool
only_input(const char *sql)
{
	static const char *const keys[] = {"'input'", "'item'", "'index'"};
	const char *space = " \t\r\n";

	for (const char *s = sql; (s = strstr(s, "$1")) != NULL;)
	{
		int			key = 0;

		s += 2;
		s += strspn(s, space);
		if (strncmp(s, "->", 2) != 0)
			return false;
		s += s[2] == '>' ? 3 : 2;
		s += strspn(s, space);
		while (key < lengthof(keys) &&
			   strncmp(s, keys[key], strlen(keys[key])) != 0)
			key++;
		if (key == lengthof(keys))
			return false;
	}
	return true;
}

/*
 * The data that a task gets when it runs, see task.flow_data.  SQL that does
 * not use its argument, or only the input of the run, gets no results of
 * steps: looking them up is costly in a large flow.  "whole": it gets them
 * whatever it uses.
 */
static JdgFlowData
data_of(const JdgFlowNode *node, const char *command, bool whole, bool undo)
{
	if (node->payload != NULL)
		return !node->has_paths ? (undo ? JDG_DATA_UNDO_GIVEN : JDG_DATA_NONE) :
			undo ? JDG_DATA_UNDO_MAPPED : JDG_DATA_MAPPED;
	if (!whole && strstr(command, "$1") == NULL)
		return JDG_DATA_NONE;
	if (undo)
		return JDG_DATA_UNDO;
	return !whole && only_input(command) ? JDG_DATA_INPUT :
		JDG_DATA_RUN;
}

/*
 * Context of errors about a task.  SQL that is made of a text that is no SQL
 * may have been meant as a path.
 */
static void
task_context(void *arg)
{
	const JdgFlowNode *node = arg;

	jdg_flow_error_context(arg);
	if (node->kind->hint && geterrcode() == JDG_ERRCODE_VALIDATION_ERROR)
		errhint("%s", node->kind->hint);
}

/* The task of a node, or of a compensation; NULL: it has none. */
static JdgTask *
prepare(const JdgFlowNode *node, Oid owner, bool undo)
{
	ErrorContextCallback context = {error_context_stack,
	task_context, unconstify(JdgFlowNode *, node)};
	JdgTaskOptions o;
	JdgTask    *t;
	JdgQueue	queue;
	JdgHandler *handler;

	jdg_node_task_options(node, &o);
	if (o.command == NULL)
		return NULL;
	t = palloc0(sizeof(JdgTask));
	error_context_stack = &context;
	jdg_task_prepare(&o, owner, jdg_task_max_attempts, t, &queue, &handler);
	error_context_stack = context.previous;
	/* a fallback gets what the command would get, and may use more of it */
	t->flow_data = data_of(node, o.command, handler != NULL ||
						   jdg_retry_fallback(t->retry) != NULL, undo);
	t->payload = node->payload ? node->payload : jdg_json_empty();
	return t;
}

/* Add an element to a plan; null: the node has no such task. */
static void
push_template(JsonbParseState **st, const JdgTask *t)
{
	JsonbValue	v;
	Jsonb	   *j;

	if (t == NULL)
	{
		v.type = jbvNull;
		(void) pushJsonbValue(st, WJB_ELEM, &v);
		return;
	}
	j = jdg_template_to_jsonb(t);
	v.type = jbvBinary;
	v.val.binary.data = &j->root;
	v.val.binary.len = VARSIZE(j) - VARHDRSZ;
	(void) pushJsonbValue(st, WJB_ELEM, &v);
}

/* Two elements for each node: what it runs, what undoes it. */
static Jsonb *
make_plan(const JdgFlowGraph *graph, Oid owner, const char *name)
{
	JsonbParseState *st = NULL;

	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < graph->nnodes; i++)
	{
		const JdgFlowNode *node = &graph->nodes[i];

		CHECK_FOR_INTERRUPTS();
		if (node->kind->check)
			node->kind->check(node, owner, name);
		push_template(&st, prepare(node, owner, false));
		push_template(&st, node->compensate ?
					  prepare(node->compensate, owner, true) : NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}

static int64
hash_of(const Jsonb *flow)
{
	return DatumGetInt64(hash_any_extended((const unsigned char *) flow,
										   VARSIZE(flow), 0));
}

static bool
same_graph(Datum stored, const Jsonb *flow)
{
	Jsonb	   *other = DatumGetJsonbP(stored);

	return VARSIZE(other) == VARSIZE(flow) &&
		memcmp(other, flow, VARSIZE(flow)) == 0;
}

/* An unnamed version with this very graph, and queues; 0: there is none. */
static int64
find_same(Oid owner, Jsonb *flow)
{
	static JdgQuery q = {
		"SELECT version_id, graph FROM jadugar_internal.flow_version "
		"WHERE owner = $1 AND hash = $2 AND name IS NULL "
		"AND dropped_at IS NULL ORDER BY version_id", 2, {OIDOID, INT8OID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), Int64GetDatum(hash_of(flow))};
	int64		n = jdg_run(&q, v, NULL, 0);
	int64	   *same = palloc(sizeof(int64) * Max(n, 1));
	int			nsame = 0;

	for (int64 i = 0; i < n; i++)
	{
		bool		isnull;

		if (same_graph(jdg_col(i, 2, &isnull), flow))
			same[nsame++] = jdg_col_int64(i, 1, 0);
	}
	for (int i = nsame - 1; i >= 0; i--)
	{
		if (jdg_flow_queues_exist(&jdg_flow_plan_get(same[i])->queues))
			return same[i];
	}
	return 0;
}

/*
 * The newest version of a name, if it has this graph and its queues; else
 * sets the next number.
 */
static int64
find_newest(Oid owner, const char *name, Jsonb *flow, int *version)
{
	static JdgQuery q = {
		"SELECT version_id, version, graph FROM jadugar_internal.flow_version "
		"WHERE owner = $1 AND name = $2 AND dropped_at IS NULL "
		"ORDER BY version DESC LIMIT 1", 2, {OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};
	int64		id;
	bool		isnull;

	*version = 1;
	if (jdg_run(&q, v, NULL, 1) == 0)
		return 0;
	id = jdg_col_int64(0, 1, 0);
	*version = jdg_col_int32(0, 2, 0);
	if (same_graph(jdg_col(0, 3, &isnull), flow) &&
		jdg_flow_queues_exist(&jdg_flow_plan_get(id)->queues))
		return id;
	(*version)++;
	return 0;
}

/* Returns the new version_id. */
static int64
insert_version(Oid owner, const char *name, int version, Jsonb *flow,
			   Jsonb *plan, const char *description)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.flow_version (owner, name, version, "
		"hash, graph, plan, description, created_at) "
		"VALUES ($1, $2, $3, $4, $5::jadugar.flow, $6, $7, $8) "
		"RETURNING version_id", 8,
		{OIDOID, TEXTOID, INT4OID, INT8OID, JSONBOID, JSONBOID, TEXTOID,
		TIMESTAMPTZOID}
	};
	Datum		v[8];
	char		n[9] = "        ";
	int64		id;

	v[0] = ObjectIdGetDatum(owner);
	jdg_put_text(&v[1], &n[1], name);
	v[2] = Int32GetDatum(version);
	n[2] = name ? ' ' : 'n';
	v[3] = Int64GetDatum(hash_of(flow));
	v[4] = PointerGetDatum(flow);
	v[5] = PointerGetDatum(plan);
	jdg_put_text(&v[6], &n[6], description);
	v[7] = TimestampTzGetDatum(jdg_now());
	if (jdg_run(&q, v, n, 0) != 1)
		elog(ERROR, "could not insert a version of a flow");
	id = jdg_col_int64(0, 1, 0);
	if (name != NULL)
		jdg_config_changed();
	return id;
}

/* The graph of a version never changes; its description may. */
static void
describe(int64 version_id, const char *description)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.flow_version SET description = $2 "
		"WHERE version_id = $1", 2, {INT8OID, TEXTOID}
	};
	Datum		v[2] = {Int64GetDatum(version_id),
	CStringGetTextDatum(description)};

	jdg_run(&q, v, NULL, 0);
}

void
jdg_flow_name_lock(Oid owner, const char *name)
{
	jdg_lock_xact(JDG_LOCK_FLOW,
				  hash_combine(owner, string_hash(name, strlen(name) + 1)));
}

int64
jdg_flow_version_make(Oid owner, const char *name, Jsonb *flow,
					  const char *description, int *version)
{
	JdgInternal in;
	JdgFlowGraph *graph;
	Jsonb	   *plan;
	int64		id;

	Assert(!jdg_is_bookkeeping());
	*version = 0;
	if (name == NULL)
	{
		jdg_internal_begin(&in);
		id = find_same(owner, flow);
		jdg_internal_end(&in);
		if (id != 0)
			return id;
	}
	graph = jdg_flow_parse(flow, true);
	plan = make_plan(graph, owner, name);
	jdg_internal_begin(&in);
	if (name != NULL)
	{
		jdg_flow_name_lock(owner, name);
		id = find_newest(owner, name, flow, version);
	}
	else
		id = find_same(owner, flow);
	if (id == 0)
		id = insert_version(owner, name, *version, flow, plan, description);
	else if (name != NULL && description != NULL)
		describe(id, description);
	jdg_internal_end(&in);
	return id;
}

/* ----------------------------------------------------------- reading one */

/* Start with no plans, at first and when there are too many. */
static void
forget_when_full(void)
{
	HASHCTL		ctl = {0};

	if (plans_mcxt != NULL && hash_get_num_entries(plans) < MAX_PLANS &&
		kept_nodes < MAX_PLAN_NODES)
		return;
	/* plans in use stay valid until the transaction ends */
	if (plans_mcxt != NULL)
		MemoryContextSetParent(plans_mcxt, TopTransactionContext);
	plans_mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar flows",
									   ALLOCSET_DEFAULT_SIZES);
	kept_nodes = 0;
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(Entry);
	ctl.hcxt = plans_mcxt;
	plans = hash_create("jadugar flows", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Set the tasks of all nodes from flow_version.plan. */
static void
read_templates(JdgFlowPlan *p, Jsonb *plan)
{
	int			n = p->graph->nnodes;
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			i = 0;

	p->task = palloc0(sizeof(JdgTask *) * n);
	p->undo = palloc0(sizeof(JdgTask *) * n);
	it = JsonbIteratorInit(&plan->root);
	tok = JsonbIteratorNext(&it, &v, true);
	while ((tok = JsonbIteratorNext(&it, &v, true)) == WJB_ELEM)
	{
		if (i / 2 >= n)
			break;
		if (v.type == jbvBinary)
			(i % 2 == 0 ? p->task : p->undo)[i / 2] =
				jdg_template_from_jsonb(JsonbValueToJsonb(&v));
		i++;
	}
	if (i != 2 * n)
		elog(ERROR, "the plan of flow version %lld has %d elements for %d nodes",
			 (long long) p->version_id, i, n);
}

const JdgFlowPlan *
jdg_flow_plan_get(int64 version_id)
{
	static JdgQuery q = {
		"SELECT name, version, graph, plan FROM jadugar_internal.flow_version "
		"WHERE version_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(version_id)};
	MemoryContext old;
	Entry	   *e;
	JdgFlowPlan *p;
	JdgInternal in;
	bool		isnull;

	forget_when_full();
	e = hash_search(plans, &version_id, HASH_FIND, NULL);
	if (e != NULL)
		return e->plan;
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("flow version %lld does not exist", (long long) version_id),
				 errdetail("A run refers to it."),
				 errhint("Rows of jadugar_internal.flow_version must not be deleted manually.")));
	old = MemoryContextSwitchTo(plans_mcxt);
	p = palloc0(sizeof(JdgFlowPlan));
	p->version_id = version_id;
	p->name = jdg_col_text(0, 1, plans_mcxt);
	p->version = jdg_col_int32(0, 2, 0);
	p->graph = jdg_flow_parse(DatumGetJsonbPCopy(jdg_col(0, 3, &isnull)), true);
	read_templates(p, DatumGetJsonbPCopy(jdg_col(0, 4, &isnull)));
	jdg_flow_queues_add(&p->queues, p->task, p->graph->nnodes);
	jdg_flow_queues_add(&p->queues, p->undo, p->graph->nnodes);
	MemoryContextSwitchTo(old);
	jdg_internal_end(&in);
	kept_nodes += p->graph->nnodes;
	e = hash_search(plans, &version_id, HASH_ENTER, NULL);
	e->plan = p;
	return p;
}
