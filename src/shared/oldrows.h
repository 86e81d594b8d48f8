/*-------------------------------------------------------------------------
 *
 * oldrows.h
 *	  Deletion of old rows of a table, in turns of the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_OLDROWS_H
#define JDG_SHARED_OLDROWS_H

#include "base/spi.h"

/* rows that a batch reads; more only if they have the same time */
#define JDG_OLD_ROWS_BATCH	"2000"

/* a duty returns after this time in microseconds, to go on in its next turn */
#define JDG_OLD_ROWS_TURN_US (50 * 1000L)

/*
 * Runs "find" for two instants; returns the time of the last row of a batch
 * between them, DT_NOEND if there is none.  Inside jdg_work_begin().
 */
extern TimestampTz jdg_old_rows_find(JdgQuery *find, TimestampTz after,
									 TimestampTz before);

/*
 * Deletes the rows of a table before an instant, in one turn of the scheduler.
 * "find" returns the time of the last row of a batch in ($1, $2), null if
 * there is none, and "delete" deletes rows in ($1, $2].  Returns false if a
 * turn was not enough: "*reached" then is where to go on.
 */
extern bool jdg_old_rows_delete(JdgQuery *find, JdgQuery *delete,
								TimestampTz *reached, TimestampTz limit);

#endif							/* JDG_SHARED_OLDROWS_H */
