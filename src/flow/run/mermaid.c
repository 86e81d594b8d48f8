/*-------------------------------------------------------------------------
 *
 * mermaid.c
 *	  A flow as a Mermaid flowchart, see explain.h.
 *
 * Runs in the caller's backend.  Node n of the graph is "n<number>" in the
 * chart.  A chain is arrows only; a parallel has a box where it forks and one
 * where it joins ("n<number>j"); a branch is a rhombus; an each or a loop is a
 * subgraph around its body; a compensation hangs on its step ("n<number>u").
 *
 * Whatever was given stands in quotes, and characters that mean something to
 * Mermaid even there are written as entities.  A node belongs to the subgraph
 * in which it is first named, so nodes come before the arrows, and arrows
 * where the container of both ends is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "flow/run/explain.h"
#include "flow/run/run.h"

/* commands and conditions are cut to this many bytes */
#define MAX_SUBJECT 60

typedef struct Chart
{
	const JdgFlowGraph *graph;
	const JdgFlowSeen *seen;
	StringInfoData out;
} Chart;

/* where an arrow to what comes next begins */
typedef struct Exit
{
	char	   *id;
	const char *label;			/* of the arrow, or NULL */
} Exit;

static void put_node(Chart *c, const JdgFlowNode *node, int depth);

static void
put_text(Chart *c, const char *s)
{
	for (; *s; s++)
	{
		switch (*s)
		{
			case '"':
				appendStringInfoString(&c->out, "#quot;");
				break;
			case '#':
			case '&':
			case '<':
			case '>':
			case '%':
			case '`':
			case '\\':
				appendStringInfo(&c->out, "#%d;", *s);
				break;
			default:
				appendStringInfoChar(&c->out, *s);
		}
	}
}

/* a quoted label: the name or the kind, and what the node is about */
static void
put_label(Chart *c, const JdgFlowNode *node)
{
	char	   *subject = jdg_flow_node_subject(node, MAX_SUBJECT);
	bool		kind = node->kind != JDG_FLOW_STEP || !node->named;

	appendStringInfoChar(&c->out, '"');
	if (kind)
		appendStringInfoString(&c->out, jdg_flow_kind_name(node));
	if (node->named)
	{
		appendStringInfoString(&c->out, kind ? " " : "");
		put_text(c, node->name);
	}
	if (subject)
	{
		appendStringInfoString(&c->out, "<br/>");
		put_text(c, subject);
	}
	appendStringInfoChar(&c->out, '"');
}

static void
begin_line(Chart *c, int depth)
{
	appendStringInfoSpaces(&c->out, 2 * (depth + 1));
}

static void
put_shape(Chart *c, const JdgFlowNode *node, int depth, const char *open,
		  const char *close)
{
	begin_line(c, depth);
	appendStringInfo(&c->out, "n%d%s", node->no, open);
	put_label(c, node);
	appendStringInfo(&c->out, "%s\n", close);
}

static void
put_arrow(Chart *c, int depth, const Exit *from, const char *to)
{
	begin_line(c, depth);
	if (from->label)
		appendStringInfo(&c->out, "%s -->|%s| %s\n", from->id, from->label, to);
	else
		appendStringInfo(&c->out, "%s --> %s\n", from->id, to);
}

/* the id at which a node is entered */
static char *
entry_of(const Chart *c, const JdgFlowNode *node)
{
	while (node->kind == JDG_FLOW_CHAIN && node->nchildren > 0)
		node = &c->graph->nodes[node->children[0]];
	return psprintf("n%d", node->no);
}

static List *
exit_at(List *exits, char *id, const char *label)
{
	Exit	   *e = palloc(sizeof(Exit));

	e->id = id;
	e->label = label;
	return lappend(exits, e);
}

/* where arrows leave a node: several for a branch */
static List *
exits_of(const Chart *c, const JdgFlowNode *node)
{
	List	   *exits = NIL;

	check_stack_depth();
	while (node->kind == JDG_FLOW_CHAIN && node->nchildren > 0)
		node = &c->graph->nodes[node->children[node->nchildren - 1]];
	if (node->kind == JDG_FLOW_PARALLEL)
		return exit_at(NIL, psprintf("n%dj", node->no), NULL);
	if (node->kind != JDG_FLOW_BRANCH)
		return exit_at(NIL, psprintf("n%d", node->no), NULL);
	for (int i = 0; i < node->nchildren; i++)
		exits = list_concat(exits,
							exits_of(c, &c->graph->nodes[node->children[i]]));
	if (node->nchildren == 1)
		exits = exit_at(exits, psprintf("n%d", node->no), "no");
	return exits;
}

/* arrows from all exits of a node */
static void
lead_on(Chart *c, const JdgFlowNode *from, const char *to, int depth)
{
	List	   *exits = exits_of(c, from);
	ListCell   *lc;

	foreach(lc, exits)
	{
		put_arrow(c, depth, lfirst(lc), to);
	}
}

static void
put_children(Chart *c, const JdgFlowNode *node, int depth)
{
	for (int i = 0; i < node->nchildren; i++)
		put_node(c, &c->graph->nodes[node->children[i]], depth);
}

static void
put_chain(Chart *c, const JdgFlowNode *node, int depth)
{
	put_children(c, node, depth);
	for (int i = 1; i < node->nchildren; i++)
		lead_on(c, &c->graph->nodes[node->children[i - 1]],
				entry_of(c, &c->graph->nodes[node->children[i]]), depth);
}

static void
put_parallel(Chart *c, const JdgFlowNode *node, int depth)
{
	char	   *joint = psprintf("n%dj", node->no);
	Exit		fork = {psprintf("n%d", node->no), NULL};

	put_shape(c, node, depth, "[/", "\\]");
	put_children(c, node, depth);
	begin_line(c, depth);
	appendStringInfo(&c->out, "%s[\\\"%s\"/]\n", joint,
					 node->is_race ? "first" : "join");
	for (int i = 0; i < node->nchildren; i++)
	{
		const JdgFlowNode *child = &c->graph->nodes[node->children[i]];

		put_arrow(c, depth, &fork, entry_of(c, child));
		lead_on(c, child, joint, depth);
	}
}

static void
put_branch(Chart *c, const JdgFlowNode *node, int depth)
{
	put_shape(c, node, depth, "{", "}");
	put_children(c, node, depth);
	for (int i = 0; i < node->nchildren; i++)
	{
		Exit		side = {psprintf("n%d", node->no), i == 0 ? "yes" : "no"};

		put_arrow(c, depth, &side,
				  entry_of(c, &c->graph->nodes[node->children[i]]));
	}
}

static void
put_body(Chart *c, const JdgFlowNode *node, int depth)
{
	begin_line(c, depth);
	appendStringInfo(&c->out, "subgraph n%d[", node->no);
	put_label(c, node);
	appendStringInfoString(&c->out, "]\n");
	put_children(c, node, depth + 1);
	begin_line(c, depth);
	appendStringInfoString(&c->out, "end\n");
}

static void
put_leaf(Chart *c, const JdgFlowNode *node, int depth)
{
	if (node->kind == JDG_FLOW_STEP)
		put_shape(c, node, depth, "[", "]");
	else if (node->kind == JDG_FLOW_SUB_FLOW)
		put_shape(c, node, depth, "[[", "]]");
	else
		put_shape(c, node, depth, "([", "])");
}

/* What undoes a node, and what it comes after. */
static void
put_asides(Chart *c, const JdgFlowNode *node, int depth)
{
	if (node->compensate)
	{
		begin_line(c, depth);
		appendStringInfo(&c->out, "n%du(\"", node->no);
		put_text(c, jdg_flow_node_subject(node->compensate, MAX_SUBJECT));
		appendStringInfoString(&c->out, "\")\n");
		begin_line(c, depth);
		appendStringInfo(&c->out, "n%d -.->|undo| n%du\n", node->no, node->no);
	}
	for (int i = 0; i < node->nafter; i++)
	{
		const JdgFlowNode *before = &c->graph->nodes[node->after[i]];
		List	   *exits = exits_of(c, before);
		ListCell   *lc;

		foreach(lc, exits)
		{
			begin_line(c, depth);
			appendStringInfo(&c->out, "%s -.->|after| %s\n",
							 ((Exit *) lfirst(lc))->id, entry_of(c, node));
		}
	}
}

static void
put_node(Chart *c, const JdgFlowNode *node, int depth)
{
	check_stack_depth();
	switch (node->kind)
	{
		case JDG_FLOW_CHAIN:
			put_chain(c, node, depth);
			break;
		case JDG_FLOW_PARALLEL:
			put_parallel(c, node, depth);
			break;
		case JDG_FLOW_BRANCH:
			put_branch(c, node, depth);
			break;
		case JDG_FLOW_EACH:
		case JDG_FLOW_LOOP:
			put_body(c, node, depth);
			break;
		case JDG_FLOW_STEP:
		case JDG_FLOW_SLEEP:
		case JDG_FLOW_WAIT_EVENT:
		case JDG_FLOW_WAIT_SIGNAL:
		case JDG_FLOW_APPROVAL:
		case JDG_FLOW_SUB_FLOW:
			put_leaf(c, node, depth);
			break;
	}
	put_asides(c, node, depth);
}

/*
 * The state that the box of a node shows: of many rows, the one that asks for
 * attention first.  Negative: none.
 */
static int
shown_state(const JdgFlowSeen *seen)
{
	static const JdgStepState order[] = {
		JDG_STEP_COMPENSATION_FAILED, JDG_STEP_FAILED, JDG_STEP_COMPENSATING,
		JDG_STEP_TIMED_OUT, JDG_STEP_RUNNING, JDG_STEP_WAITING,
		JDG_STEP_COMPENSATED, JDG_STEP_CANCELLED, JDG_STEP_COMPLETED,
		JDG_STEP_SKIPPED
	};

	for (int i = 0; i < lengthof(order); i++)
	{
		if (seen->rows[order[i]] > 0)
			return order[i];
	}
	return -1;
}

static void
put_states(Chart *c)
{
	static const char *const colours[] = {
		[JDG_STEP_WAITING] = "fill:#eee,stroke:#999",
		[JDG_STEP_RUNNING] = "fill:#cfe2ff,stroke:#06c",
		[JDG_STEP_COMPLETED] = "fill:#d4f4d4,stroke:#282",
		[JDG_STEP_FAILED] = "fill:#f8cccc,stroke:#b00",
		[JDG_STEP_SKIPPED] = "fill:#fff,stroke:#bbb,stroke-dasharray:4",
		[JDG_STEP_CANCELLED] = "fill:#e0e0e0,stroke:#555",
		[JDG_STEP_TIMED_OUT] = "fill:#fbe0c0,stroke:#b60",
		[JDG_STEP_COMPENSATING] = "fill:#fff3c4,stroke:#b90",
		[JDG_STEP_COMPENSATED] = "fill:#e8dcf5,stroke:#639",
		[JDG_STEP_COMPENSATION_FAILED] = "fill:#f5b5d5,stroke:#904"
	};

	for (int i = 0; i < JDG_STEP_STATES; i++)
		appendStringInfo(&c->out, "  classDef %s %s\n",
						 jdg_step_state_word(i), colours[i]);
	for (int i = c->graph->first_child; i < c->graph->nnodes; i++)
	{
		int			state = shown_state(&c->seen[i]);

		if (state >= 0 && c->graph->nodes[i].kind != JDG_FLOW_CHAIN)
			appendStringInfo(&c->out, "  class n%d %s\n", i,
							 jdg_step_state_word(state));
	}
}

char *
jdg_flow_explain_mermaid(const JdgFlowGraph *graph, const JdgFlowSeen *seen)
{
	Chart		c = {graph, seen};

	initStringInfo(&c.out);
	appendStringInfoString(&c.out, "graph TD\n");
	put_node(&c, &graph->nodes[graph->first_child], 0);
	if (seen)
		put_states(&c);
	c.out.data[--c.out.len] = '\0';
	return c.out.data;
}
