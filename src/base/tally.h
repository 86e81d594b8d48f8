/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  What a transaction has done to some things, each with a number.
 *
 * There is one row for each thing and level of subtransactions.  The rows of a
 * subtransaction that is released become those of its parent; those of one
 * that is rolled back end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_TALLY_H
#define JDG_BASE_TALLY_H

#include "access/xact.h"

/* begins each row */
typedef struct JdgTallyRow
{
	int32		id;				/* of the thing */
	int			level;			/* of subtransactions */
} JdgTallyRow;

typedef struct JdgTally
{
	Size		size;			/* of a row, whose bytes are zero at first */

	/*
	 * The transaction is about to commit or to be prepared, and the row
	 * stays; or it has committed, has been prepared or is rolled back, and
	 * the row goes.  The last also if only its subtransaction is rolled back.
	 * Must not fail in these.
	 */
	void		(*event) (void *row, XactEvent event);

	/* "from" goes, "into" is of the same thing; must not fail */
	void		(*merge) (void *into, const void *from);

	/* for tally.c */
	char	   *rows;
	int			n;
	int			room;
} JdgTally;

/* called once for each tally, which stays where it is */
extern void jdg_tally_init(JdgTally *tally);

/* the row of a thing at the current level, made if there is none */
extern void *jdg_tally_row(JdgTally *tally, int32 id);

/* the n-th of all rows */
extern void *jdg_tally_at(const JdgTally *tally, int n);

#endif							/* JDG_BASE_TALLY_H */
