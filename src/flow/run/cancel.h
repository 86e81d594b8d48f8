/*-------------------------------------------------------------------------
 *
 * cancel.h
 *	  Cancelling nodes that a run no longer needs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_CANCEL_H
#define JDG_FLOW_RUN_CANCEL_H

#include "flow/run/pass.h"

/* JDG_ACT_CANCEL: a node with all that is under way in it */
extern void jdg_step_cancel(JdgRunState *rs, JdgFlowStep *step);

/*
 * A leaf that has not ended.  False: it ends when its task or its run has
 * been stopped, and may still complete.
 */
extern bool jdg_leaf_cancel(JdgRunState *rs, JdgFlowStep *step);

/* the task of a leaf, or a container's own */
extern bool jdg_step_cancel_task(JdgRunState *rs, JdgFlowStep *step);

/* put the cancelling of the children of a container on the agenda */
extern void jdg_children_cancel(JdgRunState *rs, JdgFlowStep *step);

/*
 * A container ends: the same for all that is under way in it, and the skipping
 * of all that the run has not reached in it.
 */
extern void jdg_container_close(JdgRunState *rs, JdgFlowStep *step);

/* its time is over */
extern void jdg_container_time_out(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_CANCEL_H */
