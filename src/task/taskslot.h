/*-------------------------------------------------------------------------
 *
 * taskslot.h
 *	  Reads a row of jadugar_internal.task that a scan has put into a slot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_TASKSLOT_H
#define JDG_TASK_TASKSLOT_H

#include "executor/tuptable.h"

#include "task/task.h"

/* the columns of fixed width and some others; nothing is detoasted */
extern void jdg_task_head_from_slot(TupleTableSlot *s, JdgTask *t);

/* all columns, with values in mcxt */
extern void jdg_task_from_slot(TupleTableSlot *s, JdgTask *t,
							   MemoryContext mcxt);

/* a column of text, NULL for null; in the current memory context */
extern char *jdg_task_slot_text(TupleTableSlot *s, int no);

/* the size of the payload in memory; nothing is detoasted */
extern Size jdg_task_payload_size(TupleTableSlot *s);

#endif							/* JDG_TASK_TASKSLOT_H */
