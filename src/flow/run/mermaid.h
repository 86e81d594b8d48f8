/*-------------------------------------------------------------------------
 *
 * mermaid.h
 *	  A flow as a Mermaid flowchart: parts for kinds that draw themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_MERMAID_H
#define JDG_FLOW_RUN_MERMAID_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "flow/run/explain.h"

typedef struct JdgChart
{
	const JdgFlowGraph *graph;
	const JdgFlowSeen *seen;
	StringInfoData out;
} JdgChart;

/* where an arrow to the next node begins */
typedef struct JdgChartExit
{
	char	   *id;
	const char *label;			/* of the arrow, or NULL */
} JdgChartExit;

/* a string in the current context; seen: by node, or NULL: there is no run */
extern char *jdg_flow_explain_mermaid(const JdgFlowGraph *graph,
									  const JdgFlowSeen *seen);

/* begin a line */
extern void jdg_chart_line(JdgChart *c, int depth);

/* the box of a node */
extern void jdg_chart_shape(JdgChart *c, const JdgFlowNode *node, int depth,
							const char *open, const char *close);

/* the children of a node, or all of it as a subgraph around them */
extern void jdg_chart_children(JdgChart *c, const JdgFlowNode *node,
							   int depth);
extern void jdg_chart_subgraph(JdgChart *c, const JdgFlowNode *node,
							   int depth);

/* the id at which arrows reach a node, and the exits at which they leave it */
extern char *jdg_chart_entry(const JdgChart *c, const JdgFlowNode *node);
extern List *jdg_chart_exits(const JdgChart *c, const JdgFlowNode *node);
extern List *jdg_chart_add_exit(List *exits, char *id, const char *label);

/* an arrow; arrows from all exits of a node */
extern void jdg_chart_arrow(JdgChart *c, int depth, const JdgChartExit *from,
							const char *to);
extern void jdg_chart_lead_on(JdgChart *c, const JdgFlowNode *node,
							  const char *to, int depth);

#endif							/* JDG_FLOW_RUN_MERMAID_H */
