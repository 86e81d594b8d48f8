/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Builds jsonb objects, see json.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
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

/* Adds a string as the given token: a key, a value or an element. */
static void
push_string(JsonbParseState **st, JsonbIteratorToken token, const char *s)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, s);
	v.val.string.len = strlen(s);
	pushJsonbValue(st, token, &v);
}

/* Adds a field. */
static void
push(JsonbParseState **st, const char *key, JsonbValue *value)
{
	push_string(st, WJB_KEY, key);
	pushJsonbValue(st, WJB_VALUE, value);
}

void
jdg_json_text(JsonbParseState **st, const char *key, const char *value)
{
	if (value == NULL)
		return;
	push_string(st, WJB_KEY, key);
	push_string(st, WJB_VALUE, value);
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
	jdg_json_numeric(st, key, int64_to_numeric(value));
}

void
jdg_json_numeric(JsonbParseState **st, const char *key, Numeric value)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = value;
	push(st, key, &v);
}

void
jdg_json_bool(JsonbParseState **st, const char *key, bool value)
{
	JsonbValue	v;

	v.type = jbvBool;
	v.val.boolean = value;
	push(st, key, &v);
}

void
jdg_json_texts(JsonbParseState **st, const char *key, ArrayType *value)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	if (value == NULL)
		return;
	deconstruct_array(value, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	push_string(st, WJB_KEY, key);
	pushJsonbValue(st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		push_string(st, WJB_ELEM, nulls[i] ? "" : TextDatumGetCString(elems[i]));
	pushJsonbValue(st, WJB_END_ARRAY, NULL);
}

Jsonb *
jdg_json_finish(JsonbParseState **st)
{
	return JsonbValueToJsonb(pushJsonbValue(st, WJB_END_OBJECT, NULL));
}

Jsonb *
jdg_json_truncated(Size size)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_bool(&st, "truncated", true);
	jdg_json_int64(&st, "size", (int64) size);
	return jdg_json_finish(&st);
}

/* The bytes of a string as text, with its quotes; see escape_json(). */
static int64
string_text_size(const JsonbValue *v)
{
	int64		n = v->val.string.len + 2;

	for (int i = 0; i < v->val.string.len; i++)
	{
		unsigned char c = (unsigned char) v->val.string.val[i];

		if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v'))
			n++;
		else if (c < ' ')
			n += strlen("u0000");
	}
	return n;
}

static int64
scalar_text_size(const JsonbValue *v)
{
	char	   *text;
	int64		n;

	switch (v->type)
	{
		case jbvString:
			return string_text_size(v);
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(v->val.numeric)));

			n = (int64) strlen(text);
			pfree(text);
			return n;
		case jbvBool:
			return v->val.boolean ? strlen("true") : strlen("false");
		default:
			return strlen("null");
	}
}

int64
jdg_json_text_size(Jsonb *json, int64 max)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken tok;
	JsonbValue	v;
	int64		n = 0;

	while (n <= max &&
		   (tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		/* brackets, and ", " between elements */
		if (tok == WJB_BEGIN_ARRAY && !v.val.array.rawScalar)
			n += 2 * Max(v.val.array.nElems, 1);
		else if (tok == WJB_BEGIN_OBJECT)
			n += 2 * Max(v.val.object.nPairs, 1);
		else if (tok == WJB_KEY)
			n += string_text_size(&v) + strlen(": ");
		else if (tok == WJB_VALUE || tok == WJB_ELEM)
			n += scalar_text_size(&v);
	}
	return n;
}

Jsonb *
jdg_json_cap(Jsonb *value)
{
	int64		max = (int64) jdg_max_result_size * 1024;
	int64		size;

	if (value == NULL)
		return NULL;
	if (VARSIZE(value) > max)
		return jdg_json_truncated(VARSIZE(value));
	/* strings grow to this size at most; numbers can be much longer */
	max *= JDG_JSON_GROWTH;
	size = jdg_json_text_size(value, max);
	return size <= max ? value : jdg_json_truncated(size);
}

/* Finds a field; false if it does not exist. */
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

static Jsonb *
concat(Jsonb *a, Jsonb *b)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(a),
											  JsonbPGetDatum(b)));
}

Jsonb *
jdg_json_with(Jsonb *object, const char *key, Jsonb *value)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_jsonb(&st, key, value);
	return concat(object, jdg_json_finish(&st));
}

Jsonb *
jdg_json_with_text(Jsonb *object, const char *key, const char *value)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, key, value);
	return concat(object, jdg_json_finish(&st));
}

Jsonb *
jdg_json_of_row(Datum row, Oid type)
{
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo	flinfo;
	Const	   *arg = makeNullConst(type, -1, InvalidOid);

	/* to_jsonb() asks for the type of its argument's expression */
	fmgr_info(F_TO_JSONB, &flinfo);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
											 list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = row;
	fcinfo->args[0].isnull = false;
	return DatumGetJsonbP(FunctionCallInvoke(fcinfo));
}

int
jdg_json_depth(Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			depth = 0;
	int			max = 0;

	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if (tok == WJB_BEGIN_OBJECT ||
			(tok == WJB_BEGIN_ARRAY && !v.val.array.rawScalar))
		{
			depth++;
			max = Max(max, depth);
		}
		else if (tok == WJB_END_OBJECT ||
				 (tok == WJB_END_ARRAY && depth > 0))
			depth--;
	}
	return max;
}

int64
jdg_json_elements(Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken tok;
	JsonbValue	v;
	int64		n = 0;

	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if (tok == WJB_BEGIN_ARRAY)
			n += v.val.array.nElems;
	}
	return n;
}
