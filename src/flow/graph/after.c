/*-------------------------------------------------------------------------
 *
 * after.c
 *	  The order that "after" makes, checked when all nodes are there.
 *
 * Pure, and linear but for how deep nodes lie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/errors.h"
#include "flow/graph/after.h"
#include "flow/graph/names.h"
#include "flow/kind/kind.h"

/* names of a circle that are worth listing */
#define MAX_LISTED	10

/* Refuse "after" if the node "waits" can never wait for the node "for_no". */
static void
check_pair(const JdgFlowGraph *graph, const JdgFlowNode *waits, int for_no)
{
	const JdgFlowNode *other = &graph->nodes[for_no];
	int			common = jdg_flow_common(graph, waits->no, for_no);
	const char *why = NULL;

	if (waits->no == for_no)
		why = "A node cannot wait for itself.";
	else if (common == for_no)
		why = "That node contains it and ends later.";
	else if (common == waits->no)
		why = "It contains that node, which begins later.";
	else if (waits->block != other->block)
		why = "They are not in the same body of an each or a loop.";
	else if (graph->nodes[common].kind->children == JDG_CHILDREN_ONE_OF)
		why = "They are in different arms of a branch: only one of them can run.";
	if (why)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s cannot wait for %s", jdg_flow_label(waits),
						jdg_flow_label(other)),
				 errdetail("%s", why)));
}

/* Look up one name of an "after"; in a part of a flow it may be missing. */
static void
resolve_after(JdgFlowParse *p, const JdgFlowAfter *after)
{
	JdgFlowGraph *graph = p->graph;
	JdgFlowNode *node = &graph->nodes[after->no];
	int			for_no;

	for_no = jdg_flow_find_named(graph, after->name, strlen(after->name));
	if (for_no < 0)
	{
		if (p->whole)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("%s waits for \"%s\", which does not exist in the flow",
							jdg_flow_label(node), jdg_excerpt(after->name)),
					 errhint("\"after\" takes names of nodes of the same flow.")));
		return;
	}
	check_pair(graph, node, for_no);
	node->after[node->nafter++] = for_no;
	graph->nodes[for_no].nfollowers++;
}

/* Refuse a name that stands twice in one "after", in linear time. */
static void
check_twice(const JdgFlowGraph *graph)
{
	int		   *last = palloc(sizeof(int) * graph->nnodes);

	for (int no = 0; no < graph->nnodes; no++)
		last[no] = -1;
	for (int no = 0; no < graph->nnodes; no++)
	{
		const JdgFlowNode *node = &graph->nodes[no];

		for (int i = 0; i < node->nafter; i++)
		{
			if (last[node->after[i]] == no)
				ereport(ERROR,
						(errcode(JDG_ERRCODE_VALIDATION_ERROR),
						 errmsg("%s waits twice for \"%s\"",
								jdg_flow_label(node),
								graph->nodes[node->after[i]].name)));
			last[node->after[i]] = no;
		}
	}
	pfree(last);
}

/* Set the reverse of "after". */
static void
fill_followers(JdgFlowGraph *graph)
{
	for (int no = 0; no < graph->nnodes; no++)
	{
		JdgFlowNode *node = &graph->nodes[no];

		if (node->nfollowers > 0)
			node->followers = palloc(sizeof(int) * node->nfollowers);
		node->nfollowers = 0;
	}
	for (int no = 0; no < graph->nnodes; no++)
	{
		JdgFlowNode *node = &graph->nodes[no];

		for (int i = 0; i < node->nafter; i++)
		{
			JdgFlowNode *other = &graph->nodes[node->after[i]];

			other->followers[other->nfollowers++] = no;
		}
	}
}

/*
 * The order in time: of every node, its beginning is moment 2 * no and its
 * end 2 * no + 1.  A moment comes before these others:
 *
 *	a beginning: the own end, and the beginnings of children;
 *	an end: the end of the container, the beginning of the next node in the
 *	chain, and the beginnings of the nodes that wait for it.
 *
 * Nodes of a circle in this order would never begin.
 */
typedef struct Walk
{
	const JdgFlowGraph *graph;
	int		   *next_in_chain;	/* by number; -1: none */
	int		   *stack;			/* moments, each before the next */
	int		   *position;		/* of a moment: the later one to visit next */
	int			depth;
	char	   *color;			/* of a moment: 0 new, 1 on the stack, 2 done */
} Walk;

/* The i-th moment after one; -1: there are no more, -2: skip this i. */
static int
later_moment(const Walk *w, int moment, int i)
{
	const JdgFlowNode *node = &w->graph->nodes[moment / 2];
	int			next = w->next_in_chain[node->no];

	if (moment % 2 == 0)
	{
		if (i == 0)
			return moment + 1;
		return i <= node->nchildren ? 2 * node->children[i - 1] : -1;
	}
	if (i == 0)
		return node->parent >= 0 ? 2 * node->parent + 1 : -2;
	if (i == 1)
		return next >= 0 ? 2 * next : -2;
	return i - 2 < node->nfollowers ? 2 * node->followers[i - 2] : -1;
}

/* The stack from "moment" on leads back to it: list the nodes that wait. */
static void
report_circle(const Walk *w, int moment)
{
	const JdgFlowNode *nodes = w->graph->nodes;
	StringInfoData list;
	const JdgFlowNode *first = NULL;
	int			listed = 0;
	int			start = w->depth - 1;

	while (w->stack[start] != moment)
		start--;
	initStringInfo(&list);
	for (int i = start; i < w->depth; i++)
	{
		int			from = w->stack[i];
		int			to = i + 1 < w->depth ? w->stack[i + 1] : moment;

		/* an edge that "after" made */
		if (from % 2 == 0 || to % 2 != 0 ||
			w->next_in_chain[from / 2] == to / 2)
			continue;
		if (first == NULL)
			first = &nodes[to / 2];
		if (++listed <= MAX_LISTED)
			appendStringInfo(&list, "%s\"%s\" waits for \"%s\"",
							 listed > 1 ? ", " : "", nodes[to / 2].name,
							 nodes[from / 2].name);
	}
	if (first == NULL)
		elog(ERROR, "flow has a circle without \"after\"");
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("%s would wait for itself", jdg_flow_label(first)),
			 errdetail("The nodes wait in a circle: %s.", list.data),
			 errhint("A node also waits for its predecessors in a chain, and for the nodes that its container waits for.")));
}

static void
push_moment(Walk *w, int moment)
{
	w->color[moment] = 1;
	w->position[moment] = 0;
	w->stack[w->depth++] = moment;
}

/* Visit all moments after one, depth first, and refuse a circle. */
static void
walk_from(Walk *w, int moment)
{
	push_moment(w, moment);
	while (w->depth > 0)
	{
		int			top = w->stack[w->depth - 1];
		int			later = later_moment(w, top, w->position[top]++);

		if (later == -1)
		{
			w->color[top] = 2;
			w->depth--;
		}
		else if (later >= 0 && w->color[later] == 1)
			report_circle(w, later);
		else if (later >= 0 && w->color[later] == 0)
			push_moment(w, later);
	}
}

/* Refuse an order in which a node would wait for itself. */
static void
check_circles(const JdgFlowGraph *graph)
{
	int			n = graph->nnodes;
	Walk		w;

	w.graph = graph;
	w.depth = 0;
	w.next_in_chain = palloc(sizeof(int) * n);
	w.stack = palloc(sizeof(int) * n * 2);
	w.position = palloc(sizeof(int) * n * 2);
	w.color = palloc0(n * 2);
	for (int no = 0; no < n; no++)
		w.next_in_chain[no] = -1;
	for (int no = 0; no < n; no++)
	{
		const JdgFlowNode *node = &graph->nodes[no];

		if (node->kind->children != JDG_CHILDREN_IN_ORDER)
			continue;
		for (int i = 1; i < node->nchildren; i++)
			w.next_in_chain[node->children[i - 1]] = node->children[i];
	}
	/* everything comes after the beginning of the outermost chain */
	walk_from(&w, 0);
}

void
jdg_flow_check_after(JdgFlowParse *p)
{
	if (p->nafter == 0)
		return;
	for (int i = 0, count; i < p->nafter; i += count)
	{
		int			no = p->after[i].no;

		for (count = 1; i + count < p->nafter && p->after[i + count].no == no;)
			count++;
		p->graph->nodes[no].after = palloc(sizeof(int) * count);
		for (int j = 0; j < count; j++)
			resolve_after(p, &p->after[i + j]);
	}
	check_twice(p->graph);
	fill_followers(p->graph);
	check_circles(p->graph);
}
