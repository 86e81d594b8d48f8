/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Sweeps of the scheduler over leaves or topics, in turns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_SWEEP_H
#define JDG_EVENT_SWEEP_H

#include "base/spi.h"

/*
 * What a duty does with each of the numbers that a query returns, each in
 * transactions of its own.  A sweep over all of them takes as many turns as it
 * needs.  It keeps its position, so one that fails holds up no other.
 */
typedef struct JdgSweep
{
	JdgQuery   *list;
	/* false: there is more to do for this number */
	bool		(*work) (int32 n);
	const char *failed;			/* a message with the number and the error */
	/* private */
	int32	   *n;				/* the numbers; NULL: no sweep is under way */
	int64		count;
	int64		next;			/* in "n" */
	bool		again;			/* a wake-up came meanwhile */
} JdgSweep;

/*
 * One turn of a sweep.  "why": wake-ups that ask for another sweep, if one is
 * under way.  Returns true if there is no more to do.
 */
extern bool jdg_sweep_run(JdgSweep *sweep, Datum *values, uint32 why);

/* the next full hour, so that all topics roll at their hour, day or month */
extern TimestampTz jdg_next_hour(void);

/* the same for an hourly duty: returns when it is due next */
extern TimestampTz jdg_sweep_hourly(JdgSweep *sweep, Datum *values, uint32 why);

#endif							/* JDG_EVENT_SWEEP_H */
