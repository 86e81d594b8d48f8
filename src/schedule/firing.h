/*-------------------------------------------------------------------------
 *
 * firing.h
 *	  Making tasks of schedules that are due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_FIRING_H
#define JDG_SCHEDULE_FIRING_H

#include "queue/queue.h"
#include "schedule/schedule.h"
#include "shared/database.h"
#include "shared/wakeup.h"

/*
 * For the scheduler's loop, outside a transaction.
 *
 * jdg_fire_due() fires the schedules that are due, many in a transaction.
 * Returns the next instant at which one is due (DT_NOEND: never): now, if
 * there are too many for one turn or work waits for a worker.
 *
 * jdg_fire_startup() is for the scheduler's start: @startup schedules, and
 * schedules of time zones with changed rules.  Rows that are locked at that
 * time are left for jdg_fire_due().
 *
 * jdg_fire_changed() must be called before jdg_fire_due() when
 * JDG_WAKE_SCHEDULES was among the reasons to wake: schedules may be due
 * earlier than any seen so far.
 */
extern TimestampTz jdg_fire_due(JdgDb *db);
extern void jdg_fire_startup(JdgDb *db);
extern void jdg_fire_changed(void);

#endif							/* JDG_SCHEDULE_FIRING_H */
