/*-------------------------------------------------------------------------
 *
 * node.h
 *	  A flow as a tree of nodes.
 *
 * Parsing the value of type jadugar.flow is deterministic: nodes are numbered
 * in pre-order, so a number means the same node in every process, and rows of
 * jadugar_internal.flow_step refer to nodes by it.  Node 0 is always a chain: the
 * flow's own outermost one, or one made around it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_NODE_H
#define JDG_FLOW_GRAPH_NODE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/expectrows.h"

struct JdgKind;

typedef enum JdgFlowOnFailure
{
	JDG_FAILURE_STOP,			/* its container fails, or decides */
	JDG_FAILURE_CONTINUE,		/* as if it had succeeded */
	JDG_FAILURE_COMPENSATE		/* the run fails at once, and is undone */
} JdgFlowOnFailure;

/* when a parallel or an each is over, and how */
typedef enum JdgFlowCompletion
{
	JDG_COMPLETE_ALL,			/* all succeed; fails with the first failure */
	JDG_COMPLETE_ANY,			/* the first success decides */
	JDG_COMPLETE_N,				/* n successes decide */
	JDG_COMPLETE_ALL_DONE,		/* all have ended; fails if one failed */
	JDG_COMPLETE_BEST_EFFORT	/* all have ended; never fails */
} JdgFlowCompletion;

/* when a node with "after" may start */
typedef enum JdgFlowJoin
{
	JDG_FLOW_JOIN_ALL_SUCCESS,
	JDG_FLOW_JOIN_ALL_DONE,
	JDG_FLOW_JOIN_ANY_SUCCESS,
	JDG_FLOW_JOIN_ANY_FAILED,
	JDG_FLOW_JOIN_NONE_FAILED,
	JDG_FLOW_JOIN_N
} JdgFlowJoin;

typedef struct JdgFlowNode
{
	int			no;				/* -1: a compensation, which has no number */
	int			parent;			/* -1: none */
	int			end;			/* the first number after its subtree */

	/*
	 * The root of the block it belongs to: 0, or the child of the innermost
	 * each or loop around it.  All rows of one pass through a block lie
	 * together, see flow/README.md.
	 */
	int			block;
	const struct JdgKind *kind;
	const char *name;			/* never NULL: "chain#3" where none is given;
								 * a compensation's: that of its step */
	bool		named;			/* by its maker */
	int			nchildren;
	int		   *children;		/* numbers; branch: then and perhaps else */

	JdgFlowOnFailure on_failure;
	JdgFlowCompletion completion;
	int			n;				/* of JDG_COMPLETE_N */
	int			concurrency;	/* 0: no bound */
	bool		rest_runs;		/* decided, the rest is not cancelled */
	Interval   *timeout;		/* steps: of each attempt */
	bool		timeout_continues;	/* waits: on_timeout => 'continue' */
	int			max;			/* loop: iterations at most */
	Interval   *interval;		/* sleep: how long; loop: between iterations */

	/*
	 * step: command; branch: condition; each: array, path or query; loop:
	 * condition; sleep_until: instant or path; waits: name of the event or
	 * signal; approval: the role that may approve, or NULL; sub_flow: name.
	 */
	const char *text;
	const char *message;		/* approval: shown to the approvers */
	int			version;		/* sub_flow: 0: the newest */

	/*
	 * step, sub_flow: payload template; wait_event: an object with its filter
	 * and its key; NULL: none.
	 */
	Jsonb	   *payload;
	bool		has_paths;		/* some string in it is a path, or "$$..." */

	/* step: options of its task, NULL or unset where not given */
	const char *queue;
	bool		has_priority;
	int			priority;
	Jsonb	   *retry;
	const char *transaction;
	bool		has_isolate;
	bool		isolate;
	bool		has_expect_rows;
	JdgExpectRows expect_rows;
	Jsonb	   *settings;
	Jsonb	   *metadata;
	const char *concurrency_key;

	bool		pivot;
	struct JdgFlowNode *compensate; /* a step, or NULL */

	JdgFlowJoin join;
	int			join_n;
	int			nafter;
	int		   *after;			/* numbers */
	int			nfollowers;		/* the reverse of "after" */
	int		   *followers;
} JdgFlowNode;

typedef struct JdgFlowGraph
{
	int			nnodes;
	JdgFlowNode *nodes;			/* by number */
	int			first_child;	/* number of the flow's outermost node: 0, or
								 * 1 where node 0 was made around it */
	bool		compensates;	/* some node has a compensation */
	int			nnamed;
	int		   *by_name;		/* numbers of nodes named by their maker */
} JdgFlowGraph;

#endif							/* JDG_FLOW_GRAPH_NODE_H */
