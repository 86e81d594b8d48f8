/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Building jsonb objects, see json.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/json.h"
#include "base/settings.h"

void
jdg_json_begin(JsonbParseState **st)
{
	*st = NULL;
	pushJsonbValue(st, WJB_BEGIN_OBJECT, NULL);
}

static void
push(JsonbParseState **st, const char *key, JsonbValue *value)
{
	JsonbValue	k;

	k.type = jbvString;
	k.val.string.val = unconstify(char *, key);
	k.val.string.len = strlen(key);
	pushJsonbValue(st, WJB_KEY, &k);
	pushJsonbValue(st, WJB_VALUE, value);
}

void
jdg_json_text(JsonbParseState **st, const char *key, const char *value)
{
	JsonbValue	v;

	if (value == NULL)
		return;
	v.type = jbvString;
	v.val.string.val = unconstify(char *, value);
	v.val.string.len = strlen(value);
	push(st, key, &v);
}

void
jdg_json_jsonb(JsonbParseState **st, const char *key, Jsonb *value)
{
	JsonbValue	v;

	if (value == NULL)
		return;
	if (JB_ROOT_IS_SCALAR(value))
		JsonbExtractScalar(&value->root, &v);
	else
	{
		v.type = jbvBinary;
		v.val.binary.data = &value->root;
		v.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	push(st, key, &v);
}

void
jdg_json_int64(JsonbParseState **st, const char *key, int64 value)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(value);
	push(st, key, &v);
}

Jsonb *
jdg_json_finish(JsonbParseState **st)
{
	return JsonbValueToJsonb(pushJsonbValue(st, WJB_END_OBJECT, NULL));
}

Jsonb *
jdg_json_cap(Jsonb *value)
{
	char	   *marker;

	if (value == NULL ||
		VARSIZE(value) <= (Size) jdg_max_result_size * 1024)
		return value;
	marker = psprintf("{\"truncated\": true, \"size\": %zu}",
					  (Size) VARSIZE(value));
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(marker)));
}

static bool
get(const Jsonb *object, const char *key, JsonbValue *v)
{
	return object != NULL && JB_ROOT_IS_OBJECT(object) &&
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &object->root),
									 key, strlen(key), v) != NULL;
}

Jsonb *
jdg_json_get(const Jsonb *object, const char *key)
{
	JsonbValue	v;

	return get(object, key, &v) ? JsonbValueToJsonb(&v) : NULL;
}

char *
jdg_json_get_text(const Jsonb *object, const char *key)
{
	JsonbValue	v;

	if (!get(object, key, &v) || v.type != jbvString)
		return NULL;
	return pnstrdup(v.val.string.val, v.val.string.len);
}

int64
jdg_json_get_int64(const Jsonb *object, const char *key)
{
	JsonbValue	v;

	if (!get(object, key, &v) || v.type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(v.val.numeric)));
}

bool
jdg_json_get_bool(const Jsonb *object, const char *key)
{
	JsonbValue	v;

	return get(object, key, &v) && v.type == jbvBool && v.val.boolean;
}

Jsonb *
jdg_json_empty(void)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	return jdg_json_finish(&st);
}
