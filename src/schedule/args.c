/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Arguments of schedule() and alter_schedule().
 *
 * Runs in the caller's backend.  Both functions take the same options in the
 * same places, so both are read here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/interval.h"
#include "schedule/args.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "timing/timing_type.h"
#include "timing/zone.h"

/* longer than that is a mistake, and keeps sums of instants in range */
#define MAX_GRACE_DAYS 36600
#define MAX_JITTER_DAYS 366

/* names of the options that reset => may list */
static const char *const arg_names[JDG_ARG_COUNT] = {
	[JDG_ARG_PAYLOAD] = "payload",
	[JDG_ARG_TIMEZONE] = "timezone",
	[JDG_ARG_QUEUE] = "queue",
	[JDG_ARG_PRIORITY] = "priority",
	[JDG_ARG_TIMEOUT] = "timeout",
	[JDG_ARG_RETRY] = "retry",
	[JDG_ARG_OVERLAP] = "overlap",
	[JDG_ARG_MISFIRE] = "misfire",
	[JDG_ARG_MISFIRE_GRACE] = "misfire_grace",
	[JDG_ARG_JITTER] = "jitter",
	[JDG_ARG_STARTS_AT] = "starts_at",
	[JDG_ARG_ENDS_AT] = "ends_at",
	[JDG_ARG_MAX_RUNS] = "max_runs",
	[JDG_ARG_DEPENDS_ON] = "depends_on",
	[JDG_ARG_CONCURRENCY_KEY] = "concurrency_key",
	[JDG_ARG_TRANSACTION] = "transaction",
	[JDG_ARG_ISOLATE] = "isolate",
	[JDG_ARG_SETTINGS] = "settings",
	[JDG_ARG_TENANT] = "tenant",
	[JDG_ARG_DESCRIPTION] = "description",
	[JDG_ARG_METADATA] = "metadata",
};

/* The required name of a schedule. */
char *
jdg_name_argument(FunctionCallInfo fcinfo, int n, const char *function,
				  const char *arg)
{
	char	   *name = jdg_need_text(fcinfo, n, function, arg);

	jdg_check_name("schedule", name);
	return name;
}

void
jdg_schedule_args_read(JdgScheduleArgs *a, FunctionCallInfo fcinfo)
{
	memset(a, 0, sizeof(*a));
	a->fcinfo = fcinfo;
	for (int i = 0; i < JDG_ARG_COUNT; i++)
		a->given[i] = !PG_ARGISNULL(i);
}

/* reset => names of options that go back to their defaults */
void
jdg_schedule_args_read_reset(JdgScheduleArgs *a, ArrayType *names)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		char	   *word = nulls[i] ? "" : TextDatumGetCString(items[i]);
		int			arg = 0;

		while (arg < JDG_ARG_COUNT && (arg_names[arg] == NULL ||
									   strcmp(arg_names[arg], word) != 0))
			arg++;
		if (arg == JDG_ARG_COUNT)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("reset names an option that has no default"),
					 errdetail("The name is \"%s\".", word),
					 errhint("Name options of jadugar.schedule() other than name, timing, command, owner and enabled.")));
		if (a->given[arg])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("option \"%s\" is given and reset in one call",
							word),
					 errhint("Leave out one of the two.")));
		a->reset[arg] = true;
	}
}

static Interval *
interval_argument(const JdgScheduleArgs *a, JdgScheduleArg arg, int max_days)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	Interval   *iv = PG_GETARG_INTERVAL_P(arg);

	jdg_check_interval(arg_names[arg], iv, true);
	if ((int64) iv->month * 30 + iv->day > max_days ||
		iv->time > (int64) max_days * USECS_PER_DAY ||
		jdg_interval_us(iv) > (int64) max_days * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s is too long", arg_names[arg]),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(iv)))),
				 errhint("Give at most %d days.", max_days)));
	return iv;
}

static TimestampTz
instant_argument(const JdgScheduleArgs *a, JdgScheduleArg arg)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	TimestampTz t = PG_GETARG_TIMESTAMPTZ(arg);

	if (TIMESTAMP_NOT_FINITE(t))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a finite timestamp", arg_names[arg]),
				 errdetail("The value is \"%s\".", timestamptz_to_str(t)),
				 errhint("Leave it out to set no bound.")));
	return t;
}

static int64
max_runs_argument(const JdgScheduleArgs *a)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	int64		n = PG_GETARG_INT64(JDG_ARG_MAX_RUNS);

	if (n <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_runs must be greater than zero"),
				 errdetail("The value is " INT64_FORMAT ".", n),
				 errhint("Leave it out to set no bound.")));
	return n;
}

/* One dimension, no NULLs, no empty names; an empty array is none. */
static ArrayType *
depends_argument(const JdgScheduleArgs *a)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P_COPY(JDG_ARG_DEPENDS_ON);
	Datum	   *items;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] || VARSIZE_ANY_EXHDR(DatumGetPointer(items[i])) == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("depends_on must be an array of names of schedules"),
					 errdetail("Element %d is null or empty.", i + 1)));
	}
	if (n == 0)
		return NULL;
	return construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT);
}

static bool
touched(const JdgScheduleArgs *a, JdgScheduleArg arg)
{
	return a->given[arg] || a->reset[arg];
}

/*
 * Put what the call says into a schedule: everything that is no option of
 * its tasks.  What the call does not mention stays.
 */
void
jdg_schedule_args_apply(const JdgScheduleArgs *a, JdgSchedule *s)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	const bool *given = a->given;

	if (given[JDG_ARG_TIMING])
		memcpy(&s->timing, PG_GETARG_JDG_TIMING(JDG_ARG_TIMING),
			   sizeof(JdgTiming));
	if (touched(a, JDG_ARG_TIMEZONE))
		s->timezone = pstrdup(pg_get_timezone_name(jdg_zone_lookup(jdg_arg_text(fcinfo, JDG_ARG_TIMEZONE))));
	if (touched(a, JDG_ARG_OVERLAP))
		s->overlap = given[JDG_ARG_OVERLAP] ?
			jdg_overlap_from_text(jdg_arg_text(fcinfo, JDG_ARG_OVERLAP)) :
			JDG_OVERLAP_SKIP;
	if (touched(a, JDG_ARG_MISFIRE))
		s->misfire = given[JDG_ARG_MISFIRE] ?
			jdg_misfire_from_text(jdg_arg_text(fcinfo, JDG_ARG_MISFIRE)) :
			JDG_MISFIRE_ONCE;
	if (touched(a, JDG_ARG_MISFIRE_GRACE))
		s->misfire_grace = given[JDG_ARG_MISFIRE_GRACE] ?
			interval_argument(a, JDG_ARG_MISFIRE_GRACE, MAX_GRACE_DAYS) : NULL;
	if (touched(a, JDG_ARG_JITTER))
		s->jitter = given[JDG_ARG_JITTER] ?
			interval_argument(a, JDG_ARG_JITTER, MAX_JITTER_DAYS) : NULL;
	if (touched(a, JDG_ARG_STARTS_AT))
		s->starts_at = given[JDG_ARG_STARTS_AT] ?
			instant_argument(a, JDG_ARG_STARTS_AT) : DT_NOBEGIN;
	if (touched(a, JDG_ARG_ENDS_AT))
		s->ends_at = given[JDG_ARG_ENDS_AT] ?
			instant_argument(a, JDG_ARG_ENDS_AT) : DT_NOBEGIN;
	if (touched(a, JDG_ARG_MAX_RUNS))
		s->max_runs = given[JDG_ARG_MAX_RUNS] ? max_runs_argument(a) : 0;
	if (touched(a, JDG_ARG_DEPENDS_ON))
		s->depends_on = given[JDG_ARG_DEPENDS_ON] ? depends_argument(a) : NULL;
	if (touched(a, JDG_ARG_DESCRIPTION))
		s->description = jdg_arg_text(fcinfo, JDG_ARG_DESCRIPTION);
	if (given[JDG_ARG_ENABLED])
		s->enabled = PG_GETARG_BOOL(JDG_ARG_ENABLED);
	jdg_check_window(s);
}

static const JdgScheduleArg task_args[] = {
	JDG_ARG_COMMAND, JDG_ARG_PAYLOAD, JDG_ARG_QUEUE, JDG_ARG_PRIORITY,
	JDG_ARG_TIMEOUT, JDG_ARG_RETRY, JDG_ARG_CONCURRENCY_KEY,
	JDG_ARG_TRANSACTION, JDG_ARG_ISOLATE, JDG_ARG_SETTINGS, JDG_ARG_TENANT,
	JDG_ARG_METADATA
};

/* Does the call change anything about the tasks? */
bool
jdg_schedule_args_touch_task(const JdgScheduleArgs *a)
{
	for (int i = 0; i < lengthof(task_args); i++)
	{
		if (touched(a, task_args[i]))
			return true;
	}
	return false;
}

/* Put what the call says about the tasks over what "o" holds. */
void
jdg_schedule_args_options(const JdgScheduleArgs *a, JdgTaskOptions *o)
{
	FunctionCallInfo fcinfo = a->fcinfo;
	const bool *given = a->given;

#define TEXT_OPTION(arg, field) \
	if (touched(a, arg)) \
		o->field = jdg_arg_text(fcinfo, arg)
#define JSONB_OPTION(arg, field) \
	if (touched(a, arg)) \
		o->field = given[arg] ? PG_GETARG_JSONB_P_COPY(arg) : NULL

	/* what was found out about the old command says nothing about the new */
	if (given[JDG_ARG_COMMAND] && !given[JDG_ARG_TRANSACTION])
		o->transaction = NULL;
	TEXT_OPTION(JDG_ARG_COMMAND, command);
	TEXT_OPTION(JDG_ARG_QUEUE, queue);
	TEXT_OPTION(JDG_ARG_TRANSACTION, transaction);
	TEXT_OPTION(JDG_ARG_CONCURRENCY_KEY, concurrency_key);
	TEXT_OPTION(JDG_ARG_TENANT, tenant);
	JSONB_OPTION(JDG_ARG_PAYLOAD, payload);
	JSONB_OPTION(JDG_ARG_RETRY, retry);
	JSONB_OPTION(JDG_ARG_SETTINGS, settings);
	JSONB_OPTION(JDG_ARG_METADATA, metadata);
	if (touched(a, JDG_ARG_TIMEOUT))
		o->timeout = given[JDG_ARG_TIMEOUT] ?
			PG_GETARG_INTERVAL_P(JDG_ARG_TIMEOUT) : NULL;
	if (touched(a, JDG_ARG_PRIORITY))
	{
		o->has_priority = given[JDG_ARG_PRIORITY];
		o->priority = o->has_priority ? PG_GETARG_INT32(JDG_ARG_PRIORITY) : 0;
	}
	if (touched(a, JDG_ARG_ISOLATE))
	{
		o->has_isolate = given[JDG_ARG_ISOLATE];
		o->isolate = o->has_isolate && PG_GETARG_BOOL(JDG_ARG_ISOLATE);
	}
	if (o->payload == NULL)
		o->payload = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														CStringGetDatum("{}")));
}
