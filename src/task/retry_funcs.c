/*-------------------------------------------------------------------------
 *
 * retry_funcs.c
 *	  SQL function retry_policy(): a retry policy as jsonb.
 *
 * Runs in the caller's backend.  The policy holds only the given arguments:
 * all others keep following the defaults and the settings at the time of use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/args.h"
#include "base/interval.h"
#include "base/json.h"
#include "task/retry.h"

PG_FUNCTION_INFO_V1(jdg_retry_policy);

typedef struct PolicyArgs
{
	int32	   *max_attempts;
	char	   *backoff;
	Interval   *delay;
	Interval   *max_delay;
	double	   *factor;
	bool	   *jitter;
	ArrayType  *retry_on;
	ArrayType  *discard_on;
	ArrayType  *delays;
	char	   *fallback;
} PolicyArgs;

#define FIELD(field) offsetof(PolicyArgs, field)

static const JdgArg policy_args[] = {
	{"max_attempts", INT4OID, FIELD(max_attempts)},
	{"backoff", TEXTOID, FIELD(backoff)},
	{"delay", INTERVALOID, FIELD(delay)},
	{"max_delay", INTERVALOID, FIELD(max_delay)},
	{"factor", FLOAT8OID, FIELD(factor)},
	{"jitter", BOOLOID, FIELD(jitter)},
	{"retry_on", TEXTARRAYOID, FIELD(retry_on)},
	{"discard_on", TEXTARRAYOID, FIELD(discard_on)},
	{"delays", INTERVALARRAYOID, FIELD(delays)},
	{"fallback", TEXTOID, FIELD(fallback)},
};

/* An interval as seconds; raises VALIDATION_ERROR if infinite or negative. */
static Numeric
seconds_of(const char *key, const Interval *iv)
{
	int64		us = jdg_interval_us(jdg_check_interval(key, iv, true));

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
											   NumericGetDatum(int64_div_fast_to_numeric(us, 6))));
}

static void
add_interval(JsonbParseState **st, const char *key, const Interval *iv)
{
	if (iv != NULL)
		jdg_json_numeric(st, key, seconds_of(key, iv));
}

/* An array of intervals as one of seconds; a null element is refused later. */
static void
add_intervals(JsonbParseState **st, const char *key, ArrayType *a)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	JsonbValue	v;

	if (a == NULL)
		return;
	deconstruct_array(a, INTERVALOID, sizeof(Interval), false, TYPALIGN_DOUBLE,
					  &elems, &nulls, &n);
	v.type = jbvString;
	v.val.string.val = unconstify(char *, key);
	v.val.string.len = strlen(key);
	pushJsonbValue(st, WJB_KEY, &v);
	pushJsonbValue(st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		v.type = nulls[i] ? jbvNull : jbvNumeric;
		if (!nulls[i])
			v.val.numeric = seconds_of(key, DatumGetIntervalP(elems[i]));
		pushJsonbValue(st, WJB_ELEM, &v);
	}
	pushJsonbValue(st, WJB_END_ARRAY, NULL);
}

/* retry_policy(...) returns jsonb */
Datum
jdg_retry_policy(PG_FUNCTION_ARGS)
{
	PolicyArgs	a;
	JsonbParseState *st;
	Jsonb	   *policy;

	JDG_READ_ARGS("retry_policy", policy_args, &a);
	jdg_json_begin(&st);
	if (a.max_attempts)
		jdg_json_int64(&st, "max_attempts", *a.max_attempts);
	jdg_json_text(&st, "backoff", a.backoff);
	add_interval(&st, "delay", a.delay);
	add_interval(&st, "max_delay", a.max_delay);
	if (a.factor)
		jdg_json_numeric(&st, "factor",
						 DatumGetNumeric(DirectFunctionCall1(float8_numeric,
															 Float8GetDatum(*a.factor))));
	if (a.jitter)
		jdg_json_bool(&st, "jitter", *a.jitter);
	jdg_json_texts(&st, "retry_on", a.retry_on);
	jdg_json_texts(&st, "discard_on", a.discard_on);
	add_intervals(&st, "delays", a.delays);
	jdg_json_text(&st, "fallback", a.fallback);
	policy = jdg_json_finish(&st);
	jdg_retry_check(policy);
	PG_RETURN_JSONB_P(policy);
}
