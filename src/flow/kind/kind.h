/*-------------------------------------------------------------------------
 *
 * kind.h
 *	  The kinds of nodes: one struct for each, in a file of its own.
 *
 * graph/ and run/ hold the code that kinds have in common and call the rest
 * through the node: node->kind->begin(rs, step).  kinds.c lists the kinds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_KIND_KIND_H
#define JDG_FLOW_KIND_KIND_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "flow/graph/node.h"
#include "flow/run/message.h"

struct JdgChart;
struct JdgFlowObject;
struct JdgFlowStep;
struct JdgFork;
struct JdgRunState;
struct JdgTaskOptions;

/* how an argument of the function that makes a node stands in its object */
typedef enum JdgFlowArgType
{
	JDG_FLOW_ARG_TEXT,
	JDG_FLOW_ARG_INT,
	JDG_FLOW_ARG_BOOL,
	JDG_FLOW_ARG_INTERVAL,
	JDG_FLOW_ARG_JSONB,
	JDG_FLOW_ARG_TEXTS,
	JDG_FLOW_ARG_FLOW,
	JDG_FLOW_ARG_FLOWS
} JdgFlowArgType;

typedef struct JdgFlowArg
{
	const char *name;			/* as in SQL */
	const char *key;			/* in the object */
	JdgFlowArgType type;
	bool		needed;
} JdgFlowArg;

/* arguments that nearly all functions have, at the end of their tables */
#define JDG_FLOW_ARGS_NAME \
	{"name", "name", JDG_FLOW_ARG_TEXT}, \
	{"on_failure", "on_failure", JDG_FLOW_ARG_TEXT}
#define JDG_FLOW_ARGS_AFTER \
	{"after", "after", JDG_FLOW_ARG_TEXTS}, \
	{"join", "join", JDG_FLOW_ARG_TEXT}, \
	{"join_n", "join_n", JDG_FLOW_ARG_INT}

/* how the children of a node run */
typedef enum JdgChildren
{
	JDG_CHILDREN_NONE,			/* a leaf: it ends by itself */
	JDG_CHILDREN_IN_ORDER,		/* one after the other */
	JDG_CHILDREN_AT_ONCE,
	JDG_CHILDREN_ONE_OF,		/* one runs, the others are skipped */
	JDG_CHILDREN_ITEMS,			/* the only one runs for each item, each time
								 * in a block of its own */
	JDG_CHILDREN_PASSES			/* the only one runs again and again, each
								 * time in a new block */
} JdgChildren;

/*
 * A function is NULL where a kind has nothing to do; comments name the cases
 * in which there is a default.  "rs" is a run under its lock, "step" a row of
 * a node of this kind.  Functions with "rs" run inside jdg_internal_begin().
 */
typedef struct JdgKind
{
	const char *key;			/* an object with this key is of this kind */
	const char *name;			/* for views and messages; "chain#3" */
	bool		key_is_name;	/* the value of its key is its name */
	JdgChildren children;

	/*
	 * The arguments of its function.  An object may have their keys, and
	 * those that are common to all kinds.
	 */
	const JdgFlowArg *args;
	int			nargs;

	/* ------------------------------------------------------ the value */

	/* reads and checks its own keys, and makes its children */
	void		(*parse) (struct JdgFlowObject *o);

	/*
	 * SQL, or the name of a handler, that its task runs.  The task of a step
	 * is the step itself; another node has a task where it has to evaluate
	 * something before it can go on.  NULL: it needs no task.
	 */
	const char *(*command) (const JdgFlowNode *node);

	/* a sentence: what the text may be that the SQL is made of; or NULL */
	const char *hint;

	/* the other options of that task */
	void		(*task_options) (const JdgFlowNode *node,
								 struct JdgTaskOptions *o);

	/*
	 * Checks that need the user who makes a version of a flow.  flow: its
	 * name or NULL.  Outside jdg_internal_begin().
	 */
	void		(*check) (const JdgFlowNode *node, Oid owner,
						  const char *flow);

	/* ---------------------------------------------------------- a run */

	/* it begins: its task, its wait, its first children */
	void		(*begin) (struct JdgRunState *rs, struct JdgFlowStep *step);

	/*
	 * Its task has completed; "result" is the first row.  NULL: the node is
	 * nothing but its task, and ends with it.
	 */
	void		(*found_out) (struct JdgRunState *rs,
							  struct JdgFlowStep *step, Jsonb *result);

	/*
	 * A child has ended while the node was running; bad: in a way that its
	 * on_failure does not make good.  Containers have this.
	 */
	void		(*child_ended) (struct JdgRunState *rs,
								struct JdgFlowStep *step,
								struct JdgFlowStep *child, bool bad);

	/*
	 * More children begin, as many as may be under way at once.  arg: as it
	 * was put on the agenda (JDG_ACT_FILL).
	 */
	void		(*fill) (struct JdgRunState *rs, struct JdgFlowStep *step,
						 void *arg);

	/*
	 * It ends, as decided by a child.  Children that are no longer needed
	 * have been cancelled since (JDG_ACT_CONCLUDE).
	 */
	void		(*conclude) (struct JdgRunState *rs, struct JdgFlowStep *step,
							 struct JdgFlowStep *child);

	/* its time has come.  NULL: a container times out, for a leaf nothing */
	void		(*due) (struct JdgRunState *rs, struct JdgFlowStep *step);

	/*
	 * A wait: the kind of message it waits for, the name of that, and its end
	 * by a message that has arrived.
	 */
	JdgMessageKind message;
	const char *(*message_name) (const JdgFlowNode *node);
	void		(*answer) (struct JdgRunState *rs, struct JdgFlowStep *step,
						   Jsonb *payload);

	/*
	 * Puts on the agenda to cancel all that is under way in a container that
	 * ends or has ended.  NULL: the rows of its children at their places in
	 * its block.
	 */
	void		(*cancel) (struct JdgRunState *rs, struct JdgFlowStep *step);

	/*
	 * A run that had ended goes on: the row of a container has just been
	 * opened again and goes on from the rows of its children.  skip: the step
	 * to skip, -1: none.
	 */
	void		(*resume) (struct JdgRunState *rs, struct JdgFlowStep *step,
						   int64 skip);

	/*
	 * A container that a fork leads through: its rows in the new run, "step"
	 * being its own and "path" the child on the way.
	 */
	void		(*fork) (struct JdgFork *f, struct JdgFlowStep *step,
						 int path);

	/* ----------------------------------------------------------- text */

	/*
	 * The text behind kind and name: one line of at most "max" bytes, or
	 * whole (0); NULL: none.
	 */
	char	   *(*subject) (const JdgFlowNode *node, int max);

	/* its own options, for explain_flow(); see run/explain.h */
	void		(*options) (const JdgFlowNode *node, StringInfo line);
	const char *payload_key;	/* NULL: "payload" */
	Jsonb	   *(*payload) (const JdgFlowNode *node);	/* NULL: node->payload */

	/* labels of the ways to its children, NULL: none */
	const char *const *arms;

	/* for views: what an open node without a task waits for, or NULL */
	char	   *(*waiting_for) (const JdgFlowNode *node);

	/*
	 * Mermaid, see run/mermaid.h.  A leaf is a box of this shape.  A
	 * container draws itself; entry and exits: where arrows reach and leave
	 * it, NULL: its own box.  With an entry it has no box.
	 */
	const char *shape[2];
	bool		shown_by_name;	/* without its kind, where it has a name */
	void		(*draw) (struct JdgChart *c, const JdgFlowNode *node,
						 int depth);
	char	   *(*entry) (const struct JdgChart *c, const JdgFlowNode *node);
	List	   *(*exits) (const struct JdgChart *c, const JdgFlowNode *node);
} JdgKind;

/* all of them, up to a NULL */
extern const JdgKind *const jdg_kinds[];

extern const JdgKind jdg_kind_step;
extern const JdgKind jdg_kind_chain;
extern const JdgKind jdg_kind_parallel;
extern const JdgKind jdg_kind_race;
extern const JdgKind jdg_kind_branch;
extern const JdgKind jdg_kind_each;
extern const JdgKind jdg_kind_loop;
extern const JdgKind jdg_kind_sleep;
extern const JdgKind jdg_kind_sleep_until;
extern const JdgKind jdg_kind_wait_event;
extern const JdgKind jdg_kind_wait_signal;
extern const JdgKind jdg_kind_approval;
extern const JdgKind jdg_kind_sub_flow;

/* a step or a wait: does it end by itself? */
static inline bool
jdg_node_is_leaf(const JdgFlowNode *node)
{
	return node->kind->children == JDG_CHILDREN_NONE;
}

static inline const char *
jdg_node_command(const JdgFlowNode *node)
{
	return node->kind->command ? node->kind->command(node) : NULL;
}

#endif							/* JDG_FLOW_KIND_KIND_H */
