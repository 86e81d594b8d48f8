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
#include "base/spi.h"

/* counts the ends of tasks that schedules have made */
extern const JdgEndFollower jdg_schedule_follower;

/* duty of the scheduler: deletes the rows of schedules that are gone */
extern TimestampTz jdg_schedule_stat_upkeep(struct JdgDb *db, uint32 why);

/*
 * The same as a query of drop_tenant() (tenant/rows.h).  They are not rows of
 * the tenant, so they are not counted.
 */
extern JdgQuery jdg_schedule_stat_prune;

#endif							/* JDG_SCHEDULE_STAT_H */
