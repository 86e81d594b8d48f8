/*-------------------------------------------------------------------------
 *
 * data.h
 *	  The argument of a step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_DATA_H
#define JDG_FLOW_RUN_DATA_H

#include "task/task.h"

/*
 * The argument of a step's task, made as task.flow_data says, in the current
 * context.  Evaluates paths as the current user, which is the owner of the
 * run.  Outside jdg_internal_begin(), with an active snapshot.
 * False: the task is no step.
 */
extern bool jdg_flow_payload(const JdgTask *task, Jsonb **payload);

/*
 * A row with one column that is an object or an array stands for that: the
 * result of a step that calls a function is the value of the function.
 */
extern Jsonb *jdg_flow_result(Jsonb *row);

#endif							/* JDG_FLOW_RUN_DATA_H */
