/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  A flow as text.
 *
 * Pure: from the graph, and from the rows of a run where that
 * is given.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_EXPLAIN_H
#define JDG_FLOW_RUN_EXPLAIN_H

#include "lib/stringinfo.h"

#include "flow/graph/node.h"
#include "flow/run/step_row.h"

/*
 * The rows of a run for a node.  The body of an each or a loop may have many
 * rows, the others have one at most.
 */
typedef struct JdgFlowSeen
{
	int			rows[JDG_STEP_STATES];	/* in each state */
	int			attempts;		/* the most of one row */
	TimestampTz started_at;		/* of the first; DT_NOBEGIN: not yet */
	TimestampTz finished_at;	/* of the last; DT_NOBEGIN: not yet */
	char	   *error;			/* message of one that has failed; NULL: none */
} JdgFlowSeen;

/* a string in the current context; seen: by node, or NULL: there is no run */
extern char *jdg_flow_explain_text(const JdgFlowGraph *graph,
								   const JdgFlowSeen *seen);

/* the subject of a node, one line of at most "max" bytes or whole (0) */
extern char *jdg_flow_node_subject(const JdgFlowNode *node, int max);
extern int	jdg_flow_seen_rows(const JdgFlowSeen *seen);

/*
 * For kinds.  An option is left out where "value" is NULL, and has no value
 * where that is empty.  In a line white space becomes one space; it is cut to
 * "max" bytes, 0: not at all.
 */
extern void jdg_explain_option(StringInfo line, const char *key,
							   const char *value);
extern char *jdg_explain_line(const char *s, int max);
extern char *jdg_explain_json(Jsonb *value, int max);
extern char *jdg_explain_interval(const Interval *interval);

#endif							/* JDG_FLOW_RUN_EXPLAIN_H */
