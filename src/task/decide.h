/*-------------------------------------------------------------------------
 *
 * decide.h
 *	  What the end of an attempt means for its task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_DECIDE_H
#define JDG_TASK_DECIDE_H

#include "task/settle.h"

/* Also counts the attempt in "t".  Touches nothing but its arguments. */
extern void jdg_decide(JdgTask *t, const JdgOutcome *o, JdgDecision *d);

#endif							/* JDG_TASK_DECIDE_H */
