/*-------------------------------------------------------------------------
 *
 * marks.h
 *	  Marks in the ready index: where a claim may begin to read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_MARKS_H
#define JDG_SHARED_MARKS_H

#include "datatype/timestamp.h"
#include "storage/spin.h"

/* a place in the ready index among tasks of one owner, queue and priority */
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
	uint32		published;		/* how many positions so far */
	JdgPosition position;		/* nothing is ready before */
	JdgPosition ring[JDG_MARK_RING];	/* the last ones published */
} JdgMark;

/* the marks of a database */
typedef struct JdgMarks
{
	slock_t		mutex;			/* taken alone */
	/* under mutex */
	uint32		made;			/* counts incarnations */
	uint32		lost;			/* changes when some were forgotten */
	JdgMark		mark[JDG_MARK_SETS][JDG_MARK_WAYS];
} JdgMarks;

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

extern void jdg_marks_init(JdgMarks *marks);

extern int	jdg_position_compare(const JdgPosition *a, const JdgPosition *b);

/*
 * Look at all marks of an owner (InvalidOid: all there are), in no order; at
 * most JDG_MARKS_MAX.  "lost" is a count: while it stays the same, nothing has
 * become ready that has no mark.  To be called before the snapshot is taken
 * that jdg_mark_move() relies on.
 */
extern int	jdg_marks_look(JdgMarks *marks, Oid owner, JdgMarkLook *looks,
						   uint32 *lost);

/* tasks of this kind were seen in the index: have a mark; false: no room */
extern bool jdg_mark_make(JdgMarks *marks, Oid owner, int32 queue_id,
						  int32 priority);

/*
 * By a snapshot taken after the look, nothing is visible before "to".
 */
extern void jdg_mark_move(JdgMarks *marks, const JdgMarkLook *look, JdgPosition to);

/* a task at this position is ready, committed just now; never fails */
extern void jdg_mark_publish(JdgMarks *marks, Oid owner, int32 queue_id,
							 int32 priority, JdgPosition position);

/* tasks may be ready anywhere; never fails */
extern void jdg_marks_forget(JdgMarks *marks);

#endif							/* JDG_SHARED_MARKS_H */
