/*-------------------------------------------------------------------------
 *
 * schema_funcs.c
 *	  event_schema(): a JSON Schema made from a payload_type; and the column
 *	  fields of the view event_types, which is shorter.
 *
 * Runs in the caller's process.  Only catalogs are read.
 *
 * publish() accepts data that is valid against the schema, if the checks of
 * domains and the formats of strings allow it.  And what to_jsonb() makes of a
 * row of the type is valid, but for numbers that are infinite or NaN, which
 * JSON does not have.  publish() takes further spellings, such as a number in
 * a string.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "event/convert.h"
#include "event/grant.h"
#include "handler/payload.h"

typedef struct SchemaArgs
{
	char	   *type;
	int32	   *version;
} SchemaArgs;

static const JdgArg schema_args[] = {
	{"type", TEXTOID, offsetof(SchemaArgs, type), JDG_NEEDED},
	{"version", INT4OID, offsetof(SchemaArgs, version)},
};

PG_FUNCTION_INFO_V1(jdg_v_event_type_fields);

/* a type as the attribute, the element or the whole has it */
typedef struct Place
{
	Oid			type;
	int32		typmod;
	int			dimensions;		/* declared ones of an array */
	bool		nullable;
} Place;

static Jsonb *schema_of(const Place *place);

/* an array of texts, and of null */
static Jsonb *
array_of(char **texts, int n, bool nullable)
{
	JsonbParseState *st = NULL;
	JsonbValue	v;

	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		v.type = jbvString;
		v.val.string.val = texts[i];
		v.val.string.len = strlen(texts[i]);
		(void) pushJsonbValue(&st, WJB_ELEM, &v);
	}
	v.type = jbvNull;
	if (nullable)
		(void) pushJsonbValue(&st, WJB_ELEM, &v);
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}

/* "type": a JSON type, or null too */
static void
add_type(JsonbParseState **st, const char *type, bool nullable)
{
	char	   *types[] = {pstrdup(type), pstrdup("null")};

	if (nullable)
		jdg_json_jsonb(st, "type", array_of(types, 2, false));
	else
		jdg_json_text(st, "type", type);
}

/* the labels of an enum */
static Jsonb *
labels_of(Oid type, bool nullable)
{
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME,
										   ObjectIdGetDatum(type));
	char	  **labels = palloc(sizeof(char *) * Max(list->n_members, 1));
	int			n = list->n_members;

	for (int i = 0; i < n; i++)
		labels[i] = pstrdup(NameStr(((Form_pg_enum)
									 GETSTRUCT(&list->members[i]->tuple))->enumlabel));
	ReleaseCatCacheList(list);
	return array_of(labels, n, nullable);
}

/* what the domains say that a type is made of */
typedef struct Domains
{
	bool		not_null;
	int			dimensions;		/* declared ones of an array */
} Domains;

static Domains
read_domains(Oid type)
{
	Domains		d = {0};

	while (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
		Form_pg_type form;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		form = (Form_pg_type) GETSTRUCT(tuple);
		d.not_null |= form->typnotnull;
		d.dimensions = Max(d.dimensions, form->typndims);
		type = form->typbasetype;
		ReleaseSysCache(tuple);
	}
	return d;
}

/* Does publish() refuse a null in the attribute, and data without it? */
static bool
is_required(Form_pg_attribute att)
{
	return att->attnotnull || read_domains(att->atttypid).not_null;
}

/* properties and required fields of a composite type */
static void
add_row(JsonbParseState **st, Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	JsonbParseState *properties = NULL;
	char	  **required = palloc(sizeof(char *) * Max(desc->natts, 1));
	int			n = 0;

	jdg_json_begin(&properties);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Place		place = {att->atttypid, att->atttypmod, att->attndims};

		if (att->attisdropped)
			continue;
		place.nullable = !is_required(att);
		jdg_json_jsonb(&properties, NameStr(att->attname), schema_of(&place));
		if (!place.nullable)
			required[n++] = NameStr(att->attname);
	}
	jdg_json_jsonb(st, "properties", jdg_json_finish(&properties));
	if (n > 0)
		jdg_json_jsonb(st, "required", array_of(required, n, false));
	jdg_json_bool(st, "additionalProperties", false);
}

/* Adds the keywords of a whole number between these limits. */
static void
add_integer(JsonbParseState **st, int64 min, int64 max, bool nullable)
{
	add_type(st, "integer", nullable);
	jdg_json_int64(st, "minimum", min);
	jdg_json_int64(st, "maximum", max);
}

/* Adds the keywords of a string. */
static void
add_string(JsonbParseState **st, const char *format, int32 max_length,
		   bool nullable)
{
	add_type(st, "string", nullable);
	jdg_json_text(st, "format", format);
	if (max_length >= 0)
		jdg_json_int64(st, "maxLength", max_length);
}

/* Adds the keywords of a json value, of any type. */
static void
add_any(JsonbParseState **st, bool nullable)
{
	static char *types[] = {"object", "array", "string", "number", "boolean"};

	if (!nullable)
		jdg_json_jsonb(st, "type", array_of(types, lengthof(types), false));
}

/* Adds the keywords of a scalar type; a type without them takes a string. */
static void
add_scalar(JsonbParseState **st, Oid type, int32 typmod, bool nullable)
{
	switch (type)
	{
		case JSONBOID:
		case JSONOID:
			add_any(st, nullable);
			break;
		case BOOLOID:
			add_type(st, "boolean", nullable);
			break;
		case INT2OID:
			add_integer(st, PG_INT16_MIN, PG_INT16_MAX, nullable);
			break;
		case INT4OID:
			add_integer(st, PG_INT32_MIN, PG_INT32_MAX, nullable);
			break;
		case INT8OID:
			add_integer(st, PG_INT64_MIN, PG_INT64_MAX, nullable);
			break;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			add_type(st, "number", nullable);
			break;
		case UUIDOID:
			add_string(st, "uuid", -1, nullable);
			break;
		case DATEOID:
			add_string(st, "date", -1, nullable);
			break;
		case TIMESTAMPTZOID:
			add_string(st, "date-time", -1, nullable);
			break;
		case VARCHAROID:
		case BPCHAROID:
			add_string(st, NULL, typmod < 0 ? -1 : typmod - VARHDRSZ, nullable);
			break;
		default:
			add_string(st, NULL, -1, nullable);
			break;
	}
}

/* Adds the keywords of an array, which has as many levels as dimensions. */
static void
add_array(JsonbParseState **st, Oid element, int32 typmod, int dimensions)
{
	JsonbParseState *inner = NULL;
	Place		place = {element, typmod, 0, !read_domains(element).not_null};

	if (dimensions <= 1)
	{
		jdg_json_jsonb(st, "items", schema_of(&place));
		return;
	}
	jdg_json_begin(&inner);
	jdg_json_text(&inner, "type", "array");
	add_array(&inner, element, typmod, dimensions - 1);
	jdg_json_jsonb(st, "items", jdg_json_finish(&inner));
}

/* the schema of a type, which a domain has from its base */
static Jsonb *
schema_of(const Place *place)
{
	JsonbParseState *st = NULL;
	int32		typmod = place->typmod;
	Oid			base = getBaseTypeAndTypmod(place->type, &typmod);
	Oid			element = get_element_type(base);

	check_stack_depth();
	jdg_json_begin(&st);
	if (OidIsValid(element))
	{
		add_type(&st, "array", place->nullable);
		add_array(&st, element, typmod,
				  Max(place->dimensions, read_domains(place->type).dimensions));
	}
	else if (get_typtype(base) == TYPTYPE_COMPOSITE)
	{
		add_type(&st, "object", place->nullable);
		add_row(&st, base);
	}
	else if (get_typtype(base) == TYPTYPE_ENUM)
	{
		add_type(&st, "string", place->nullable);
		jdg_json_jsonb(&st, "enum", labels_of(base, place->nullable));
	}
	else
		add_scalar(&st, base, typmod, place->nullable);
	return jdg_json_finish(&st);
}

/* the schema of data without a payload_type, or of one over jsonb */
static Jsonb *
any_object(void)
{
	JsonbParseState *st = NULL;

	jdg_json_begin(&st);
	jdg_json_text(&st, "type", "object");
	return jdg_json_finish(&st);
}

/* event_schema(type, version) */
JDG_FUNCTION(jdg_event_schema, JDG_LEVEL_ANY)
{
	SchemaArgs	a;
	const JdgEventType *type;
	Place		whole = {0};
	int			version;

	JDG_READ_ARGS("event_schema", schema_args, &a);
	jdg_event_type_check_name("type", a.type);
	type = jdg_event_type(a.type);
	if (type == NULL || !jdg_event_may_know(GetUserId(), type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("event type \"%s\" is not registered", a.type),
				 errhint("See the view jadugar.event_types.")));
	version = a.version ? *a.version : type->latest;
	if (version < 1 || version > type->latest)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("event type \"%s\" has no version %d", a.type, version),
				 errdetail("Its latest version is %d.", type->latest)));
	whole.type = jdg_event_payload_type(type, version);
	whole.typmod = -1;
	if (!OidIsValid(whole.type) || getBaseType(whole.type) == JSONBOID)
		PG_RETURN_JSONB_P(any_object());
	PG_RETURN_JSONB_P(schema_of(&whole));
}

/* one of the fields of a payload_type, an element of the array */
static void
add_field(JsonbParseState **st, Form_pg_attribute att)
{
	bits16		flags = FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_ALLOW_INVALID;

	(void) pushJsonbValue(st, WJB_BEGIN_OBJECT, NULL);
	jdg_json_text(st, "name", NameStr(att->attname));
	jdg_json_text(st, "type",
				  format_type_extended(att->atttypid, att->atttypmod, flags));
	jdg_json_bool(st, "required", is_required(att));
	(void) pushJsonbValue(st, WJB_END_OBJECT, NULL);
}

/*
 * The attributes of a composite type, in order.  They are read one by one: who
 * opens the type's relation fails if it is dropped meanwhile.
 */
static Jsonb *
fields_of(Oid type)
{
	Oid			relid = get_typ_typrelid(getBaseType(type));
	JsonbParseState *st = NULL;

	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (AttrNumber i = 1;; i++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
											Int16GetDatum(i));

		if (!HeapTupleIsValid(tuple))
			break;
		if (!((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped)
			add_field(&st, (Form_pg_attribute) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}

/*
 * _v_event_type_fields(payload_type): the fields of a composite type, or null.
 * Names of types do not depend on the caller's search_path.
 */
Datum
jdg_v_event_type_fields(PG_FUNCTION_ARGS)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Jsonb	   *fields = NULL;
	JdgInternal in;
	Oid			type;

	if (!jdg_has_access(GetUserId()))
		PG_RETURN_NULL();
	jdg_internal_begin(&in);
	MemoryContextSwitchTo(mcxt);
	type = jdg_payload_type_read(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (OidIsValid(type) && jdg_payload_type_ok(type))
		fields = fields_of(type);
	jdg_internal_end(&in);
	if (fields == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(fields);
}
