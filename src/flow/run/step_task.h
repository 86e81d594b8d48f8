/*-------------------------------------------------------------------------
 *
 * step_task.h
 *	  The task of a step: made, and taken out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_STEP_TASK_H
#define JDG_FLOW_RUN_STEP_TASK_H

#include "flow/run/pass.h"

/*
 * Make the task that a step waits for.  False: it can not be made, and
 * step->error says why.
 */
extern bool jdg_step_make_task(JdgRunState *rs, JdgFlowStep *step,
							   const JdgTask *template);

/*
 * The same for the task of its node: what a step is, what another node has to
 * find out first.  The step fails where it can not be made.
 */
extern void jdg_step_start_task(JdgRunState *rs, JdgFlowStep *step);

/*
 * Take it out.  False: a worker holds it, or another transaction its row; it
 * will be stopped, by a message.
 */
extern bool jdg_step_take_out_task(JdgRunState *rs, JdgFlowStep *step);

#endif							/* JDG_FLOW_RUN_STEP_TASK_H */
