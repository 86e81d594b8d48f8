/*-------------------------------------------------------------------------
 *
 * options.h
 *	  From the arguments of a call to the row of a schedule.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_OPTIONS_H
#define JDG_SCHEDULE_OPTIONS_H

#include "schedule/schedule.h"
#include "task/prepare.h"

extern void jdg_options_of_schedule(const JdgSchedule *s, JdgTaskOptions *o);
extern void jdg_prepare_schedule(const JdgTaskOptions *o, JdgSchedule *s);
extern void jdg_check_window(const JdgSchedule *s);
extern void jdg_check_depends(const JdgSchedule *s);
extern void jdg_plan_new(JdgSchedule *s, TimestampTz now);
extern void jdg_plan_changed(JdgSchedule *s, JdgSchedule *old,
							 bool enable, TimestampTz now);

#endif							/* JDG_SCHEDULE_OPTIONS_H */
