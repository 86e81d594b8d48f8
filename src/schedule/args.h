/*-------------------------------------------------------------------------
 *
 * args.h
 *	  Arguments of schedule() and alter_schedule().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_ARGS_H
#define JDG_SCHEDULE_ARGS_H

#include "fmgr.h"
#include "utils/array.h"

#include "schedule/schedule.h"
#include "task/prepare.h"

/* the most arguments of one of them */
#define JDG_SCHEDULE_ARGS_MAX 29

/* NULL: not given */
typedef struct JdgScheduleArgs
{
	char	   *name;
	JdgTiming  *timing;
	char	   *command;
	Jsonb	   *payload;
	char	   *timezone;
	char	   *queue;
	int32	   *priority;
	Interval   *timeout;
	Jsonb	   *retry;
	JdgOverlap *overlap;
	JdgMisfire *misfire;
	Interval   *misfire_grace;
	Interval   *jitter;
	TimestampTz *starts_at;
	TimestampTz *ends_at;
	int64	   *max_runs;
	ArrayType  *depends_on;
	char	   *concurrency_key;
	char	   *transaction;
	bool	   *isolate;
	JdgExpectRows *expect_rows;
	Jsonb	   *settings;
	char	   *tenant;
	char	   *owner;
	char	   *description;
	Jsonb	   *metadata;
	bool	   *enabled;
	/* schedule() only */
	bool		or_replace;
	/* alter_schedule() only */
	ArrayType  *reset_names;
	char	   *new_name;
	/* back to the default, by the number of the argument */
	bool		reset[JDG_SCHEDULE_ARGS_MAX];
} JdgScheduleArgs;

/* those of schedule(), and those of alter_schedule() */
extern void jdg_schedule_args_read(FunctionCallInfo fcinfo,
								   JdgScheduleArgs *a);
extern void jdg_schedule_args_read_change(FunctionCallInfo fcinfo,
										  JdgScheduleArgs *a);

/*
 * Put into a schedule everything that is no option of its tasks.  Arguments
 * that are not given leave it as it is.
 */
extern void jdg_schedule_args_apply(const JdgScheduleArgs *a, JdgSchedule *s);

/* does the call change anything about the tasks? */
extern bool jdg_schedule_args_touch_task(const JdgScheduleArgs *a);

/* put the options of the tasks over those that "o" holds */
extern void jdg_schedule_args_options(const JdgScheduleArgs *a,
									  JdgTaskOptions *o);

#endif							/* JDG_SCHEDULE_ARGS_H */
