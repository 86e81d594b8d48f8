/*-------------------------------------------------------------------------
 *
 * due.h
 *	  The instants at which a schedule is due, and recording those that do
 *	  not run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_DUE_H
#define JDG_SCHEDULE_DUE_H

#include "schedule/schedule.h"

/*
 * When, from memory alone.  An occurrence lies between starts_at and
 * ends_at, both included; an interval with a starts_at occurs first at
 * starts_at itself.
 */
extern bool jdg_schedule_next(const JdgSchedule *s, TimestampTz after,
							  TimestampTz *next);
extern int64 jdg_schedule_due(const JdgSchedule *s, TimestampTz until,
							  int64 limit, TimestampTz *last);
extern bool jdg_schedule_clocked(const JdgSchedule *s);
extern bool jdg_schedule_ended(const JdgSchedule *s);

/*
 * Record all that is due up to now as missed and move s->next_run_at past
 * it.  Changes the struct (next_run_at, missed), not the row.
 */
extern void jdg_schedule_catch_up(JdgSchedule *s, const char *reason,
								  TimestampTz now);

/*
 * The same for every schedule that could fire, rows included: occurrences in
 * the past do not run.  Inside jdg_internal_begin().
 */
extern void jdg_schedule_skip_missed(const char *reason);

#endif							/* JDG_SCHEDULE_DUE_H */
