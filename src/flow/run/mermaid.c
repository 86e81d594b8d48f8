/*-------------------------------------------------------------------------
 *
 * mermaid.c
 *	  A flow as a Mermaid flowchart, see mermaid.h.
 *
 * Runs in the caller's backend.  Node n of the graph is "n<number>" in the
 * chart.  Kinds of containers draw themselves: a chain is arrows only; a
 * parallel has a box where it forks and one where it joins ("n<number>j"); a
 * branch is a rhombus; an each or a loop is a subgraph around its body.  A
 * compensation hangs on its step ("n<number>u").
 *
 * Texts of users stand in quotes; characters that are special to Mermaid even
 * there are written as entities.  A node belongs to the subgraph
 * in which it is first named, so nodes come before the arrows, and arrows
 * where the container of both ends is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "flow/kind/kind.h"
#include "flow/run/mermaid.h"

/* commands and conditions are cut to this many bytes */
#define MAX_SUBJECT 60

static void put_node(JdgChart *c, const JdgFlowNode *node, int depth);

/* A text of a user, within quotes. */
static void
put_text(JdgChart *c, const char *s)
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

/* A quoted label: the kind, the name and the subject of a node. */
static void
put_label(JdgChart *c, const JdgFlowNode *node)
{
	char	   *subject = jdg_flow_node_subject(node, MAX_SUBJECT);
	bool		kind = !node->named || !node->kind->shown_by_name;

	appendStringInfoChar(&c->out, '"');
	if (kind)
		appendStringInfoString(&c->out, node->kind->name);
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

void
jdg_chart_line(JdgChart *c, int depth)
{
	appendStringInfoSpaces(&c->out, 2 * (depth + 1));
}

void
jdg_chart_shape(JdgChart *c, const JdgFlowNode *node, int depth,
				const char *open, const char *close)
{
	jdg_chart_line(c, depth);
	appendStringInfo(&c->out, "n%d%s", node->no, open);
	put_label(c, node);
	appendStringInfo(&c->out, "%s\n", close);
}

void
jdg_chart_arrow(JdgChart *c, int depth, const JdgChartExit *from,
				const char *to)
{
	jdg_chart_line(c, depth);
	if (from->label)
		appendStringInfo(&c->out, "%s -->|%s| %s\n", from->id, from->label, to);
	else
		appendStringInfo(&c->out, "%s --> %s\n", from->id, to);
}

char *
jdg_chart_entry(const JdgChart *c, const JdgFlowNode *node)
{
	check_stack_depth();
	if (node->kind->entry)
		return node->kind->entry(c, node);
	return psprintf("n%d", node->no);
}

List *
jdg_chart_add_exit(List *exits, char *id, const char *label)
{
	JdgChartExit *e = palloc(sizeof(JdgChartExit));

	e->id = id;
	e->label = label;
	return lappend(exits, e);
}

List *
jdg_chart_exits(const JdgChart *c, const JdgFlowNode *node)
{
	check_stack_depth();
	if (node->kind->exits)
		return node->kind->exits(c, node);
	return jdg_chart_add_exit(NIL, psprintf("n%d", node->no), NULL);
}

void
jdg_chart_lead_on(JdgChart *c, const JdgFlowNode *node, const char *to,
				  int depth)
{
	List	   *exits = jdg_chart_exits(c, node);
	ListCell   *lc;

	foreach(lc, exits)
	{
		jdg_chart_arrow(c, depth, lfirst(lc), to);
	}
}

void
jdg_chart_children(JdgChart *c, const JdgFlowNode *node, int depth)
{
	for (int i = 0; i < node->nchildren; i++)
		put_node(c, &c->graph->nodes[node->children[i]], depth);
}

void
jdg_chart_subgraph(JdgChart *c, const JdgFlowNode *node, int depth)
{
	jdg_chart_line(c, depth);
	appendStringInfo(&c->out, "subgraph n%d[", node->no);
	put_label(c, node);
	appendStringInfoString(&c->out, "]\n");
	jdg_chart_children(c, node, depth + 1);
	jdg_chart_line(c, depth);
	appendStringInfoString(&c->out, "end\n");
}

/* The compensation of a node, and arrows from the nodes in its "after". */
static void
put_asides(JdgChart *c, const JdgFlowNode *node, int depth)
{
	if (node->compensate)
	{
		jdg_chart_line(c, depth);
		appendStringInfo(&c->out, "n%du(\"", node->no);
		put_text(c, jdg_flow_node_subject(node->compensate, MAX_SUBJECT));
		appendStringInfoString(&c->out, "\")\n");
		jdg_chart_line(c, depth);
		appendStringInfo(&c->out, "n%d -.->|undo| n%du\n", node->no, node->no);
	}
	for (int i = 0; i < node->nafter; i++)
	{
		const JdgFlowNode *before = &c->graph->nodes[node->after[i]];
		List	   *exits = jdg_chart_exits(c, before);
		ListCell   *lc;

		foreach(lc, exits)
		{
			jdg_chart_line(c, depth);
			appendStringInfo(&c->out, "%s -.->|after| %s\n",
							 ((JdgChartExit *) lfirst(lc))->id, jdg_chart_entry(c, node));
		}
	}
}

static void
put_node(JdgChart *c, const JdgFlowNode *node, int depth)
{
	check_stack_depth();
	if (node->kind->draw)
		node->kind->draw(c, node, depth);
	else
		jdg_chart_shape(c, node, depth, node->kind->shape[0],
						node->kind->shape[1]);
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

/* Colours of states, and the state of each box. */
static void
put_states(JdgChart *c)
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

		if (state >= 0 && c->graph->nodes[i].kind->entry == NULL)
			appendStringInfo(&c->out, "  class n%d %s\n", i,
							 jdg_step_state_word(state));
	}
}

char *
jdg_flow_explain_mermaid(const JdgFlowGraph *graph, const JdgFlowSeen *seen)
{
	JdgChart	c = {graph, seen};

	initStringInfo(&c.out);
	appendStringInfoString(&c.out, "graph TD\n");
	put_node(&c, &graph->nodes[graph->first_child], 0);
	if (seen)
		put_states(&c);
	c.out.data[--c.out.len] = '\0';
	return c.out.data;
}
