/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  Strict conversion of payloads to composite types.
 *
 * jsonb_populate_record() ignores unknown keys and sets missing fields to
 * null; a payload must match its type instead, at every depth.  Each field is
 * converted separately, so that an error can name it.
 *
 * Runs as the user in the user's transaction: input functions and checks of
 * domains are user code.  Their errors are turned into ours and raised again,
 * never swallowed, so no subtransaction is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "handler/function.h"
#include "handler/payload.h"

static bool check_value(Oid type, int32 typmod, JsonbValue *v,
						const char *path);

bool
jdg_payload_type_ok(Oid type)
{
	return get_typtype(getBaseType(type)) == TYPTYPE_COMPOSITE;
}

bool
jdg_payload_type_has(Oid type, const char *field)
{
	Oid			relation = typeidTypeRelid(getBaseType(type));

	return get_attnum(relation, field) > 0;
}

/*
 * Is the payload to blame for the error?  Not for a cancelled query, lack of
 * resources, a conflict of transactions, or an internal error.
 */
static bool
blames_input(int code)
{
	int			class = ERRCODE_TO_CATEGORY(code);

	return class != ERRCODE_OPERATOR_INTERVENTION &&
		class != ERRCODE_INSUFFICIENT_RESOURCES &&
		class != ERRCODE_TRANSACTION_ROLLBACK &&
		class != ERRCODE_TO_CATEGORY(ERRCODE_IO_ERROR) &&
		class != ERRCODE_INTERNAL_ERROR &&
		code != ERRCODE_LOCK_NOT_AVAILABLE;
}

ErrorData *
jdg_take_input_error(MemoryContext mcxt)
{
	if (!blames_input(geterrcode()))
		PG_RE_THROW();
	return jdg_take_error(mcxt);
}

/* An error about the name of the type becomes ours. */
Oid
jdg_payload_type_find(const char *given)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			type;
	int32		typmod;

	if (strlen(given) > JDG_SIGNATURE_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload_type is too long"),
				 errdetail("It has %zu bytes.", strlen(given))));
	PG_TRY();
	{
		jdg_parse_type(given, &type, &typmod);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_input_error(mcxt);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("payload_type \"%s\" does not exist", given),
				 errdetail("%s", edata->message),
				 errhint("Write it with its schema, for example 'app.mail'.")));
	}
	PG_END_TRY();
	if (!jdg_type_acl_ok(type, GetUserId()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for type %s", format_type_be(type)),
				 errhint("Run GRANT USAGE ON TYPE %s TO %s.", format_type_be(type),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	return type;
}

Oid
jdg_payload_type_read(const char *stored)
{
	Oid			type = InvalidOid;
	int32		typmod;

	jdg_parse_type_if_any(stored, &type, &typmod);
	return type;
}

static bool
is_container(const JsonbValue *v, bool array)
{
	if (v == NULL || v->type != jbvBinary)
		return false;
	return array ? JsonContainerIsArray(v->val.binary.data) :
		JsonContainerIsObject(v->val.binary.data);
}

static bool
is_json(Oid type)
{
	return type == JSONBOID || type == JSONOID;
}

/* Raises VALIDATION_ERROR for a field that must be an array or an object. */
static void
raise_wrong_shape(const char *path, bool array, Oid type)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 array ?
			 errmsg("field \"%s\" of the payload must be an array", path) :
			 errmsg("field \"%s\" of the payload must be an object", path),
			 errdetail("Its type is %s.", format_type_be(type)),
			 errhint("Correct the payload.")));
}

/* The text of a JSON value as the type's input function wants it. */
static char *
input_text(Oid base, JsonbValue *v)
{
	Jsonb	   *j;

	if (v == NULL || v->type == jbvNull)
		return NULL;
	if (!is_json(base))
	{
		if (v->type == jbvString)
			return pnstrdup(v->val.string.val, v->val.string.len);
		if (v->type == jbvBool)
			return pstrdup(v->val.boolean ? "true" : "false");
		if (v->type == jbvNumeric)
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(v->val.numeric)));
	}
	j = JsonbValueToJsonb(v);
	return JsonbToCString(NULL, &j->root, VARSIZE(j));
}

/* A scalar by its type's input function; the value itself is dropped. */
static void
convert_scalar(Oid type, int32 typmod, JsonbValue *v)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(type, &input, &ioparam);
	(void) OidInputFunctionCall(input, input_text(getBaseType(type), v),
								ioparam, typmod);
}

/* jsonb_populate_record(NULL::type, payload) */
static void
convert_row(Oid type, Jsonb *payload)
{
	Oid			base = getBaseType(type);

	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	flinfo;
	Const	   *row = makeNullConst(base, -1, InvalidOid);
	Const	   *data = makeNullConst(JSONBOID, -1, InvalidOid);
	Datum		result;

	fmgr_info(F_JSONB_POPULATE_RECORD, &flinfo);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, base,
											 list_make2(row, data),
											 InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = (Datum) 0;
	fcinfo->args[0].isnull = true;
	fcinfo->args[1].value = JsonbPGetDatum(payload);
	fcinfo->args[1].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	if (base != type)
		domain_check(result, fcinfo->isnull, type, NULL, NULL);
}

/*
 * Convert a scalar field, or with a payload the whole of it; an error names
 * the field.
 */
static void
convert(Oid type, int32 typmod, JsonbValue *v, const char *path,
		Jsonb *payload)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		if (payload)
			convert_row(type, payload);
		else
			convert_scalar(type, typmod, v);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_input_error(mcxt);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 payload ? errmsg("invalid payload") :
				 errmsg("invalid value for field \"%s\" of the payload", path),
				 errdetail("%s", jdg_excerpt(edata->message)),
				 edata->hint ? errhint("%s", edata->hint) :
				 errhint("Its type is %s.", format_type_with_typemod(type, typmod))));
	}
	PG_END_TRY();
}

/* Returns the names of the type's fields, separated by commas. */
static char *
list_fields(TupleDesc desc)
{
	StringInfoData s;

	initStringInfo(&s);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			appendStringInfo(&s, "%s%s", s.len > 0 ? ", " : "",
							 NameStr(att->attname));
	}
	return s.data;
}

static char *
join_path(const char *path, const char *field)
{
	return path[0] ? psprintf("%s.%s", path, field) : pstrdup(field);
}

/* Raises VALIDATION_ERROR for a key that is no field of the type. */
static void
check_keys(TupleDesc desc, Oid type, JsonbContainer *object, const char *path)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken tok;
	JsonbValue	v;

	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		bool		known = false;
		char	   *key;

		if (tok != WJB_KEY)
			continue;
		key = pnstrdup(v.val.string.val, v.val.string.len);
		for (int i = 0; i < desc->natts && !known; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			known = !att->attisdropped &&
				strcmp(NameStr(att->attname), key) == 0;
		}
		if (!known)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("unrecognized field \"%s\" in the payload",
							jdg_excerpt(join_path(path, key))),
					 errdetail("Type %s has the fields %s.",
							   format_type_be(type), list_fields(desc)),
					 errhint("Remove the field or correct its name.")));
	}
}

/*
 * An object against the attributes of a composite type.  Returns whether the
 * whole is to be converted, too.
 */
static bool
check_row(Oid type, int32 typmod, JsonbContainer *object, const char *path)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, typmod);
	bool		whole = false;

	check_keys(desc, type, object, path);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *name = NameStr(att->attname);
		JsonbValue *v;
		char	   *field;

		if (att->attisdropped)
			continue;
		v = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
		field = join_path(path, name);
		if (att->attnotnull && (v == NULL || v->type == jbvNull))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 v ? errmsg("field \"%s\" of the payload must not be null", field) :
					 errmsg("field \"%s\" of the payload is missing", field),
					 errdetail("Type %s declares it NOT NULL.",
							   format_type_be(type)),
					 errhint("Give the field a value.")));
		whole |= check_value(att->atttypid, att->atttypmod, v, field);
	}
	return whole;
}

/* Elements of an array, at any number of dimensions. */
static void
check_elements(Oid type, int32 typmod, JsonbContainer *array,
			   const char *path)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken tok;
	JsonbValue	v;
	int			i = 0;

	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *item;

		if (tok != WJB_ELEM)
			continue;
		item = psprintf("%s[%d]", path, i++);
		if (is_container(&v, true) && !is_json(getBaseType(type)))
			check_elements(type, typmod, v.val.binary.data, item);
		else
			(void) check_value(type, typmod, &v, item);
		pfree(item);
	}
}

/*
 * Checks a value, or NULL where it is missing, against the type of a field.
 * Rows and arrays are checked element by element; the constraints of domains
 * over them are left to the conversion of the whole, and if there is such a
 * value, the result is true.
 */
static bool
check_value(Oid type, int32 typmod, JsonbValue *v, const char *path)
{
	int32		base_typmod = typmod;
	Oid			base = getBaseTypeAndTypmod(type, &base_typmod);
	Oid			element = get_element_type(base);
	bool		is_null = v == NULL || v->type == jbvNull;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (is_null && base == type)
		return false;
	if (!is_null && get_typtype(base) == TYPTYPE_COMPOSITE)
	{
		if (!is_container(v, false))
			raise_wrong_shape(path, false, type);
		(void) check_row(base, base_typmod, v->val.binary.data, path);
		return true;
	}
	if (!is_null && OidIsValid(element) && v->type != jbvString)
	{
		if (!is_container(v, true))
			raise_wrong_shape(path, true, type);
		check_elements(element, base_typmod, v->val.binary.data, path);
		return true;
	}
	convert(type, typmod, v, path, NULL);
	return false;
}

/* Is it the text of a whole number in this range?  Others may be, too. */
static bool
is_integer(Numeric number, int64 min, int64 max)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(number)));
	char	   *digits = &text[text[0] == '-'];
	size_t		len = strlen(digits);
	bool		ok = len <= 18 && strspn(digits, "0123456789") == len;

	if (ok)
	{
		int64		value = strtoi64(text, NULL, 10);

		ok = value >= min && value <= max;
	}
	pfree(text);
	return ok;
}

/* Is it a date such as 2026-01-28?  The last days of months are left out. */
static bool
is_iso_date(const char *s, int len)
{
	static const char pattern[] = "0000-00-00";
	int			month;
	int			day;

	if (len != sizeof(pattern) - 1)
		return false;
	for (int i = 0; i < len; i++)
	{
		if (pattern[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != pattern[i])
			return false;
	}
	month = (s[5] - '0') * 10 + s[6] - '0';
	day = (s[8] - '0') * 10 + s[9] - '0';
	return memcmp(s, "0000", 4) != 0 && month >= 1 && month <= 12 &&
		day >= 1 && day <= 28;
}

/* Is the value certainly one of the type? */
static bool
is_plain(Oid type, int32 typmod, const JsonbValue *v)
{
	switch (type)
	{
		case TEXTOID:
		case JSONBOID:
		case JSONOID:
			return true;
		case VARCHAROID:
			return typmod < 0 || (v->type == jbvString &&
								  v->val.string.len <= typmod - VARHDRSZ);
		case BOOLOID:
			return v->type == jbvBool;
		case NUMERICOID:
			return v->type == jbvNumeric && typmod < 0;
		case INT2OID:
			return v->type == jbvNumeric &&
				is_integer(v->val.numeric, PG_INT16_MIN, PG_INT16_MAX);
		case INT4OID:
			return v->type == jbvNumeric &&
				is_integer(v->val.numeric, PG_INT32_MIN, PG_INT32_MAX);
		case INT8OID:
			return v->type == jbvNumeric &&
				is_integer(v->val.numeric, PG_INT64_MIN, PG_INT64_MAX);
		case DATEOID:
			return v->type == jbvString &&
				is_iso_date(v->val.string.val, v->val.string.len);
		default:
			return false;
	}
}

bool
jdg_payload_is_plain(Oid type, Jsonb *payload)
{
	TupleDesc	desc;
	uint32		found = 0;
	bool		plain = true;

	if (!JB_ROOT_IS_OBJECT(payload))
		return false;
	/* NULL for a domain, too */
	desc = lookup_rowtype_tupdesc_noerror(type, -1, true);
	if (desc == NULL)
		return false;
	for (int i = 0; i < desc->natts && plain; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *name = NameStr(att->attname);
		JsonbValue	room;
		JsonbValue *v;

		if (att->attisdropped)
			continue;
		v = getKeyJsonValueFromContainer(&payload->root, name, strlen(name),
										 &room);
		found += v != NULL;
		if (v == NULL || v->type == jbvNull)
			plain = !att->attnotnull && att->atttypid < FirstNormalObjectId;
		else
			plain = is_plain(att->atttypid, att->atttypmod, v);
	}
	ReleaseTupleDesc(desc);
	/* there may be keys that are no fields */
	return plain && found == JB_ROOT_COUNT(payload);
}

void
jdg_payload_check(Oid type, Jsonb *payload)
{
	int32		typmod = -1;
	Oid			base = getBaseTypeAndTypmod(type, &typmod);

	Assert(!jdg_is_bookkeeping());
	if (jdg_payload_is_plain(type, payload))
		return;
	if (!JB_ROOT_IS_OBJECT(payload))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload must be a JSON object"),
				 errdetail("It is converted to type %s.",
						   format_type_be(type)),
				 errhint("Write an object with one key for each field.")));
	if (check_row(base, typmod, &payload->root, "") || base != type)
		convert(type, -1, NULL, "", payload);
}
