/*-------------------------------------------------------------------------
 *
 * cancel.h
 *	  Cancelling what a run does not need any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_CANCEL_H
#define JDG_FLOW_RUN_CANCEL_H

#include "flow/run/pass.h"

/* JDG_ACT_CANCEL: whatever is under way in it.  Its container is not told. */
extern void jdg_step_cancel(JdgRunState *rs, JdgFlowStep *step);

/*
 * A leaf that has not ended.  False: it ends when its task or its run has
 * been stopped, and completes if that completes all the same.
 */
extern bool jdg_leaf_cancel(JdgRunState *rs, JdgFlowStep *step);

/* the task of a leaf, or a container's own */
extern bool jdg_step_cancel_task(JdgRunState *rs, JdgFlowStep *step);

/* put the cancelling of the children of a container on the agenda */
extern void jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step);

/* the same for all that is under way, and all not reached, in one that ends */
extern void jdg_container_close(JdgRunState *rs, JdgFlowStep *step);

/* its time is over */
extern void jdg_container_time_out(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_CANCEL_H */
