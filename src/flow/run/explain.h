/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  A flow as text, and as a Mermaid flowchart.
 *
 * Pure: from the graph, and from what a run has made of its nodes where that
 * is given.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EXPLAIN_H
#define JDG_FLOW_RUN_EXPLAIN_H

#include "lib/stringinfo.h"

#include "flow/graph/graph.h"
#include "flow/run/step_row.h"

/*
 * What a run has made of a node.  The body of an each or a loop may have many
 * rows, the others have one at most.
 */
typedef struct JdgFlowSeen
{
	int			rows[JDG_STEP_STATES];	/* in each state */
	int			attempts;		/* the most of one row */
	TimestampTz started_at;		/* of the first; DT_NOBEGIN: not yet */
	TimestampTz finished_at;	/* of the last; DT_NOBEGIN: not yet */
} JdgFlowSeen;

/* by node, or NULL: there is no run; a string in the current context */
extern char *jdg_flow_explain_text(const JdgFlowGraph *graph,
								   const JdgFlowSeen *seen);
extern char *jdg_flow_explain_mermaid(const JdgFlowGraph *graph,
									  const JdgFlowSeen *seen);

/* for both: what a node is about, one line of at most "max" bytes or all (0) */
extern char *jdg_flow_node_subject(const JdgFlowNode *node, int max);
extern int	jdg_flow_seen_rows(const JdgFlowSeen *seen);

#endif							/* JDG_FLOW_RUN_EXPLAIN_H */
