/*-------------------------------------------------------------------------
 *
 * breaker_options.c
 *	  Options of a breaker as JSON, see breaker_options.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/errors.h"
#include "limit/breaker_options.h"

#define HOUR_US USECS_PER_HOUR
#define DAY_US USECS_PER_DAY

/* an option: a number, or a duration if it is an int64 field */
typedef struct Option
{
	const char *name;
	size_t		offset;
	bool		duration;
	int64		min;			/* of a duration in us */
	int64		max;
} Option;

#define AT(field) offsetof(JdgBreakerOptions, field)

/* the same bounds as those of endpoints */
static const Option options_known[] = {
	{"window", AT(window_us), true, USECS_PER_SEC, HOUR_US},
	{"min_calls", AT(min_calls), false, 1, 1000000},
	{"failure_pct", AT(failure_pct), false, 1, 100},
	{"consecutive", AT(consecutive), false, 0, 1000000},
	{"slow_after", AT(slow_after_us), true, 0, DAY_US},
	{"slow_pct", AT(slow_pct), false, 1, 100},
	{"open_for", AT(open_for_us), true, 100000, DAY_US},
	{"open_max", AT(open_max_us), true, 100000, DAY_US},
	{"half_open", AT(half_open), false, 1, JDG_BREAKER_TICKETS},
	{"ramp", AT(ramp_us), true, 0, HOUR_US},
	{NULL}
};

/* A value for a message. */
static const char *
value_text(const JsonbValue *v)
{
	Jsonb	   *j = JsonbValueToJsonb(unconstify(JsonbValue *, v));

	return jdg_excerpt(JsonbToCString(NULL, &j->root, VARSIZE(j)));
}

JDG_NORETURN static void
refuse(const Option *option, const JsonbValue *v)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for \"%s\" of a breaker", option->name),
			 errdetail("The value is %s.", value_text(v)),
			 option->duration ?
			 errhint("Give a time from %g to %g seconds, as a number or as in \"30 s\".",
					 option->min / 1e6, option->max / 1e6) :
			 errhint("Give a whole number from %lld to %lld.",
					 (long long) option->min, (long long) option->max)));
}

/* The value of an option: a number, or microseconds. */
static int64
read_value(const Option *option, const JsonbValue *v)
{
	double		d = NAN;

	if (v->type == jbvNumeric)
		d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(v->val.numeric)));
	if (option->duration && v->type == jbvNumeric)
		d = rint(d * 1e6);
	else if (option->duration && v->type == jbvString)
	{
		int			ms;

		if (parse_int(pnstrdup(v->val.string.val, v->val.string.len), &ms,
					  GUC_UNIT_MS, NULL))
			d = ms * 1e3;
	}
	if (!(d >= option->min && d <= option->max && d == floor(d)))
		refuse(option, v);
	return (int64) d;
}

/* The option of a name; raises an error if there is none. */
static const Option *
find_option(const JsonbValue *key)
{
	for (const Option *o = options_known; o->name != NULL; o++)
	{
		if (key->val.string.len == (int) strlen(o->name) &&
			memcmp(key->val.string.val, o->name, key->val.string.len) == 0)
			return o;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized option \"%s\" of a breaker",
					jdg_excerpt(pnstrdup(key->val.string.val,
										 key->val.string.len))),
			 errhint("Options are window, min_calls, failure_pct, consecutive, slow_after, slow_pct, open_for, open_max, half_open and ramp.")));
	return NULL;				/* keep compiler quiet */
}

void
jdg_breaker_options_read(const Jsonb *options, JdgBreakerOptions *o)
{
	Jsonb	   *json = unconstify(Jsonb *, options);
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	key;
	JsonbValue	v;

	*o = (JdgBreakerOptions)
	{
		.on = true,.window_us = 60 * USECS_PER_SEC,.min_calls = 20,
			.failure_pct = 50,.consecutive = 10,.slow_pct = 100,
			.open_for_us = 30 * USECS_PER_SEC,
			.open_max_us = 300 * USECS_PER_SEC,.half_open = 3,
			.ramp_us = 10 * USECS_PER_SEC
	};
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("options of a breaker must be a JSON object")));
	it = JsonbIteratorInit(&json->root);
	while ((tok = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		const Option *option;
		int64		n;
		char	   *at;

		if (tok != WJB_KEY)
			continue;
		option = find_option(&key);
		(void) JsonbIteratorNext(&it, &v, true);
		n = read_value(option, &v);
		at = (char *) o + option->offset;
		if (option->duration)
			*(int64_t *) at = n;
		else
			*(int32_t *) at = (int32_t) n;
	}
	o->open_max_us = Max(o->open_max_us, o->open_for_us);
}
