/*-------------------------------------------------------------------------
 *
 * timing_funcs.c
 *	  SQL functions about timings: next_time, occurrences, validate,
 *	  describe.
 *
 * Run in any process.  They read nothing but their arguments, the clock and
 * the session's TimeZone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "timing/describe.h"
#include "timing/next.h"
#include "timing/timing_type.h"
#include "timing/zone.h"

/* maximum and default number of rows of occurrences() */
#define MAX_OCCURRENCES 10000
#define DEFAULT_OCCURRENCES 10

PG_FUNCTION_INFO_V1(jdg_next_time);
PG_FUNCTION_INFO_V1(jdg_occurrences);
PG_FUNCTION_INFO_V1(jdg_validate);
PG_FUNCTION_INFO_V1(jdg_describe);

/* The state of occurrences() between its calls. */
typedef struct Occurrences
{
	JdgTiming	timing;
	JdgZone		zone;
	int64_t		anchor;
	int64_t		after;
} Occurrences;

/* next_time(), occurrences() */
typedef struct TimingArgs
{
	JdgTiming  *timing;
	TimestampTz *after;			/* NULL: now */
	char	   *timezone;		/* NULL: the session's */
	int32		n;
} TimingArgs;

#define FIELD(field) offsetof(TimingArgs, field)

static const JdgArg next_args[] = {
	{"timing", InvalidOid, FIELD(timing)},
	{"after", TIMESTAMPTZOID, FIELD(after)},
	{"timezone", TEXTOID, FIELD(timezone)},
};

static const JdgArg occurrences_args[] = {
	{"timing", InvalidOid, FIELD(timing)},
	{"timezone", TEXTOID, FIELD(timezone)},
	{"after", TIMESTAMPTZOID, FIELD(after)},
	{"n", INT4OID, FIELD(n), JDG_DEFAULT, NULL, DEFAULT_OCCURRENCES},
};

/* next_time(timing, after, timezone) */
Datum
jdg_next_time(PG_FUNCTION_ARGS)
{
	TimingArgs	a;
	JdgZone		zone;
	TimestampTz after;
	int64_t		next;

	JDG_READ_ARGS("next_time", next_args, &a);
	if (a.timing == NULL)
		PG_RETURN_NULL();
	after = a.after ? *a.after : jdg_now();
	jdg_zone_init(&zone, jdg_zone_lookup(a.timezone));
	if (!jdg_timing_next(DatumGetJdgTiming(PointerGetDatum(a.timing)), &zone,
						 after, after, &next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* The first call: where to begin, and how many rows to return. */
static void
begin_occurrences(FunctionCallInfo fcinfo, FuncCallContext *call)
{
	TimingArgs	a;
	Occurrences *state = palloc0(sizeof(Occurrences));

	JDG_READ_ARGS("occurrences", occurrences_args, &a);
	if (a.n < 0 || a.n > MAX_OCCURRENCES)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("number of occurrences is out of range"),
				 errdetail("The argument n is %d.", a.n),
				 errhint("Ask for 0 to %d occurrences, and for more after the last of them.",
						 MAX_OCCURRENCES)));
	jdg_zone_init(&state->zone, jdg_zone_lookup(a.timezone));
	state->after = a.after ? *a.after : jdg_now();
	state->anchor = state->after;
	if (a.timing)
		state->timing = *DatumGetJdgTiming(PointerGetDatum(a.timing));
	call->max_calls = a.timing ? (uint64) a.n : 0;
	call->user_fctx = state;
}

/* occurrences(timing, timezone, after, n) */
Datum
jdg_occurrences(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Occurrences *state;
	int64_t		next;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		begin_occurrences(fcinfo, call);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	state = (Occurrences *) call->user_fctx;
	if (call->call_cntr >= call->max_calls ||
		!jdg_timing_next(&state->timing, &state->zone, state->anchor,
						 state->after, &next))
		SRF_RETURN_DONE(call);
	state->after = next;
	SRF_RETURN_NEXT(call, TimestampTzGetDatum(next));
}

/*
 * validate(text): the error and its hint in one sentence, or NULL if the text
 * is a timing.  Removes the hint's full stop and its capital, unless they
 * belong to a value.
 */
Datum
jdg_validate(PG_FUNCTION_ARGS)
{
	char	   *input = text_to_cstring(PG_GETARG_TEXT_PP(0));
	JdgTiming	timing;
	JdgTimingError err = {0};
	size_t		length;

	if (jdg_timing_read(input, &timing, &err))
		PG_RETURN_NULL();
	length = strlen(err.hint);
	if (length > 0 && err.hint[length - 1] == '.')
		err.hint[length - 1] = '\0';
	if (err.hint[0] >= 'A' && err.hint[0] <= 'Z' &&
		err.hint[1] >= 'a' && err.hint[1] <= 'z')
		err.hint[0] += 'a' - 'A';
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s at character %d: %s",
											  err.message, err.position,
											  err.hint)));
}

/* describe(timing) */
Datum
jdg_describe(PG_FUNCTION_ARGS)
{
	char		buf[JDG_TIMING_DESCRIBE_SIZE];

	jdg_timing_describe(PG_GETARG_JDG_TIMING(0), buf, sizeof(buf));
	PG_RETURN_TEXT_P(cstring_to_text(buf));
}
