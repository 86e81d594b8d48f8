/*-------------------------------------------------------------------------
 *
 * options.h
 *	  What the SQL functions about schedules share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULE_OPTIONS_H
#define JDG_SCHEDULE_OPTIONS_H

#include "fmgr.h"

#include "schedule/schedule.h"
#include "task/enqueue.h"

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

/* args.c */
extern void jdg_args_read(JdgScheduleArgs *a, FunctionCallInfo fcinfo);
extern void jdg_args_read_reset(JdgScheduleArgs *a, ArrayType *names);
extern void jdg_args_apply(const JdgScheduleArgs *a, JdgSchedule *s);
extern bool jdg_args_touch_task(const JdgScheduleArgs *a);
extern void jdg_args_options(const JdgScheduleArgs *a, JdgTaskOptions *o);
extern char *jdg_name_argument(FunctionCallInfo fcinfo, int n,
							   const char *function, const char *arg);

/* options.c */
extern void jdg_options_of_schedule(const JdgSchedule *s, JdgTaskOptions *o);
extern void jdg_prepare_schedule(const JdgTaskOptions *o, JdgSchedule *s);
extern void jdg_check_window(const JdgSchedule *s);
extern void jdg_check_depends(const JdgSchedule *s);
extern void jdg_plan_new(JdgSchedule *s, TimestampTz now);
extern void jdg_plan_changed(JdgSchedule *s, JdgSchedule *old,
							 bool enable, TimestampTz now);

/* ops_funcs.c */
extern Oid	jdg_readable_owner(const char *owner_name);
extern void jdg_schedule_find(Oid owner, const char *name, bool lock,
							  JdgSchedule *s, MemoryContext mcxt);

#endif							/* JDG_SCHEDULE_OPTIONS_H */
