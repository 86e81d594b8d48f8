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

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

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

/* The zone named by argument n; the session's zone if it is NULL. */
static void
zone_argument(FunctionCallInfo fcinfo, int n, JdgZone *zone)
{
	char	   *name = PG_ARGISNULL(n) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(n));

	jdg_zone_init(zone, jdg_zone_lookup(name));
}

/* next_time(timing, after timestamptz, timezone text) */
Datum
jdg_next_time(PG_FUNCTION_ARGS)
{
	JdgZone		zone;
	TimestampTz after;
	int64_t		next;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	after = PG_ARGISNULL(1) ? jdg_now() : PG_GETARG_TIMESTAMPTZ(1);
	zone_argument(fcinfo, 2, &zone);
	if (!jdg_timing_next(PG_GETARG_JDG_TIMING(0), &zone, after, after, &next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* The number of rows, argument n.  Raises VALIDATION_ERROR if out of range. */
static int
count_argument(FunctionCallInfo fcinfo, int n)
{
	int			count;

	if (PG_ARGISNULL(n))
		return DEFAULT_OCCURRENCES;
	count = PG_GETARG_INT32(n);
	if (count < 0 || count > MAX_OCCURRENCES)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("number of occurrences is out of range"),
				 errdetail("n is %d.", count),
				 errhint("Ask for 0 to %d occurrences, and for more after the last of them.",
						 MAX_OCCURRENCES)));
	return count;
}

/* occurrences(timing, timezone text, after timestamptz, n int) */
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
		state = (Occurrences *) palloc0(sizeof(Occurrences));
		call->user_fctx = state;
		call->max_calls = (uint64) count_argument(fcinfo, 3);
		zone_argument(fcinfo, 1, &state->zone);
		state->after = PG_ARGISNULL(2) ? jdg_now() : PG_GETARG_TIMESTAMPTZ(2);
		state->anchor = state->after;
		if (PG_ARGISNULL(0))
			call->max_calls = 0;
		else
			memcpy(&state->timing, PG_GETARG_JDG_TIMING(0),
				   sizeof(JdgTiming));
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
