/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  Steps once more: retry_step(), skip_step() in redo.c, fork_flow() in
 *	  fork.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_REDO_H
#define JDG_FLOW_RUN_REDO_H

#include "flow/run/run.h"

/* may a step be retried, or skipped?  NULL: yes, else why not */
extern const char *jdg_flow_retry_refused(const JdgFlowRun *r,
										  const JdgFlowNode *node,
										  const JdgFlowStep *step);
extern const char *jdg_flow_skip_refused(const JdgFlowRun *r,
										 const JdgFlowNode *node,
										 const JdgFlowStep *step);

/* with the lock of the run; nothing is done where it is refused by now */
extern void jdg_flow_retry_step(JdgRunState *rs, int64 step_id);
extern void jdg_flow_skip_step(JdgRunState *rs, int64 step_id);

/* the compensations of a run that have failed are tried once more */
extern void jdg_flow_undo_again(JdgRunState *rs);

/*
 * A new run of the same version and input, which goes on at "node" with what
 * another run has done before.  Returns its id.  Inside jdg_internal_begin().
 */
extern int64 jdg_flow_fork(const JdgFlowRun *from, const JdgFlowNode *node);

#endif							/* JDG_FLOW_RUN_REDO_H */
