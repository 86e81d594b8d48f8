/*-------------------------------------------------------------------------
 *
 * fork.h
 *	  A new run that goes on where another one was: fork_flow().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_FORK_H
#define JDG_FLOW_RUN_FORK_H

#include "flow/run/pass.h"

/*
 * A new run of the same version and input, which goes on at "node" with the
 * earlier results of another run.  Returns its id.  Inside jdg_internal_begin().
 */
extern int64 jdg_flow_fork(const JdgFlowRun *from, const JdgFlowNode *node);

/* for kinds that are containers */
typedef struct JdgFork
{
	JdgRunState *rs;			/* the new run */
	JdgRunState *from;
	const JdgFlowNode *target;
} JdgFork;

/* copy the rows of a node that has ended, and of all that is in it */
extern void jdg_fork_copy(JdgFork *f, const JdgFlowNode *node);
extern bool jdg_fork_has_completed(JdgFork *f, const JdgFlowNode *node);

/* a node that is the target, which begins, or holds it, and is open again */
extern void jdg_fork_into(JdgFork *f, const JdgFlowNode *node, int idx);

#endif							/* JDG_FLOW_RUN_FORK_H */
