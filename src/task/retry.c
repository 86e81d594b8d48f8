/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Retry policies: the errors that are retried, and the delay.
 *
 * Pure but for the random number of the jitter; runs in any process.  A
 * policy was checked when it was given, but may come from a restored dump or
 * a newer version: reading one is lenient, checking it is strict.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "handler/command.h"
#include "task/retry.h"

#define MAX_ATTEMPTS	1000000
#define MAX_SECONDS		(10.0 * 366 * 86400)
#define MAX_FACTOR		1000.0
#define MAX_CODES		100
#define MAX_DELAYS		100

#define DEFAULT_DELAY		5.0
#define DEFAULT_MAX_DELAY	3600.0
#define DEFAULT_FACTOR		2.0

/*
 * Retried by default: errors that may go away.  Codes of five characters,
 * classes of two, names of ours, and answers of services (is_http_code()).
 */
static const char *const default_retry_on[] = {
	"P0001",					/* RAISE EXCEPTION */
	"08", "40", "53",			/* connection, rollback, resources */
	"55P03",					/* lock_not_available, lock_timeout */
	"57P01", "57P02", "57P03",	/* shutdown, crash, cannot connect now */
	"TASK_TIMEOUT", "WORKER_CRASHED", "LEASE_LOST", "QUEUE_FULL",
	"RATE_LIMITED", "CIRCUIT_OPEN", "SERVICE_UNAVAILABLE",
	"HTTP_408", "HTTP_421", "HTTP_425", "HTTP_429", "HTTP_5XX"
};

/* not retried by default: a service that cannot do it does not learn it */
static const char *const default_discard_on[] = {
	"HTTP_501", "HTTP_505"
};

static const char *const backoff_names[] = {
	"exponential", "linear", "fixed", "none"
};

static JsonbValue *
get_key(Jsonb *policy, const char *key, JsonbValue *room)
{
	if (policy == NULL || !JB_ROOT_IS_OBJECT(policy))
		return NULL;
	return getKeyJsonValueFromContainer(&policy->root, key, strlen(key), room);
}

/*
 * Returns a number of the policy; if_none if the key is absent or not a
 * number.
 */
static double
get_number(Jsonb *policy, const char *key, double if_none)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, key, &room);

	if (v == NULL || v->type != jbvNumeric)
		return if_none;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(v->val.numeric)));
}

static bool
string_is(const JsonbValue *v, const char *s)
{
	return v->type == jbvString && v->val.string.len == (int) strlen(s) &&
		memcmp(v->val.string.val, s, v->val.string.len) == 0;
}

/* The value of a key as text, for a message. */
static const char *
value_text(const JsonbValue *v)
{
	Jsonb	   *j = JsonbValueToJsonb(unconstify(JsonbValue *, v));

	return jdg_excerpt(JsonbToCString(NULL, &j->root, VARSIZE(j)));
}

/*
 * Raises VALIDATION_ERROR unless the value is a number from min to max, and a
 * whole one if "integer".
 */
static void
check_number(const char *key, const JsonbValue *v, double min, double max,
			 bool integer)
{
	double		d = NAN;

	if (v->type == jbvNumeric)
		d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(v->val.numeric)));
	if (d >= min && d <= max && (!integer || d == floor(d)))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for \"%s\" of a retry policy", key),
			 errdetail("The value is %s.", value_text(v)),
			 integer ? errhint("Give a whole number from %.0f to %.0f.", min, max) :
			 errhint("Give a number from %g to %.0f.", min, max)));
}

static bool
is_array(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data);
}

#define HTTP_PREFIX "HTTP_"
#define HTTP_PREFIX_LEN 5

/*
 * Is it the status of an answer, as "HTTP_503", or of a hundred of them, as
 * "HTTP_5XX"?
 */
static bool
is_http_code(const char *code, int len)
{
	if (len != HTTP_PREFIX_LEN + 3 ||
		memcmp(code, HTTP_PREFIX, HTTP_PREFIX_LEN) != 0)
		return false;
	code += HTTP_PREFIX_LEN;
	return code[0] >= '1' && code[0] <= '5' &&
		((code[1] == 'X' && code[2] == 'X') ||
		 (code[1] >= '0' && code[1] <= '9' &&
		  code[2] >= '0' && code[2] <= '9'));
}

/*
 * Raises VALIDATION_ERROR unless the value is an array of at most MAX_CODES
 * valid error codes.
 */
static void
check_codes(const char *key, const JsonbValue *v)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	elem;

	if (!is_array(v) || JsonContainerSize(v->val.binary.data) > MAX_CODES)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" of a retry policy must be an array of at most %d codes",
						key, MAX_CODES)));
	it = JsonbIteratorInit(v->val.binary.data);
	while ((tok = JsonbIteratorNext(&it, &elem, true)) != WJB_DONE)
	{
		if (tok != WJB_ELEM)
			continue;
		if (elem.type == jbvString &&
			(is_http_code(elem.val.string.val, elem.val.string.len) ||
			 jdg_error_sqlstate(pnstrdup(elem.val.string.val,
										 elem.val.string.len)) != NULL))
			continue;
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid error code in \"%s\" of a retry policy", key),
				 errdetail("The value is %s.", value_text(&elem)),
				 errhint("Give SQLSTATEs ('40001'), their classes ('40'), names from jadugar.error_codes ('TASK_TIMEOUT'), or answers of services ('HTTP_503', 'HTTP_5XX').")));
	}
}

/*
 * Raises VALIDATION_ERROR unless the value is an array of 1 to MAX_DELAYS
 * delays.
 */
static void
check_delays(const JsonbValue *v)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	elem;

	if (!is_array(v) || JsonContainerSize(v->val.binary.data) == 0 ||
		JsonContainerSize(v->val.binary.data) > MAX_DELAYS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"delays\" of a retry policy must be an array of 1 to %d delays",
						MAX_DELAYS)));
	it = JsonbIteratorInit(v->val.binary.data);
	while ((tok = JsonbIteratorNext(&it, &elem, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM)
			check_number("delays", &elem, 0, MAX_SECONDS, false);
	}
}

/* Raises VALIDATION_ERROR unless the value is the name of a backoff. */
static void
check_backoff(const JsonbValue *v)
{
	for (int i = 0; i < lengthof(backoff_names); i++)
	{
		if (string_is(v, backoff_names[i]))
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid value for \"backoff\" of a retry policy"),
			 errdetail("The value is %s.", value_text(v)),
			 errhint("Valid values are \"exponential\", \"linear\", \"fixed\", and \"none\".")));
}

/* Raises VALIDATION_ERROR unless the value may be the text of a command. */
static void
check_fallback(const JsonbValue *v)
{
	if (v->type != jbvString || v->val.string.len == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"fallback\" of a retry policy must be a command"),
				 errdetail("The value is %s.", value_text(v)),
				 errhint("Give SQL, or the name of a handler or flow.")));
	if (v->val.string.len > JDG_COMMAND_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"fallback\" of a retry policy is too long"),
				 errdetail("It has %d bytes; the maximum is %d.",
						   v->val.string.len, JDG_COMMAND_MAX)));
}

/*
 * Checks one member of a policy.  Raises VALIDATION_ERROR if its key is
 * unknown or its value invalid.
 */
static void
check_member(const char *key, const JsonbValue *v)
{
	if (strcmp(key, "max_attempts") == 0)
		check_number(key, v, 1, MAX_ATTEMPTS, true);
	else if (strcmp(key, "delay") == 0 || strcmp(key, "max_delay") == 0)
		check_number(key, v, 0, MAX_SECONDS, false);
	else if (strcmp(key, "factor") == 0)
		check_number(key, v, 1, MAX_FACTOR, false);
	else if (strcmp(key, "retry_on") == 0 || strcmp(key, "discard_on") == 0)
		check_codes(key, v);
	else if (strcmp(key, "delays") == 0)
		check_delays(v);
	else if (strcmp(key, "backoff") == 0)
		check_backoff(v);
	else if (strcmp(key, "fallback") == 0)
		check_fallback(v);
	else if (strcmp(key, "jitter") != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("unrecognized key \"%s\" in a retry policy", jdg_excerpt(key)),
				 errhint("Create policies with jadugar.retry_policy().")));
	else if (v->type != jbvBool)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"jitter\" of a retry policy must be true or false"),
				 errdetail("The value is %s.", value_text(v))));
}

/*
 * Raises VALIDATION_ERROR if the policy lists its delays and also says how to
 * compute them.
 */
static void
check_one_way(Jsonb *policy)
{
	static const char *const computed[] = {
		"backoff", "delay", "max_delay", "factor"
	};
	JsonbValue	room;

	if (get_key(policy, "delays", &room) == NULL)
		return;
	for (int i = 0; i < lengthof(computed); i++)
	{
		if (get_key(policy, computed[i], &room) == NULL)
			continue;
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a retry policy cannot have both \"delays\" and \"%s\"",
						computed[i]),
				 errdetail("The delays are listed or computed."),
				 errhint("Leave \"%s\" out. The last one of \"delays\" repeats.",
						 computed[i])));
	}
}

/* Strict check of a policy given by a user; NULL is one. */
void
jdg_retry_check(Jsonb *policy)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;
	char	   *key = NULL;

	if (policy == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(policy))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a retry policy must be a JSON object"),
				 errhint("Create policies with jadugar.retry_policy().")));
	it = JsonbIteratorInit(&policy->root);
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_KEY)
			key = pnstrdup(v.val.string.val, v.val.string.len);
		else if (tok == WJB_VALUE)
			check_member(key, &v);
	}
	check_one_way(policy);
}

int32
jdg_retry_max_attempts(Jsonb *policy, int32 if_none)
{
	double		d = get_number(policy, "max_attempts", if_none);

	return (int32) Max(1.0, Min(d, (double) MAX_ATTEMPTS));
}

char *
jdg_retry_fallback(Jsonb *policy)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, "fallback", &room);

	if (v == NULL || v->type != jbvString)
		return NULL;
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* Does a code for answers mean this one? */
static bool
status_matches(const char *code, int status)
{
	if (status < 100 || status > 999 || code[0] != '0' + status / 100)
		return false;
	return code[1] == 'X' || (code[1] == '0' + status / 10 % 10 &&
							  code[2] == '0' + status % 10);
}

/* Does a code of a list mean this error? */
static bool
code_matches(const char *code, int len, int sqlerrcode, int http_status)
{
	const char *state = unpack_sql_state(sqlerrcode);
	const char *name;

	if (len == 5 || len == 2)
		return memcmp(code, state, len) == 0;
	if (is_http_code(code, len))
		return sqlerrcode == JDG_ERRCODE_HTTP_STATUS &&
			status_matches(code + HTTP_PREFIX_LEN, http_status);
	name = jdg_error_name(sqlerrcode);
	return len == (int) strlen(name) && memcmp(code, name, len) == 0;
}

/*
 * Does one of the codes in the array match this error?  False if the value is
 * no array.
 */
static bool
list_matches(const JsonbValue *v, int sqlerrcode, int http_status)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	elem;

	if (!is_array(v))
		return false;
	it = JsonbIteratorInit(v->val.binary.data);
	while ((tok = JsonbIteratorNext(&it, &elem, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM && elem.type == jbvString &&
			code_matches(elem.val.string.val, elem.val.string.len, sqlerrcode,
						 http_status))
			return true;
	}
	return false;
}

/* Does one of the default codes match this error? */
static bool
default_matches(const char *const *codes, int n, int sqlerrcode,
				int http_status)
{
	for (int i = 0; i < n; i++)
	{
		if (code_matches(codes[i], strlen(codes[i]), sqlerrcode, http_status))
			return true;
	}
	return false;
}

/*
 * A list given replaces the default one; discard_on wins over retry_on.
 * Whether attempts are left is the caller's business.
 */
bool
jdg_retry_wanted(Jsonb *policy, int sqlerrcode, int http_status)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, "discard_on", &room);

	if (v && list_matches(v, sqlerrcode, http_status))
		return false;
	v = get_key(policy, "retry_on", &room);
	if (v)
		return list_matches(v, sqlerrcode, http_status);
	return default_matches(default_retry_on, lengthof(default_retry_on),
						   sqlerrcode, http_status) &&
		!default_matches(default_discard_on, lengthof(default_discard_on),
						 sqlerrcode, http_status);
}

/*
 * Sets the delay after attempt number n, in seconds, from the list of the
 * policy.  False if it has none.
 */
static bool
listed_delay(Jsonb *policy, int n, double *delay)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, "delays", &room);
	JsonbValue *elem;
	int			size;

	if (v == NULL || !is_array(v))
		return false;
	size = JsonContainerSize(v->val.binary.data);
	if (size == 0)
		return false;
	elem = getIthJsonbValueFromContainer(v->val.binary.data,
										 Min(n, size) - 1);
	if (elem->type != jbvNumeric)
		return false;
	*delay = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(elem->val.numeric)));
	return true;
}

/* The delay after attempt number n, in seconds, from the backoff. */
static double
computed_delay(Jsonb *policy, int n)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, "backoff", &room);
	double		delay = get_number(policy, "delay", DEFAULT_DELAY);
	double		max_delay = get_number(policy, "max_delay",
									   Max(DEFAULT_MAX_DELAY, delay));

	if (v && string_is(v, "none"))
		return 0;
	if (v && string_is(v, "linear"))
		delay *= n;
	else if (v == NULL || !string_is(v, "fixed"))
		delay *= pow(get_number(policy, "factor", DEFAULT_FACTOR), n - 1);
	/* the first also for a NaN: 0 times infinity */
	return !(delay < max_delay) ? max_delay : delay;
}

/*
 * Returns the delay after attempt number n, in microseconds.  It is computed
 * in floating point, where a delay that is too large becomes infinite and is
 * cut to max_delay.
 */
int64
jdg_retry_delay(Jsonb *policy, int attempt)
{
	JsonbValue	room;
	JsonbValue *v = get_key(policy, "jitter", &room);
	int			n = Max(attempt, 1);
	double		delay;
	bool		listed = listed_delay(policy, n, &delay);
	bool		jitter = !listed;	/* delays that are listed are exact */

	if (!listed)
		delay = computed_delay(policy, n);
	delay = Max(0.0, Min(delay, MAX_SECONDS));
	if (v != NULL && v->type == jbvBool)
		jitter = v->val.boolean;
	if (jitter)
		delay *= 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
	return (int64) (delay * USECS_PER_SEC);
}
