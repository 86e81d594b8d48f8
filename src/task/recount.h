/*-------------------------------------------------------------------------
 *
 * recount.h
 *	  Counts the tasks of a bounded queue for its gauge.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_RECOUNT_H
#define JDG_TASK_RECOUNT_H

#include "shared/depth.h"

/*
 * Counts the tasks of the queue in the table, and corrects its gauge: what
 * the gauge holds afterwards is never too low, and exact unless the result is
 * false.  Reads each of the tasks.
 */
extern bool jdg_depth_recount(JdgDepth *depth, int32 queue_id);

#endif							/* JDG_TASK_RECOUNT_H */
