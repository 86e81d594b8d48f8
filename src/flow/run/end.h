/*-------------------------------------------------------------------------
 *
 * end.h
 *	  A row ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_END_H
#define JDG_FLOW_RUN_END_H

#include "flow/run/pass.h"

/* flow_step.reason of a step that skip_step() skips */
#define JDG_SKIPPED_MANUALLY "manual"

/*
 * A node has ended.  result, error and reason may be NULL; "reason" says in
 * a word or a sentence why it ended so.
 */
extern void jdg_step_end(JdgRunState *rs, JdgFlowStep *step,
						 JdgStepState state, Jsonb *result, Jsonb *error,
						 const char *reason);

/* the same for one that was counted as under way */
extern void jdg_leaf_end(JdgRunState *rs, JdgFlowStep *step,
						 JdgStepState state, Jsonb *result, Jsonb *error,
						 const char *reason);

/* its container has ended it; only nodes that wait for it react */
extern void jdg_step_end_quietly(JdgRunState *rs, JdgFlowStep *step,
								 JdgStepState state, const char *reason);

/* the nodes in its "after" have ended so that it never begins */
extern void jdg_step_never(JdgRunState *rs, JdgFlowStep *step);

/*
 * Skip a node and all within it, except the bodies of each and loop, which have
 * no rows before they begin.
 */
extern void jdg_skip_subtree(JdgRunState *rs, const JdgFlowNode *node,
							 int64 parent, int64 base);

/*
 * Skip all that the run has not reached in a node that has ended; other nodes
 * may wait for that ("after").
 */
extern void jdg_skip_unreached(JdgRunState *rs, const JdgFlowNode *node,
							   int64 base);

/* has a child ended badly, and does its on_failure not make that good? */
extern bool jdg_child_failed(JdgRunState *rs, const JdgFlowStep *child);

/* the reason of a container that fails because of a child; and it fails */
extern const char *jdg_step_blame(JdgRunState *rs, const JdgFlowStep *child);
extern void jdg_step_fail_with(JdgRunState *rs, JdgFlowStep *step,
							   const JdgFlowStep *child, Jsonb *result);

#endif							/* JDG_FLOW_RUN_END_H */
