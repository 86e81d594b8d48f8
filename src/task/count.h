/*-------------------------------------------------------------------------
 *
 * count.h
 *	  Statistics of attempts, added to shared memory at commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_COUNT_H
#define JDG_TASK_COUNT_H

#include "task/task.h"

/*
 * Counts an attempt that this transaction writes down: the status of its
 * history row, whether its task stays, and how long it waited and ran, in
 * microseconds (< 0: it did not).
 */
extern void jdg_count_attempt(JdgStatus status, bool stays, int64 waited,
							  int64 ran);

/* from _PG_init */
extern void jdg_count_init(void);

#endif							/* JDG_TASK_COUNT_H */
