/*-------------------------------------------------------------------------
 *
 * retry_funcs.c
 *	  retry_policy(): a retry policy as jsonb.
 *
 * Runs in the caller's backend.  Only what was given is put in: what was not
 * keeps following the defaults and the settings of the time it is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/interval.h"
#include "task/retry.h"

PG_FUNCTION_INFO_V1(jdg_retry_policy);

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, key);
	v.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &v);
}

static void
push_text(JsonbParseState **state, JsonbIteratorToken token, char *text)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = text;

	v.val.string.len = strlen(text);
	pushJsonbValue(state, token, &v);
}

static void
push_number(JsonbParseState **state, const char *key, Datum number)
{
	JsonbValue	v;

	push_key(state, key);
	v.type = jbvNumeric;
	v.val.numeric = DatumGetNumeric(number);
	pushJsonbValue(state, WJB_VALUE, &v);
}

/* An interval as seconds; finite and not negative. */
static void
push_interval(JsonbParseState **state, const char *key, FunctionCallInfo fcinfo,
			  int n)
{
	Interval   *iv = jdg_arg_interval(fcinfo, n);
	int64		us;

	if (iv == NULL)
		return;
	jdg_check_interval(key, iv, true);
	us = jdg_interval_us(iv);
	push_number(state, key,
				DirectFunctionCall1(numeric_trim_scale,
									NumericGetDatum(int64_div_fast_to_numeric(us, 6))));
}

static void
push_codes(JsonbParseState **state, const char *key, FunctionCallInfo fcinfo,
		   int n)
{
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	if (PG_ARGISNULL(n))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, &nelems);
	push_key(state, key);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nelems; i++)
		push_text(state, WJB_ELEM,
				  nulls[i] ? pstrdup("") : TextDatumGetCString(elems[i]));
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/*
 * retry_policy(max_attempts, backoff, delay, max_delay, factor, jitter,
 * retry_on, discard_on) returns jsonb
 */
Datum
jdg_retry_policy(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	Jsonb	   *policy;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (!PG_ARGISNULL(0))
		push_number(&state, "max_attempts",
					DirectFunctionCall1(int4_numeric, PG_GETARG_DATUM(0)));
	if (!PG_ARGISNULL(1))
	{
		push_key(&state, "backoff");
		push_text(&state, WJB_VALUE, jdg_arg_text(fcinfo, 1));
	}
	push_interval(&state, "delay", fcinfo, 2);
	push_interval(&state, "max_delay", fcinfo, 3);
	if (!PG_ARGISNULL(4))
		push_number(&state, "factor",
					DirectFunctionCall1(float8_numeric, PG_GETARG_DATUM(4)));
	if (!PG_ARGISNULL(5))
	{
		JsonbValue	v;

		push_key(&state, "jitter");
		v.type = jbvBool;
		v.val.boolean = PG_GETARG_BOOL(5);
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	push_codes(&state, "retry_on", fcinfo, 6);
	push_codes(&state, "discard_on", fcinfo, 7);
	policy = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	jdg_retry_check(policy);
	PG_RETURN_JSONB_P(policy);
}
