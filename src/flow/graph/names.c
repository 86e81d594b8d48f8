/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of nodes, and where they lie in each other.
 *
 * Pure, and linear but for the sorting of names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "flow/graph/names.h"
#include "flow/kind/kind.h"

const char *
jdg_flow_label(const JdgFlowNode *node)
{
	if (node->no < 0)
		return psprintf("compensation of \"%s\"", node->name);
	return psprintf("%s \"%s\"", node->kind->name, node->name);
}

/* For errors of functions that know no flow. */
void
jdg_flow_error_context(void *arg)
{
	errcontext("%s of a flow", jdg_flow_label((JdgFlowNode *) arg));
}

static int
compare_names(const void *a, const void *b, void *graph)
{
	const JdgFlowNode *nodes = ((JdgFlowGraph *) graph)->nodes;

	return strcmp(nodes[*(const int *) a].name, nodes[*(const int *) b].name);
}

void
jdg_flow_index_names(JdgFlowGraph *graph)
{
	graph->by_name = palloc(sizeof(int) * graph->nnodes);
	for (int no = 0; no < graph->nnodes; no++)
	{
		if (graph->nodes[no].named)
			graph->by_name[graph->nnamed++] = no;
	}
	qsort_arg(graph->by_name, graph->nnamed, sizeof(int), compare_names,
			  graph);
	for (int i = 1; i < graph->nnamed; i++)
	{
		const JdgFlowNode *node = &graph->nodes[graph->by_name[i]];
		const JdgFlowNode *other = &graph->nodes[graph->by_name[i - 1]];

		if (strcmp(node->name, other->name) == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("the flow has two nodes named \"%s\"",
							node->name),
					 errdetail("Their numbers are %d and %d.",
							   Min(node->no, other->no),
							   Max(node->no, other->no)),
					 errhint("Names of nodes are unique in the whole flow.")));
	}
}

int
jdg_flow_find_named(const JdgFlowGraph *graph, const char *name, int len)
{
	int			low = 0;
	int			high = graph->nnamed;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const char *found = graph->nodes[graph->by_name[middle]].name;
		int			order = strncmp(found, name, len);

		if (order == 0 && found[len] == '\0')
			return graph->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

int
jdg_flow_find(const JdgFlowGraph *graph, const char *name)
{
	int			no = jdg_flow_find_named(graph, name, strlen(name));
	const char *number = strrchr(name, '#');

	if (no >= 0 || number == NULL)
		return no;
	no = atoi(number + 1);
	if (no >= 0 && no < graph->nnodes && !graph->nodes[no].named &&
		strcmp(graph->nodes[no].name, name) == 0)
		return no;
	return -1;
}

int
jdg_flow_common(const JdgFlowGraph *graph, int a, int b)
{
	while (b < a || b >= graph->nodes[a].end)
		a = graph->nodes[a].parent;
	return a;
}
