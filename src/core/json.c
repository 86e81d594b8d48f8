/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Building jsonb objects, see json.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

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
