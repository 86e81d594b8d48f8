/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Claiming ready tasks for a worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_CLAIM_H
#define JDG_TASK_CLAIM_H

#include "shared/lanekey.h"
#include "shared/slot.h"
#include "task/task.h"

/*
 * May this task join a group that already has n tasks?  Called before the
 * task's row is locked, with the values of the index and the heap.
 */
typedef enum JdgJoin
{
	JDG_JOIN_YES,
	JDG_JOIN_LAST,				/* yes, and nothing after it */
	JDG_JOIN_NO					/* not now: the group ends before it */
} JdgJoin;
typedef JdgJoin (*JdgJoinCheck) (const JdgTask *task, int n);

/*
 * Claims up to "max" ready tasks of "owner" with this carrier in order of priority, run_at, id:
 * publishes each in the slot, locks its row and checks it again.  Skips rows
 * that other transactions have locked.  In a transaction, without a pushed
 * snapshot.  Sets "more" if ready tasks may be left.  A task with a rate or a
 * breaker has JdgTask.limits; the caller asks jdg_gates_begin() when it begins.
 * One with JdgTask.circuit_open is to fail.
 */
extern int	jdg_claim(JdgSlot *slot, Oid owner, JdgCarrier carrier,
					  JdgTask *tasks, int max, JdgJoinCheck join,
					  MemoryContext mcxt, bool *more);

/*
 * Claims one given task, if it is ready and free.  The slot holds that task from
 * the transaction before, with its places, and *task is what was claimed then.
 * Or the slot is empty: the task is not to run, and takes no place.
 */
extern bool jdg_claim_one(JdgSlot *slot, int64 task_id, JdgTask *task,
						  MemoryContext mcxt);

#endif							/* JDG_TASK_CLAIM_H */
