/*-------------------------------------------------------------------------
 *
 * resume.h
 *	  A run that has ended goes on from where it was.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_RESUME_H
#define JDG_FLOW_RUN_RESUME_H

#include "flow/run/pass.h"

/* skip: a step to skip instead of running it again, -1: none */
extern void jdg_run_resume(JdgRunState *rs, int64 skip);

/*
 * For kinds that are containers, see kind/kind.h.  A row that had failed, or
 * was cancelled for that, is opened again.
 */
extern void jdg_resume_step(JdgRunState *rs, JdgFlowStep *step, int64 skip);

/* this row begins when all have been opened */
extern void jdg_resume_begin(JdgRunState *rs, JdgFlowStep *step);

/* delete rows of a node that counts as not reached */
extern void jdg_resume_forget(JdgRunState *rs, const JdgFlowNode *node,
							  int64 base);

/* does its container go on after this child? */
extern bool jdg_resume_is_done(const JdgFlowNode *node,
							   const JdgFlowStep *step, int64 skip);

#endif							/* JDG_FLOW_RUN_RESUME_H */
