/*-------------------------------------------------------------------------
 *
 * marks.h
 *	  Marks in the ready index, from which a claim begins to read.
 *
 * marks.c explains them.  All functions take JdgMarks.mutex and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_MARKS_H
#define JDG_SHARED_MARKS_H

#include "datatype/timestamp.h"
#include "storage/spin.h"

/* a position in the ready index, for one owner, queue and priority */
typedef struct JdgPosition
{
	TimestampTz run_at;
	int64		task_id;
} JdgPosition;

#define JDG_MARK_RING	8
#define JDG_MARK_WAYS	8
#define JDG_MARK_SETS	32
#define JDG_MARKS_MAX	(JDG_MARK_WAYS * JDG_MARK_SETS)

typedef struct JdgMark
{
	Oid			owner;			/* InvalidOid: unused */
	int32		queue_id;
	int32		priority;
	uint32		incarnation;	/* of this entry */
	uint32		published;		/* number of positions published so far */
	JdgPosition position;		/* no task is ready before it */
	JdgPosition ring[JDG_MARK_RING];	/* the last ones published */
} JdgMark;

/* the marks of a database */
typedef struct JdgMarks
{
	slock_t		mutex;			/* taken alone */
	/* under mutex */
	uint32		made;			/* number of incarnations so far */
	uint32		lost;			/* changes when a mark is lost */
	JdgMark		mark[JDG_MARK_SETS][JDG_MARK_WAYS];
} JdgMarks;

/* a copy of a mark */
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

/* lower and upper limit of all positions */
extern const JdgPosition jdg_position_first;
extern const JdgPosition jdg_position_last;

extern void jdg_marks_init(JdgMarks *marks);

/* returns -1, 0 or 1, by run_at and then by task_id */
extern int	jdg_position_compare(const JdgPosition *a, const JdgPosition *b);

/*
 * Copies all marks of an owner (InvalidOid: of all owners) to "looks", in no
 * order, and returns their number, at most JDG_MARKS_MAX.  While *lost keeps
 * its value, every task that becomes ready has a mark.  Must be called before
 * the snapshot is taken on which jdg_mark_move() relies.
 */
extern int	jdg_marks_look(JdgMarks *marks, Oid owner, JdgMarkLook *looks,
						   uint32 *lost);

/* makes sure that such tasks have a mark; false: there is no room */
extern bool jdg_mark_make(JdgMarks *marks, Oid owner, int32 queue_id,
						  int32 priority);

/*
 * Moves a mark forward: a snapshot taken after the look has shown no entry
 * before "to".  Positions published since the look limit the move.
 */
extern void jdg_mark_move(JdgMarks *marks, const JdgMarkLook *look, JdgPosition to);

/* a task at this position has become ready by a commit just now */
extern void jdg_mark_publish(JdgMarks *marks, Oid owner, int32 queue_id,
							 int32 priority, JdgPosition position);

/* clears all marks: tasks may be ready at any position */
extern void jdg_marks_forget(JdgMarks *marks);

#endif							/* JDG_SHARED_MARKS_H */
