/*-------------------------------------------------------------------------
 *
 * mark.h
 *	  A mark in an index of tasks, from which a process begins to read.
 *
 * mark.c explains it.  The functions cannot fail.  The caller holds the
 * spinlock that protects the mark.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_MARK_H
#define JDG_SHARED_MARK_H

#include "datatype/timestamp.h"

/* a position in a part of an index */
typedef struct JdgPosition
{
	TimestampTz run_at;
	int64		task_id;
} JdgPosition;

#define JDG_MARK_RING	8

typedef struct JdgMark
{
	uint32		published;		/* number of positions published so far */
	JdgPosition position;		/* no task is there before it */
	JdgPosition ring[JDG_MARK_RING];	/* the last ones published */
} JdgMark;

/* a copy of a mark */
typedef struct JdgMarkLook
{
	uint32		published;
	JdgPosition from;
} JdgMarkLook;

/* lower and upper limit of all positions */
extern const JdgPosition jdg_position_first;
extern const JdgPosition jdg_position_last;

/* returns -1, 0 or 1, by run_at and then by task_id */
extern int	jdg_position_compare(const JdgPosition *a, const JdgPosition *b);

/* sets the mark to the first position, as if it had been published there */
extern void jdg_mark_clear(JdgMark *mark);

/*
 * Must be called before the snapshot is taken on which jdg_mark_move()
 * relies.
 */
extern JdgMarkLook jdg_mark_look(const JdgMark *mark);

/*
 * Moves a mark forward: a snapshot taken after the look has shown no entry
 * before "to".  Positions published since the look limit the move.  True: the
 * mark has been moved to the last position, or was there.
 */
extern bool jdg_mark_move(JdgMark *mark, const JdgMarkLook *look, JdgPosition to);

/* a task at this position has come by a commit just now */
extern void jdg_mark_publish(JdgMark *mark, JdgPosition position);

#endif							/* JDG_SHARED_MARK_H */
