/*-------------------------------------------------------------------------
 *
 * marks.h
 *	  Marks in the ready index: where a claim may begin to read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TASK_MARKS_H
#define JDG_TASK_MARKS_H

#include "shared/shmem.h"
#include "task/task.h"

/* a mark as it was when looked at */
typedef struct JdgMarkLook
{
	Oid			owner;
	int32		queue_id;
	int32		priority;
	uint32		incarnation;
	uint32		published;
	JdgPosition from;
} JdgMarkLook;

/*
 * In place of an owner, with queue and priority 0: tasks that are ready later,
 * in the index task_due.
 */
#define JDG_MARK_DUE ((Oid) 1)

/* before all, and after all positions */
extern const JdgPosition jdg_position_first;
extern const JdgPosition jdg_position_last;

extern int	jdg_position_compare(const JdgPosition *a, const JdgPosition *b);

/*
 * Look at all marks of an owner (InvalidOid: all there are), in no order; at
 * most JDG_MARKS_MAX.  "lost" is a count: while it stays the same, nothing has
 * become ready that has no mark.  To be called before the snapshot is taken
 * that jdg_mark_move() relies on.
 */
extern int	jdg_marks_look(JdgDb *db, Oid owner, JdgMarkLook *looks,
						   uint32 *lost);

/* tasks of this kind were seen in the index: have a mark; false: no room */
extern bool jdg_mark_make(JdgDb *db, Oid owner, int32 queue_id,
						  int32 priority);

/*
 * By a snapshot taken after the look, nothing is visible before "to".
 */
extern void jdg_mark_move(JdgDb *db, const JdgMarkLook *look, JdgPosition to);

/* a task at this position is ready, committed just now; never fails */
extern void jdg_mark_publish(JdgDb *db, Oid owner, int32 queue_id,
							 int32 priority, JdgPosition position);

/* tasks may be ready anywhere; never fails */
extern void jdg_marks_forget(JdgDb *db);

#endif							/* JDG_TASK_MARKS_H */
