/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  A flow as a tree of nodes: parsed from jadugar.flow, and checked.
 *
 * The value of type jadugar.flow is jsonb (flow/README.md has the grammar).
 * Parsing is deterministic: nodes are numbered in pre-order, so a number means
 * the same node in every process and for ever, and rows of
 * jadugar_internal.flow_step refer to nodes by it.  Node 0 is always a chain:
 * the flow's own outermost one, or one made around it.
 *
 * Pure: reads nothing but the value, runs nothing of a user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_GRAPH_H
#define JDG_FLOW_GRAPH_GRAPH_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "task/prepare.h"

/* steps and waits; containers are counted apart, to the same number */
#define JDG_FLOW_MAX_STEPS	10000
/* containers within containers */
#define JDG_FLOW_MAX_DEPTH	100

typedef enum JdgFlowKind
{
	JDG_FLOW_STEP,				/* a task */
	JDG_FLOW_CHAIN,				/* its children one after the other */
	JDG_FLOW_PARALLEL,			/* its children at once; race too */
	JDG_FLOW_BRANCH,			/* one of two, by a condition */
	JDG_FLOW_EACH,				/* its child once for each item */
	JDG_FLOW_LOOP,				/* its child again and again */
	JDG_FLOW_SLEEP,				/* for a time, or until an instant */
	JDG_FLOW_WAIT_EVENT,
	JDG_FLOW_WAIT_SIGNAL,
	JDG_FLOW_APPROVAL,
	JDG_FLOW_SUB_FLOW			/* a run of another flow */
} JdgFlowKind;

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
	JdgFlowKind kind;
	bool		is_race;		/* a parallel that was written as race */
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
	 * condition; sleep: instant or path, or NULL; waits: name of the event or
	 * signal; approval: the role that may approve, or NULL; sub_flow: name.
	 */
	const char *text;
	const char *message;		/* approval: for who approves */
	int			version;		/* sub_flow: 0: the newest */

	/*
	 * step, sub_flow: payload template; wait_event: filter; NULL: none.
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
	Jsonb	   *settings;
	Jsonb	   *metadata;
	const char *concurrency_key;

	bool		pivot;
	struct JdgFlowNode *compensate; /* kind STEP, or NULL */

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

/*
 * Parse a flow, in the current context.  VALIDATION_ERROR naming the step for
 * what is not a flow: unknown keys, wrong types, duplicate names, bad values,
 * cycles, references to steps that can not have finished, too many steps.
 * whole: it is not to be part of another flow, so names it refers to must be
 * there, and it must have a step.
 */
extern JdgFlowGraph *jdg_flow_parse(Jsonb *flow, bool whole);

/*
 * SQL that a node's own task runs and that gives its first row to us: the
 * command of a step (SQL or a handler's name, as given), "SELECT (...) AS ok"
 * for conditions, "SELECT ... AS items" for an each that is not a constant
 * array, "SELECT ... AS until" for a sleep with a path, "SELECT $1 AS filter"
 * for a wait_event whose filter has paths, "SELECT $1 AS input" for a sub_flow
 * whose payload has.  NULL: no task is needed.
 */
extern const char *jdg_flow_command(const JdgFlowNode *node);

/*
 * The command of a node and, of a step, what else it says of its task.
 */
extern void jdg_flow_task_options(const JdgFlowNode *node, JdgTaskOptions *o);

/* callback of an error context: which node (arg) an error is about */
extern void jdg_flow_error_context(void *arg);

/* the number of the node of that name, "chain#3" too; -1: none */
extern int	jdg_flow_find(const JdgFlowGraph *graph, const char *name);

/* "step", "chain", ... */
extern const char *jdg_flow_kind_name(const JdgFlowNode *node);

/* is $1 in this SQL nothing but $1->'input', 'item' or 'index'? */
extern bool jdg_flow_only_input(const char *sql);

/* is this string of a payload a path: "$", "$.x", "$[0]"?  "$$..." is not */
extern bool jdg_flow_is_path(const char *s, int len);

/* is node "no" a step or a wait: something that ends by itself? */
extern bool jdg_flow_is_leaf(const JdgFlowNode *node);

#endif							/* JDG_FLOW_GRAPH_GRAPH_H */
