/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Values of a payload, see reader.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "request/encode.h"
#include "request/fields.h"
#include "request/reader.h"

/* maximum length of a number that is no JSON, in bytes */
#define NUMBER_MAX 1000

void
jdg_payload_fault(const char *key, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s", what),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

void
jdg_payload_fault_at(const char *key, const char *what, const char *value,
					 const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s The value is \"%s\".", what, jdg_excerpt(value)),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

void
jdg_payload_fault_parameter(const char *key, const char *what,
							const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s The parameter is \"%s\".", what, jdg_excerpt(name)),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

void
jdg_payload_fault_header(const char *key, const char *what, const char *name,
						 const char *hint)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s The header is \"%s\".", what, jdg_excerpt(name)),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

/* A text of the database in UTF-8, palloc'd. */
static char *
to_utf8(const char *text, int len)
{
	char	   *copy = pnstrdup(text, len);
	char	   *result = pg_server_to_any(copy, len, PG_UTF8);

	return result;
}

char *
jdg_payload_string(const char *key, const JsonbValue *v)
{
	if (v->type != jbvString)
		jdg_payload_fault(key, "It is not a string.", NULL);
	return to_utf8(v->val.string.val, v->val.string.len);
}

/* A number as text.  It is bounded: few bytes can stand for many digits. */
static char *
number(const char *key, const JsonbValue *v)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(v->val.numeric)));

	if (strlen(text) > NUMBER_MAX)
		jdg_payload_fault(key, "It has a number of more than 1000 digits.", NULL);
	return text;
}

char *
jdg_payload_scalar(const char *key, const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvString:
			return jdg_payload_string(key, v);
		case jbvNumeric:
			return number(key, v);
		case jbvBool:
			return pstrdup(v->val.boolean ? "true" : "false");
		default:
			jdg_payload_fault(key, "It has a value that is neither a string nor a number nor a boolean.",
							  NULL);
	}
	return NULL;
}

int64
jdg_payload_id(const char *key, const JsonbValue *v)
{
	char	   *text;
	char	   *end;
	int64		id;

	if (v->type != jbvNumeric)
		jdg_payload_fault(key, "It is not a number.", NULL);
	text = jdg_payload_scalar(key, v);

	errno = 0;
	id = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || id <= 0)
		jdg_payload_fault_at(key, "It is not a positive whole number.", text, NULL);
	return id;
}

/* An iterator that has begun an object or an array. */
static JsonbIterator *
begin(const char *key, const JsonbValue *v, JsonbIteratorToken wanted)
{
	JsonbIterator *it;
	JsonbValue	first;

	if (v->type != jbvBinary)
		jdg_payload_fault(key, wanted == WJB_BEGIN_OBJECT ?
						  "It is not an object." : "It is not an array.", NULL);
	it = JsonbIteratorInit(v->val.binary.data);
	if (JsonbIteratorNext(&it, &first, true) != wanted ||
		(wanted == WJB_BEGIN_ARRAY && first.val.array.rawScalar))
		jdg_payload_fault(key, wanted == WJB_BEGIN_OBJECT ?
						  "It is not an object." : "It is not an array.", NULL);
	return it;
}

List *
jdg_payload_elements(const char *key, const JsonbValue *v)
{
	JsonbIterator *it = begin(key, v, WJB_BEGIN_ARRAY);
	List	   *result = NIL;
	JsonbValue	element;

	while (JsonbIteratorNext(&it, &element, true) == WJB_ELEM)
	{
		JsonbValue *copy = palloc(sizeof(JsonbValue));

		*copy = element;
		result = lappend(result, copy);
	}
	return result;
}

static List *
add_field(List *fields, char *name, char *value)
{
	JdgField   *field = palloc(sizeof(JdgField));

	field->name = name;
	field->value = value;
	field->order = list_length(fields);
	return lappend(fields, field);
}

/* By name; the elements of an array keep their order. */
static int
compare_fields(const ListCell *a, const ListCell *b)
{
	const JdgField *x = lfirst(a);
	const JdgField *y = lfirst(b);
	int			result = strcmp(x->name, y->name);

	return result != 0 ? result : x->order - y->order;
}

List *
jdg_payload_fields(const char *key, const JsonbValue *v)
{
	JsonbIterator *it = begin(key, v, WJB_BEGIN_OBJECT);
	List	   *fields = NIL;
	JsonbValue	item;

	while (JsonbIteratorNext(&it, &item, true) == WJB_KEY)
	{
		char	   *name = to_utf8(item.val.string.val, item.val.string.len);
		List	   *elements;
		ListCell   *lc;

		JsonbIteratorNext(&it, &item, true);
		if (item.type == jbvNull)
			continue;
		if (item.type != jbvBinary || !JsonContainerIsArray(item.val.binary.data))
		{
			fields = add_field(fields, name, jdg_payload_scalar(key, &item));
			continue;
		}
		elements = jdg_payload_elements(key, &item);
		foreach(lc, elements)
		{
			fields = add_field(fields, name, jdg_payload_scalar(key, lfirst(lc)));
		}
	}
	list_sort(fields, compare_fields);
	return fields;
}

char *
jdg_payload_base64(const char *key, const JsonbValue *v, size_t *size)
{
	char	   *text = jdg_payload_string(key, v);
	char	   *bytes = palloc(strlen(text) + 1);

	if (!jdg_base64_decode(text, strlen(text), bytes, size))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid key \"%s\" of a request", key),
				 errdetail("It is not valid base64 at byte %zu.", *size + 1)));
	return bytes;
}
