/*-------------------------------------------------------------------------
 *
 * stat.h
 *	  How the occurrences of schedules ended: jadugar_internal.schedule_stat.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_STAT_H
#define JDG_SCHEDULE_STAT_H

#include "base/module.h"

/* counts the ends of tasks that schedules have made */
extern const JdgEndFollower jdg_schedule_follower;

#endif							/* JDG_SCHEDULE_STAT_H */
