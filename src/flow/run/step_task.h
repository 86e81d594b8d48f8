/*-------------------------------------------------------------------------
 *
 * step_task.h
 *	  Making and removing the task of a step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_STEP_TASK_H
#define JDG_FLOW_RUN_STEP_TASK_H

#include "flow/run/pass.h"

/*
 * Make the task that a step waits for.  False: it cannot be made, and
 * step->error says why.
 */
extern bool jdg_step_make_task(JdgRunState *rs, JdgFlowStep *step,
							   const JdgTask *template);

/* make the task of its node; the step fails if that cannot be made */
extern void jdg_step_start_task(JdgRunState *rs, JdgFlowStep *step);

/*
 * Remove the task.  False: a worker holds it, or another transaction locks its
 * row; a message will stop it.
 */
extern bool jdg_step_remove_task(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_STEP_TASK_H */
