/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  From the value of a flow to numbered nodes, see parse.h.
 *
 * Runs in any process.  Pure: reads nothing but the value.  A parse makes
 * every node with its own checks, in pre-order.  Names, "after" and references
 * to data are checked when all nodes exist.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "flow/graph/after.h"
#include "flow/graph/names.h"
#include "flow/graph/parse.h"
#include "flow/graph/paths.h"
#include "flow/kind/kind.h"

/* steps and waits; containers are counted apart, to the same number */
#define MAX_STEPS	10000
/* containers within containers */
#define MAX_DEPTH	100

/* Read "after", whose names are looked up when all are known, and "join". */
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

	if (jdg_object_has(o, "join") || jdg_object_has(o, "join_n"))
		jdg_object_need(o, "after");
	if (!jdg_object_has(o, "after"))
		return;
	node->join = jdg_object_word(o, "join", joins, lengthof(joins),
								 "Valid values are \"all_success\", \"all_done\", \"any_success\", \"any_failed\", \"none_failed\", and \"n_of_m\".");
	node->join_n = jdg_object_int(o, "join_n", 1, 0);
	it = JsonbIteratorInit(jdg_object_array(o, "after"));
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok != WJB_ELEM)
			continue;
		if (v.type != jbvString || v.val.string.len == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("invalid \"after\" for %s", jdg_flow_label(node)),
					 errhint("Use an array of names.")));
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
				 errmsg("invalid \"join_n\" for %s", jdg_flow_label(node)),
				 errdetail("Names in \"after\": %d, \"join_n\": %d.", count,
						   node->join_n),
				 errhint("Only the join \"n_of_m\" has \"join_n\": from 1 to the number of names in \"after\".")));
}

/* Read the keys that every node may have. */
static void
parse_common(JdgFlowObject *o)
{
	static const char *const failures[] = {"stop", "continue", "compensate"};
	JdgFlowNode *node = o->node;
	const char *key = node->kind->key_is_name ? node->kind->key : "name";

	if (jdg_object_has(o, key))
	{
		node->name = jdg_object_name(o, key);
		node->named = true;
	}
	node->on_failure = jdg_object_word(o, "on_failure", failures,
									   lengthof(failures),
									   "Valid values are \"stop\", \"continue\", and \"compensate\".");
	node->timeout = jdg_object_interval(o, "timeout");
	parse_after(o);
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

/* Refuse one node too many, and containers that are nested too deep. */
static void
check_size(JdgFlowParse *p, const JdgFlowNode *node, int depth)
{
	bool		leaf = jdg_node_is_leaf(node);
	int		   *count = leaf ? &p->nleaves : &p->ncontainers;

	if (++(*count) > MAX_STEPS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 leaf ? errmsg("the flow has more than %d steps", MAX_STEPS) :
				 errmsg("the flow has more than %d containers", MAX_STEPS),
				 errdetail("The first one too many is %s.", jdg_flow_label(node)),
				 errhint("Use an each for similar steps, or move some steps to a sub_flow.")));
	if (!leaf && depth > MAX_DEPTH)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("containers of the flow are nested more than %d levels deep",
						MAX_DEPTH),
				 errdetail("The first one too deep is %s.", jdg_flow_label(node)),
				 errhint("Move some containers to a sub_flow.")));
}

/* Make a node and all within it; returns its number. */
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
				 errdetail("The number of the node is %d.", p->graph->nnodes)));
	memset(&node, 0, sizeof(node));
	node.no = add_node(p);
	node.parent = parent;
	node.block = block < 0 ? node.no : block;
	o.parse = p;
	o.node = &node;
	o.path_no = node.no;
	o.depth = depth;
	jdg_object_read(&o, json->val.binary.data);
	check_size(p, &node, depth);
	parse_common(&o);
	node.kind->parse(&o);
	node.end = p->graph->nnodes;
	p->graph->nodes[node.no] = node;
	return node.no;
}

/* Make a child; block: see node.h, -1 for a new one. */
static void
add_child(JdgFlowObject *o, JsonbValue *json, int block)
{
	JdgFlowNode *node = o->node;
	int			no;

	no = parse_node(o->parse, json, node->no, block, o->depth + 1);
	node->children[node->nchildren++] = no;
}

void
jdg_parse_child(JdgFlowObject *o, const char *key, bool new_block)
{
	JdgFlowNode *node = o->node;
	JsonbValue	v;

	jdg_object_need(o, key);
	(void) jdg_object_get(o, key, &v);
	if (node->children == NULL)
		node->children = palloc(sizeof(int));
	else
		node->children = repalloc(node->children,
								  sizeof(int) * (node->nchildren + 1));
	add_child(o, &v, new_block ? -1 : node->block);
}

void
jdg_parse_children(JdgFlowObject *o, const char *key)
{
	JsonbContainer *array = jdg_object_array(o, key);
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken tok;
	JsonbValue	v;

	o->node->children = palloc(sizeof(int) * JsonContainerSize(array));
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM)
			add_child(o, &v, o->node->block);
	}
}

/* Make node 0, a chain around a flow that is not a plain chain itself. */
static void
add_outermost(JdgFlowParse *p)
{
	JdgFlowNode node;

	memset(&node, 0, sizeof(node));
	node.no = add_node(p);
	node.parent = -1;
	node.kind = &jdg_kind_chain;
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
				 errmsg("a flow must be a JSON object"),
				 errdetail("The value is %s.",
						   jdg_excerpt(JsonbToCString(NULL, &flow->root, 64))),
				 errhint("Make flows with jadugar.step(), jadugar.chain() and the other functions.")));
	root.type = jbvBinary;
	root.val.binary.data = &flow->root;
	root.val.binary.len = VARSIZE(flow) - VARHDRSZ;
	plain = JB_ROOT_COUNT(flow) == 1 &&
		getKeyJsonValueFromContainer(&flow->root, jdg_kind_chain.key,
									 strlen(jdg_kind_chain.key), &room) != NULL;
	if (!plain)
		add_outermost(&p);
	(void) parse_node(&p, &root, plain ? -1 : 0, 0, 1);
	p.graph->nodes[0].end = p.graph->nnodes;
	jdg_flow_index_names(p.graph);
	jdg_flow_check_after(&p);
	jdg_flow_check_paths(&p);
	return p.graph;
}
