/*-------------------------------------------------------------------------
 *
 * hold.h
 *	  The tasks that a worker holds, in its slot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_HOLD_H
#define JDG_TASK_HOLD_H

#include "shared/gate.h"
#include "shared/slot.h"
#include "task/task.h"

/*
 * Adds a task, whose row is not locked yet, and takes a place of each limit.
 * Returns -1, or the number of the limit that refuses.
 */
extern int	jdg_slot_hold(JdgSlot *slot, const JdgTask *task,
						  const JdgLimits *limits);

/* the row of the task added last is locked: requests to cancel may come */
extern void jdg_slot_hold_locked(JdgSlot *slot);

/* remove the task added last, or all; their places are given back */
extern void jdg_slot_unhold_last(JdgSlot *slot);
extern void jdg_slot_clear(JdgSlot *slot);

#endif							/* JDG_TASK_HOLD_H */
