/*-------------------------------------------------------------------------
 *
 * misfire.h
 *	  Decides which due occurrences run, and which are too late.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_MISFIRE_H
#define JDG_SCHEDULE_MISFIRE_H

#include "schedule/firing_state.h"
#include "schedule/schedule.h"

/*
 * Fire a schedule because it is due, or because the server has started.  The
 * caller has locked its row.  Both change the struct, and the caller writes
 * the row.  Inside jdg_internal_begin().
 */
extern void jdg_fire_schedule(JdgFiring *f, JdgSchedule *s);
extern void jdg_fire_at_startup(JdgFiring *f, JdgSchedule *s);

/* the next occurrence after one that has been dealt with, or the end */
extern void jdg_fire_advance(JdgSchedule *s, TimestampTz after);

/* would an occurrence at this instant be on time? */
extern bool jdg_fire_on_time(const JdgFiring *f, TimestampTz at);

#endif							/* JDG_SCHEDULE_MISFIRE_H */
