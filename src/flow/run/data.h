/*-------------------------------------------------------------------------
 *
 * data.h
 *	  What a step is given.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DATA_H
#define JDG_FLOW_RUN_DATA_H

#include "task/task.h"

/*
 * The argument of a step's task (task.flow_data says what it is made of), in
 * the current context.  Evaluates paths as the current user, who is the
 * owner of the run.  Outside jdg_internal_begin(), with an active snapshot.
 * False: the task is no step.
 */
extern bool jdg_flow_payload(const JdgTask *task, Jsonb **payload);

/*
 * A row with one column that is an object or an array stands for that: what
 * a function returns is the result of the step that calls it.
 */
extern Jsonb *jdg_flow_result(Jsonb *row);

#endif							/* JDG_FLOW_RUN_DATA_H */
