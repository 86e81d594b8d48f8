/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Arguments of schedule() and alter_schedule().
 *
 * Runs in the caller's backend.  Both functions take the same options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "schedule/args.h"
#include "schedule/options.h"
#include "schedule/schedule.h"
#include "timing/timing_type.h"
#include "timing/zone.h"

/* longer than that is a mistake, and keeps sums of instants in range */
#define MAX_GRACE_DAYS 36600
#define MAX_JITTER_DAYS 366

#define FIELD(field) offsetof(JdgScheduleArgs, field)

/* the arguments of both functions after name, timing and command */
#define OPTION_ARGS \
	{"payload", JSONBOID, FIELD(payload), JDG_RESETTABLE}, \
	{"timezone", TEXTOID, FIELD(timezone), JDG_RESETTABLE}, \
	{"queue", TEXTOID, FIELD(queue), JDG_RESETTABLE}, \
	{"priority", INT4OID, FIELD(priority), JDG_RESETTABLE}, \
	{"timeout", INTERVALOID, FIELD(timeout), JDG_RESETTABLE}, \
	{"retry", JSONBOID, FIELD(retry), JDG_RESETTABLE}, \
	{"overlap", TEXTOID, FIELD(overlap), JDG_RESETTABLE, jdg_overlap_words}, \
	{"misfire", TEXTOID, FIELD(misfire), JDG_RESETTABLE, jdg_misfire_words}, \
	{"misfire_grace", INTERVALOID, FIELD(misfire_grace), JDG_RESETTABLE}, \
	{"jitter", INTERVALOID, FIELD(jitter), JDG_RESETTABLE}, \
	{"starts_at", TIMESTAMPTZOID, FIELD(starts_at), JDG_RESETTABLE}, \
	{"ends_at", TIMESTAMPTZOID, FIELD(ends_at), JDG_RESETTABLE}, \
	{"max_runs", INT8OID, FIELD(max_runs), JDG_RESETTABLE}, \
	{"depends_on", TEXTARRAYOID, FIELD(depends_on), JDG_RESETTABLE}, \
	{"concurrency_key", TEXTOID, FIELD(concurrency_key), JDG_RESETTABLE}, \
	{"transaction", TEXTOID, FIELD(transaction), JDG_RESETTABLE}, \
	{"isolate", BOOLOID, FIELD(isolate), JDG_RESETTABLE}, \
	{"settings", JSONBOID, FIELD(settings), JDG_RESETTABLE}, \
	{"tenant", TEXTOID, FIELD(tenant), JDG_RESETTABLE}, \
	{"owner", TEXTOID, FIELD(owner)}, \
	{"description", TEXTOID, FIELD(description), JDG_RESETTABLE}, \
	{"metadata", JSONBOID, FIELD(metadata), JDG_RESETTABLE}, \
	{"enabled", BOOLOID, FIELD(enabled)}

#define EXPECT_ARG \
	{"expect_rows", TEXTOID, FIELD(expect_rows), JDG_RESETTABLE, \
	jdg_expect_rows_words}

static const JdgArg new_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"timing", InvalidOid, FIELD(timing), JDG_NEEDED},
	{"command", TEXTOID, FIELD(command), JDG_NEEDED},
	OPTION_ARGS,
	{"or_replace", BOOLOID, FIELD(or_replace), JDG_DEFAULT,.if_null = false},
	EXPECT_ARG
};

static const JdgArg change_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"timing", InvalidOid, FIELD(timing)},
	{"command", TEXTOID, FIELD(command)},
	OPTION_ARGS,
	{"reset", TEXTARRAYOID, FIELD(reset_names)},
	{"new_name", TEXTOID, FIELD(new_name)},
	EXPECT_ARG
};

StaticAssertDecl(lengthof(change_args) == JDG_SCHEDULE_ARGS_MAX,
				 "JDG_SCHEDULE_ARGS_MAX does not fit the arguments");

void
jdg_schedule_args_read(FunctionCallInfo fcinfo, JdgScheduleArgs *a)
{
	memset(a, 0, sizeof(*a));
	JDG_READ_ARGS("schedule", new_args, a);
	jdg_check_name("schedule", a->name);
	jdg_check_description(a->description);
}

void
jdg_schedule_args_read_change(FunctionCallInfo fcinfo, JdgScheduleArgs *a)
{
	memset(a, 0, sizeof(*a));
	JDG_READ_ARGS("alter_schedule", change_args, a);
	jdg_check_name("schedule", a->name);
	jdg_check_description(a->description);
	if (a->new_name)
		jdg_check_name("schedule", a->new_name);
	if (a->reset_names)
		jdg_args_reset(fcinfo, change_args, lengthof(change_args),
					   a->reset_names, a->reset);
}

/* Is the argument that has this place in the struct to be reset? */
static bool
is_reset(const JdgScheduleArgs *a, size_t offset)
{
	for (int i = 0; i < lengthof(change_args); i++)
	{
		if (a->reset[i] && change_args[i].offset == offset)
			return true;
	}
	return false;
}

/* Is it given or reset? */
#define TOUCHED(field) \
	(a->field != NULL || is_reset(a, FIELD(field)))

/*
 * Raises VALIDATION_ERROR if the interval is negative or longer than
 * max_days.  Returns it; NULL stays NULL.
 */
static Interval *
check_span(const char *argument, Interval *iv, int max_days)
{
	if (iv == NULL)
		return NULL;
	jdg_check_interval(argument, iv, true);
	if ((int64) iv->month * 30 + iv->day > max_days ||
		iv->time > (int64) max_days * USECS_PER_DAY ||
		jdg_interval_us(iv) > (int64) max_days * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s is too long", argument),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(iv)))),
				 errhint("The maximum is %d days.", max_days)));
	return iv;
}

/* Returns a finite instant, DT_NOBEGIN if it is not given. */
static TimestampTz
check_instant(const char *argument, const TimestampTz *t)
{
	if (t == NULL)
		return DT_NOBEGIN;
	if (TIMESTAMP_NOT_FINITE(*t))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a finite timestamp", argument),
				 errdetail("The value is \"%s\".", timestamptz_to_str(*t)),
				 errhint("Leave it out to set no bound.")));
	return *t;
}

/* Returns max_runs, 0 if it is not given. */
static int64
check_max_runs(const int64 *n)
{
	if (n == NULL)
		return 0;
	if (*n <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_runs must be greater than zero"),
				 errdetail("The value is " INT64_FORMAT ".", *n),
				 errhint("Leave it out to set no bound.")));
	return *n;
}

/* One dimension, no NULLs, no empty names; an empty array is none. */
static ArrayType *
check_depends_on(ArrayType *array)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;

	if (array == NULL)
		return NULL;
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

/* See args.h. */
void
jdg_schedule_args_apply(const JdgScheduleArgs *a, JdgSchedule *s)
{
	if (a->timing)
		s->timing = *DatumGetJdgTiming(PointerGetDatum(a->timing));
	if (TOUCHED(timezone))
		s->timezone = pstrdup(pg_get_timezone_name(jdg_zone_lookup(a->timezone)));
	if (TOUCHED(overlap))
		s->overlap = a->overlap ? *a->overlap : JDG_OVERLAP_SKIP;
	if (TOUCHED(misfire))
		s->misfire = a->misfire ? *a->misfire : JDG_MISFIRE_ONCE;
	if (TOUCHED(misfire_grace))
		s->misfire_grace = check_span("misfire_grace", a->misfire_grace,
									  MAX_GRACE_DAYS);
	if (TOUCHED(jitter))
		s->jitter = check_span("jitter", a->jitter, MAX_JITTER_DAYS);
	if (TOUCHED(starts_at))
		s->starts_at = check_instant("starts_at", a->starts_at);
	if (TOUCHED(ends_at))
		s->ends_at = check_instant("ends_at", a->ends_at);
	if (TOUCHED(max_runs))
		s->max_runs = check_max_runs(a->max_runs);
	if (TOUCHED(depends_on))
		s->depends_on = check_depends_on(a->depends_on);
	if (TOUCHED(description))
		s->description = a->description;
	if (a->enabled)
		s->enabled = *a->enabled;
	jdg_check_window(s);
}

/* See args.h. */
bool
jdg_schedule_args_touch_task(const JdgScheduleArgs *a)
{
	return a->command != NULL || TOUCHED(payload) || TOUCHED(queue) ||
		TOUCHED(priority) || TOUCHED(timeout) || TOUCHED(retry) ||
		TOUCHED(concurrency_key) || TOUCHED(transaction) ||
		TOUCHED(isolate) || TOUCHED(expect_rows) || TOUCHED(settings) || TOUCHED(tenant) ||
		TOUCHED(metadata);
}

/* See args.h. */
void
jdg_schedule_args_options(const JdgScheduleArgs *a, JdgTaskOptions *o)
{
#define PUT_OPTION(field) \
	if (TOUCHED(field)) \
		o->field = a->field

	/* the mode that the old command needed says nothing about the new one */
	if (a->command != NULL && a->transaction == NULL)
		o->transaction = NULL;
	/* nor does it that the old one's rows did not matter */
	if (a->command != NULL && o->expect_rows != NULL &&
		*o->expect_rows == JDG_ROWS_ANY)
		o->expect_rows = NULL;
	PUT_OPTION(command);
	PUT_OPTION(payload);
	PUT_OPTION(queue);
	PUT_OPTION(priority);
	PUT_OPTION(timeout);
	PUT_OPTION(retry);
	PUT_OPTION(transaction);
	PUT_OPTION(concurrency_key);
	PUT_OPTION(tenant);
	PUT_OPTION(isolate);
	PUT_OPTION(expect_rows);
	PUT_OPTION(settings);
	PUT_OPTION(metadata);
	if (o->payload == NULL)
		o->payload = jdg_json_empty();
}
