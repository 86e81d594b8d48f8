/*-------------------------------------------------------------------------
 *
 * stat.h
 *	  How the occurrences of schedules ended: jadugar.schedule_stat.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_STAT_H
#define JDG_SCHEDULE_STAT_H

#include "utils/timestamp.h"

/* what some occurrences of a schedule add up to; DT_NOBEGIN: null */
typedef struct JdgScheduleCount
{
	int64		schedule_id;
	TimestampTz last_run_at;
	char		last_status;
	TimestampTz last_success_at;
	int			completed;
	int			failures;
} JdgScheduleCount;

/*
 * Add to the statistics of n schedules, different ones.  Rows are locked in
 * the order of their ids.  Inside jdg_internal_begin(); sorts the array.
 */
extern void jdg_schedule_count(JdgScheduleCount *counts, int n);

#endif							/* JDG_SCHEDULE_STAT_H */
