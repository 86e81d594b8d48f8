/*-------------------------------------------------------------------------
 *
 * plain.h
 *	  Fires plain schedules together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_PLAIN_H
#define JDG_SCHEDULE_PLAIN_H

#include "storage/itemptr.h"

#include "schedule/firing_state.h"
#include "schedule/schedule.h"

/* A schedule with its row's address; the row is locked. */
typedef struct JdgDueRow
{
	JdgSchedule s;
	ItemPointerData tid;
	bool		fired;
} JdgDueRow;

/*
 * Fire those of the rows that are plain and mark them as fired.  An error
 * leaves nothing done, once the subtransaction is rolled back.  Inside
 * jdg_internal_begin().
 */
extern void jdg_fire_plain(JdgFiring *f, JdgDueRow *rows, int n);

#endif							/* JDG_SCHEDULE_PLAIN_H */
