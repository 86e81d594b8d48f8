/*-------------------------------------------------------------------------
 *
 * result.h
 *	  A DestReceiver that keeps the first row of a result as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EXEC_RESULT_H
#define JDG_EXEC_RESULT_H

#include "access/tupdesc.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"

/* a receiver of a result that may be told when each statement has ended */
typedef struct JdgReceiver
{
	DestReceiver dest;
	void		(*ended) (DestReceiver *self);	/* or NULL */
} JdgReceiver;

/*
 * Creates the receiver in the current context, which also receives the row.
 * If several statements return rows, it keeps the first row of the last of
 * them.
 */
extern DestReceiver *jdg_first_row_receiver(void);

/*
 * A statement has ended: converts its first row to jsonb, in its transaction
 * and as the user who ran it.  Never fails because of the row: one that jsonb
 * cannot hold becomes a marker.
 */
extern void jdg_first_row_convert(DestReceiver *dest);

/*
 * Makes the names of columns different from one another: the second one called
 * "max" becomes "max_2", or the first such name that is free.
 */
extern void jdg_number_equal_names(TupleDesc desc);

/* The row that was converted, or NULL.  Its size is not limited. */
extern Jsonb *jdg_first_row(DestReceiver *dest);

#endif							/* JDG_EXEC_RESULT_H */
