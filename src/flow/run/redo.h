/*-------------------------------------------------------------------------
 *
 * redo.h
 *	  Retrying and skipping steps: retry_step(), skip_step().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_REDO_H
#define JDG_FLOW_RUN_REDO_H

#include "flow/run/pass.h"

/* can a step be retried, or skipped?  NULL: yes; else a sentence why not */
extern const char *jdg_flow_retry_refused(const JdgFlowRun *r,
										  const JdgFlowNode *node,
										  const JdgFlowStep *step);
extern const char *jdg_flow_skip_refused(const JdgFlowRun *r,
										 const JdgFlowNode *node,
										 const JdgFlowStep *step);

/* with the lock of the run; no effect if it is refused by now */
extern void jdg_flow_retry_step(JdgRunState *rs, int64 step_id);
extern void jdg_flow_skip_step(JdgRunState *rs, int64 step_id);

/* repeat the compensations of a run that have failed */
extern void jdg_flow_undo_again(JdgRunState *rs);

#endif							/* JDG_FLOW_RUN_REDO_H */
