/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  Steps once more, or not at all: retry_step(), skip_step().
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
 * For kinds that are containers, see kind/kind.h.  A row that had failed, or
 * was cancelled for that, is opened again; one that is there begins, or fills
 * up, when all have been opened; rows of nodes that are not reached any more
 * are forgotten.
 */
extern void jdg_resume_step(JdgRunState *rs, JdgFlowStep *step, int64 skip);
extern void jdg_resume_begin(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_resume_fill(JdgRunState *rs, JdgFlowStep *step);
extern void jdg_resume_forget(JdgRunState *rs, const JdgFlowNode *node,
							  int64 base);

/* does its container go on after this child? */
extern bool jdg_resume_is_done(const JdgFlowNode *node,
							   const JdgFlowStep *step, int64 skip);

#endif							/* JDG_FLOW_RUN_REDO_H */
