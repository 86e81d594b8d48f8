/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  From the value of a flow to numbered nodes, see graph.h.
 *
 * Runs in any process.  Pure: reads nothing but the value.  A parse makes
 * every node with its own checks, in pre-order; then what needs all of them:
 * names, "after", references to data.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "flow/graph/private.h"

#define DEFAULT_PASSES	1000

static int	parse_node(JdgFlowParse *p, JsonbValue *json, int parent,
					   int block, int depth);

static void
add_child(JdgFlowObject *o, JsonbValue *json, int block, int depth)
{
	JdgFlowNode *node = o->node;
	int			no;

	no = parse_node(o->parse, json, node->no, block, depth + 1);
	node->children[node->nchildren++] = no;
}

static void
parse_children(JdgFlowObject *o, JdgFlowKey key, int depth)
{
	JsonbContainer *array = jdg_flow_get_array(o, key);
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken tok;
	JsonbValue	v;

	o->node->children = palloc(sizeof(int) * JsonContainerSize(array));
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM)
			add_child(o, &v, o->node->block, depth);
	}
}

/* completion, n, concurrency, rest: of a parallel or an each */
static void
parse_completion(JdgFlowObject *o)
{
	static const char *const completions[] = {
		"all", "any", "n_of_m", "all_done", "best_effort"
	};
	static const char *const rests[] = {"cancel", "run"};
	JdgFlowNode *node = o->node;

	node->completion = jdg_flow_get_word(o, JDG_KEY_COMPLETION, completions,
										 lengthof(completions),
										 "Use 'all', 'any', 'n_of_m', 'all_done' or 'best_effort'.");
	if (node->is_race)
		node->completion = JDG_COMPLETE_ANY;
	node->n = jdg_flow_get_int(o, JDG_KEY_N, 1, 0);
	if ((node->completion == JDG_COMPLETE_N) != (node->n > 0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 node->n > 0 ?
				 errmsg("\"n\" of %s needs the completion \"n_of_m\"",
						jdg_flow_label(node)) :
				 errmsg("completion \"n_of_m\" of %s needs \"n\"",
						jdg_flow_label(node))));
	node->concurrency = jdg_flow_get_int(o, JDG_KEY_CONCURRENCY, 1, 0);
	node->rest_runs = jdg_flow_get_word(o, JDG_KEY_REST, rests,
										lengthof(rests),
										"Use 'cancel' or 'run'.") == 1;
}

static void
parse_parallel(JdgFlowObject *o, int depth)
{
	JdgFlowNode *node = o->node;

	parse_completion(o);
	parse_children(o, node->is_race ? JDG_KEY_RACE : JDG_KEY_PARALLEL, depth);
	if (node->n > node->nchildren)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"n\" of %s is more than it has children",
						jdg_flow_label(node)),
				 errdetail("It has %d, \"n\" is %d.", node->nchildren,
						   node->n)));
}

static void
parse_branch(JdgFlowObject *o, int depth)
{
	JdgFlowNode *node = o->node;

	node->text = jdg_flow_get_condition(o, JDG_KEY_BRANCH);
	jdg_flow_need(o, JDG_KEY_THEN);
	node->children = palloc(sizeof(int) * 2);
	add_child(o, &o->v[JDG_KEY_THEN], node->block, depth);
	if (jdg_flow_has(o, JDG_KEY_ELSE))
		add_child(o, &o->v[JDG_KEY_ELSE], node->block, depth);
}

/* The body of an each or a loop begins a block: -1 stands for its number. */
static void
parse_each(JdgFlowObject *o, int depth)
{
	o->node->text = jdg_flow_get_items(o);
	parse_completion(o);
	jdg_flow_need(o, JDG_KEY_DO);
	o->node->children = palloc(sizeof(int));
	add_child(o, &o->v[JDG_KEY_DO], -1, depth);
}

static void
parse_loop(JdgFlowObject *o, int depth)
{
	JdgFlowNode *node = o->node;

	jdg_flow_need(o, JDG_KEY_WHILE);
	node->text = jdg_flow_get_condition(o, JDG_KEY_WHILE);
	node->max = jdg_flow_get_int(o, JDG_KEY_MAX, 1, DEFAULT_PASSES);
	node->interval = jdg_flow_get_interval(o, JDG_KEY_DELAY);
	node->children = palloc(sizeof(int));
	add_child(o, &o->v[JDG_KEY_LOOP], -1, depth);
}

static void
parse_wait(JdgFlowObject *o)
{
	static const char *const outcomes[] = {"fail", "continue"};
	JdgFlowNode *node = o->node;

	node->timeout_continues = jdg_flow_get_word(o, JDG_KEY_ON_TIMEOUT,
												outcomes, lengthof(outcomes),
												"Use 'fail' or 'continue'.") == 1;
	switch (node->kind)
	{
		case JDG_FLOW_WAIT_EVENT:
			node->text = jdg_flow_get_name(o, JDG_KEY_WAIT_EVENT);
			(void) jdg_flow_get_object(o, JDG_KEY_FILTER);
			node->payload = jdg_flow_get_template(o, JDG_KEY_FILTER,
												  &node->has_paths);
			break;
		case JDG_FLOW_WAIT_SIGNAL:
			node->text = jdg_flow_get_name(o, JDG_KEY_WAIT_SIGNAL);
			break;
		default:
			node->text = jdg_flow_get_name(o, JDG_KEY_APPROVERS);
			node->message = jdg_flow_get_text(o, JDG_KEY_MESSAGE);
	}
}

/* "after" by name, to be looked up when all names are known; and "join" */
static void
parse_after(JdgFlowObject *o)
{
	static const char *const joins[] = {
		"all_success", "all_done", "any_success", "any_failed",
		"none_failed", "n_of_m"
	};
	JdgFlowParse *p = o->parse;
	JdgFlowNode *node = o->node;
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			count = 0;

	if (jdg_flow_has(o, JDG_KEY_JOIN) || jdg_flow_has(o, JDG_KEY_JOIN_N))
		jdg_flow_need(o, JDG_KEY_AFTER);
	if (!jdg_flow_has(o, JDG_KEY_AFTER))
		return;
	node->join = jdg_flow_get_word(o, JDG_KEY_JOIN, joins, lengthof(joins),
								   "Use 'all_success', 'all_done', 'any_success', 'any_failed', 'none_failed' or 'n_of_m'.");
	node->join_n = jdg_flow_get_int(o, JDG_KEY_JOIN_N, 1, 0);
	it = JsonbIteratorInit(jdg_flow_get_array(o, JDG_KEY_AFTER));
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok != WJB_ELEM)
			continue;
		if (v.type != jbvString || v.val.string.len == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("\"after\" of %s must be an array of names",
							jdg_flow_label(node))));
		if (p->nafter == p->after_room)
		{
			p->after_room = Max(64, 2 * p->after_room);
			p->after = p->after == NULL ?
				palloc(p->after_room * sizeof(JdgFlowAfter)) :
				repalloc(p->after, p->after_room * sizeof(JdgFlowAfter));
		}
		p->after[p->nafter].no = node->no;
		p->after[p->nafter++].name = pnstrdup(v.val.string.val,
											  v.val.string.len);
		count++;
	}
	if ((node->join == JDG_FLOW_JOIN_N) != (node->join_n > 0) ||
		node->join_n > count)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"join_n\" of %s does not fit", jdg_flow_label(node)),
				 errdetail("It waits for %d, \"join_n\" is %d.", count,
						   node->join_n),
				 errhint("The join \"n_of_m\", and no other, needs a number from 1 to how many it waits for.")));
}

/* What every node may have. */
static void
parse_common(JdgFlowObject *o)
{
	static const char *const failures[] = {"stop", "continue", "compensate"};
	JdgFlowNode *node = o->node;
	JdgFlowKey	key = JDG_KEY_NAME;

	if (jdg_flow_has(o, JDG_KEY_STEP))
		key = JDG_KEY_STEP;
	else if (jdg_flow_has(o, JDG_KEY_APPROVAL))
		key = JDG_KEY_APPROVAL;
	if (jdg_flow_has(o, key))
	{
		node->name = jdg_flow_get_name(o, key);
		node->named = true;
	}
	node->on_failure = jdg_flow_get_word(o, JDG_KEY_ON_FAILURE, failures,
										 lengthof(failures),
										 "Use 'stop', 'continue' or 'compensate'.");
	node->timeout = jdg_flow_get_interval(o, JDG_KEY_TIMEOUT);
	parse_after(o);
}

static void
parse_kind(JdgFlowObject *o, int depth)
{
	JdgFlowNode *node = o->node;

	switch (node->kind)
	{
		case JDG_FLOW_STEP:
			jdg_flow_parse_task(o);
			jdg_flow_parse_compensation(o);
			node->pivot = jdg_flow_get_bool(o, JDG_KEY_PIVOT);
			break;
		case JDG_FLOW_CHAIN:
			parse_children(o, JDG_KEY_CHAIN, depth);
			break;
		case JDG_FLOW_PARALLEL:
			parse_parallel(o, depth);
			break;
		case JDG_FLOW_BRANCH:
			parse_branch(o, depth);
			break;
		case JDG_FLOW_EACH:
			parse_each(o, depth);
			break;
		case JDG_FLOW_LOOP:
			parse_loop(o, depth);
			break;
		case JDG_FLOW_SLEEP:
			node->interval = jdg_flow_get_interval(o, JDG_KEY_SLEEP);
			if (node->interval == NULL)
				node->text = jdg_flow_get_instant(o);
			break;
		case JDG_FLOW_WAIT_EVENT:
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
			parse_wait(o);
			break;
		case JDG_FLOW_SUB_FLOW:
			node->text = jdg_flow_get_name(o, JDG_KEY_SUB_FLOW);
			node->version = jdg_flow_get_int(o, JDG_KEY_VERSION, 1, 0);
			node->payload = jdg_flow_get_template(o, JDG_KEY_PAYLOAD,
												  &node->has_paths);
			jdg_flow_parse_compensation(o);
			node->pivot = jdg_flow_get_bool(o, JDG_KEY_PIVOT);
			break;
	}
}

/* Give a node its number. */
static int
add_node(JdgFlowParse *p)
{
	JdgFlowGraph *graph = p->graph;

	if (graph->nnodes == p->room)
	{
		p->room = Max(16, 2 * p->room);
		graph->nodes = graph->nodes == NULL ?
			palloc(p->room * sizeof(JdgFlowNode)) :
			repalloc(graph->nodes, p->room * sizeof(JdgFlowNode));
	}
	return graph->nnodes++;
}

static void
check_size(JdgFlowParse *p, const JdgFlowNode *node, int depth)
{
	bool		leaf = jdg_flow_is_leaf(node);
	int		   *count = leaf ? &p->nleaves : &p->ncontainers;

	if (++(*count) > JDG_FLOW_MAX_STEPS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 leaf ? errmsg("the flow has more than %d steps", JDG_FLOW_MAX_STEPS) :
				 errmsg("the flow has more than %d containers", JDG_FLOW_MAX_STEPS),
				 errdetail("One too many is %s.", jdg_flow_label(node)),
				 errhint("Use each for many steps of one kind, or sub_flow.")));
	if (!leaf && depth > JDG_FLOW_MAX_DEPTH)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the flow has more than %d containers within each other",
						JDG_FLOW_MAX_DEPTH),
				 errdetail("One too deep is %s.", jdg_flow_label(node)),
				 errhint("Use sub_flow.")));
}

/* Make a node and what is in it; its number. */
static int
parse_node(JdgFlowParse *p, JsonbValue *json, int parent, int block,
		   int depth)
{
	JdgFlowObject o;
	JdgFlowNode node;

	check_stack_depth();
	if (json->type != jbvBinary ||
		!JsonContainerIsObject(json->val.binary.data))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a node of the flow is not a JSON object"),
				 errdetail("Its number is %d.", p->graph->nnodes)));
	memset(&node, 0, sizeof(node));
	node.no = add_node(p);
	node.parent = parent;
	node.block = block < 0 ? node.no : block;
	o.parse = p;
	o.node = &node;
	o.path_no = node.no;
	jdg_flow_read_object(&o, json->val.binary.data);
	check_size(p, &node, depth);
	parse_common(&o);
	parse_kind(&o, depth);
	node.end = p->graph->nnodes;
	p->graph->nodes[node.no] = node;
	return node.no;
}

/* A chain around what is not a plain chain itself. */
static void
add_outermost(JdgFlowParse *p)
{
	JdgFlowNode node;

	memset(&node, 0, sizeof(node));
	node.no = add_node(p);
	node.parent = -1;
	node.kind = JDG_FLOW_CHAIN;
	node.name = "chain#0";
	node.nchildren = 1;
	node.children = palloc(sizeof(int));
	node.children[0] = 1;
	p->graph->nodes[0] = node;
	p->graph->first_child = 1;
}

JdgFlowGraph *
jdg_flow_parse(Jsonb *flow, bool whole)
{
	JdgFlowParse p;
	JsonbValue	root;
	JsonbValue	room;
	bool		plain;

	memset(&p, 0, sizeof(p));
	p.whole = whole;
	p.graph = palloc0(sizeof(JdgFlowGraph));
	if (!JB_ROOT_IS_OBJECT(flow))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a flow is a JSON object"),
				 errdetail("The value is %s.",
						   jdg_excerpt(JsonbToCString(NULL, &flow->root, 64))),
				 errhint("Make flows with jadugar.step(), jadugar.chain() and the other functions.")));
	root.type = jbvBinary;
	root.val.binary.data = &flow->root;
	root.val.binary.len = VARSIZE(flow) - VARHDRSZ;
	plain = JB_ROOT_COUNT(flow) == 1 &&
		getKeyJsonValueFromContainer(&flow->root, "chain", 5, &room) != NULL;
	if (!plain)
		add_outermost(&p);
	(void) parse_node(&p, &root, plain ? -1 : 0, 0, 1);
	p.graph->nodes[0].end = p.graph->nnodes;
	jdg_flow_index_names(&p);
	jdg_flow_check_after(&p);
	jdg_flow_check_data(&p);
	return p.graph;
}
