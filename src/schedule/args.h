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

/* Arguments of schedule() and alter_schedule(), by position. */
typedef enum JdgScheduleArg
{
	JDG_ARG_NAME,
	JDG_ARG_TIMING,
	JDG_ARG_COMMAND,
	JDG_ARG_PAYLOAD,
	JDG_ARG_TIMEZONE,
	JDG_ARG_QUEUE,
	JDG_ARG_PRIORITY,
	JDG_ARG_TIMEOUT,
	JDG_ARG_RETRY,
	JDG_ARG_OVERLAP,
	JDG_ARG_MISFIRE,
	JDG_ARG_MISFIRE_GRACE,
	JDG_ARG_JITTER,
	JDG_ARG_STARTS_AT,
	JDG_ARG_ENDS_AT,
	JDG_ARG_MAX_RUNS,
	JDG_ARG_DEPENDS_ON,
	JDG_ARG_CONCURRENCY_KEY,
	JDG_ARG_TRANSACTION,
	JDG_ARG_ISOLATE,
	JDG_ARG_SETTINGS,
	JDG_ARG_TENANT,
	JDG_ARG_OWNER,
	JDG_ARG_DESCRIPTION,
	JDG_ARG_METADATA,
	JDG_ARG_ENABLED,
	/* schedule() only */
	JDG_ARG_OR_REPLACE,
	/* alter_schedule() only */
	JDG_ARG_RESET = JDG_ARG_OR_REPLACE,
	JDG_ARG_NEW_NAME
} JdgScheduleArg;

#define JDG_ARG_COUNT (JDG_ARG_ENABLED + 1)

/* What a call says about each of them. */
typedef struct JdgScheduleArgs
{
	FunctionCallInfo fcinfo;
	bool		given[JDG_ARG_COUNT];	/* a value that is not NULL */
	bool		reset[JDG_ARG_COUNT];	/* back to the default */
} JdgScheduleArgs;

extern void jdg_schedule_args_read(JdgScheduleArgs *a, FunctionCallInfo fcinfo);
extern void jdg_schedule_args_read_reset(JdgScheduleArgs *a, ArrayType *names);
extern void jdg_schedule_args_apply(const JdgScheduleArgs *a, JdgSchedule *s);
extern bool jdg_schedule_args_touch_task(const JdgScheduleArgs *a);
extern void jdg_schedule_args_options(const JdgScheduleArgs *a, JdgTaskOptions *o);
extern char *jdg_name_argument(FunctionCallInfo fcinfo, int n,
							   const char *function, const char *arg);

#endif							/* JDG_SCHEDULE_ARGS_H */
