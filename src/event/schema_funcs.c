/*-------------------------------------------------------------------------
 *
 * schema_funcs.c
 *	  event_schema(): a JSON Schema made from a payload_type.
 *
 * Runs in the caller's process.  Only catalogs are read.
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
#include "event/type.h"

typedef struct SchemaArgs
{
	char	   *type;
	int32	   *version;
} SchemaArgs;

static const JdgArg schema_args[] = {
	{"type", TEXTOID, offsetof(SchemaArgs, type), JDG_NEEDED},
	{"version", INT4OID, offsetof(SchemaArgs, version)},
};

static Jsonb *schema_of(Oid type);

/* an array of texts */
static Jsonb *
array_of(char **texts, int n)
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
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}

/* the labels of an enum */
static Jsonb *
labels_of(Oid type)
{
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME,
										   ObjectIdGetDatum(type));
	char	  **labels = palloc(sizeof(char *) * Max(list->n_members, 1));
	int			n = list->n_members;

	for (int i = 0; i < n; i++)
		labels[i] = pstrdup(NameStr(((Form_pg_enum)
									 GETSTRUCT(&list->members[i]->tuple))->enumlabel));
	ReleaseCatCacheList(list);
	return array_of(labels, n);
}

/* properties and required fields of a composite type */
static void
add_row(JsonbParseState **st, Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	JsonbParseState *properties = NULL;
	char	  **required = palloc(sizeof(char *) * Max(desc->natts, 1));
	int			n = 0;

	jdg_json_text(st, "type", "object");
	jdg_json_begin(&properties);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		jdg_json_jsonb(&properties, NameStr(att->attname),
					   schema_of(att->atttypid));
		if (att->attnotnull)
			required[n++] = NameStr(att->attname);
	}
	jdg_json_jsonb(st, "properties", jdg_json_finish(&properties));
	if (n > 0)
		jdg_json_jsonb(st, "required", array_of(required, n));
	jdg_json_bool(st, "additionalProperties", false);
}

/* Adds the keywords of a scalar type; a type without them takes a string. */
static void
add_scalar(JsonbParseState **st, Oid type)
{
	switch (type)
	{
		case JSONBOID:
		case JSONOID:
			break;
		case BOOLOID:
			jdg_json_text(st, "type", "boolean");
			break;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			jdg_json_text(st, "type", "integer");
			break;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			jdg_json_text(st, "type", "number");
			break;
		case UUIDOID:
			jdg_json_text(st, "type", "string");
			jdg_json_text(st, "format", "uuid");
			break;
		case DATEOID:
			jdg_json_text(st, "type", "string");
			jdg_json_text(st, "format", "date");
			break;
		case TIMESTAMPTZOID:
			jdg_json_text(st, "type", "string");
			jdg_json_text(st, "format", "date-time");
			break;
		default:
			jdg_json_text(st, "type", "string");
			break;
	}
}

/* the schema of a type, which a domain has from its base */
static Jsonb *
schema_of(Oid type)
{
	JsonbParseState *st = NULL;
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	check_stack_depth();
	jdg_json_begin(&st);
	if (OidIsValid(element))
	{
		jdg_json_text(&st, "type", "array");
		jdg_json_jsonb(&st, "items", schema_of(element));
	}
	else if (get_typtype(base) == TYPTYPE_COMPOSITE)
		add_row(&st, base);
	else if (get_typtype(base) == TYPTYPE_ENUM)
	{
		jdg_json_text(&st, "type", "string");
		jdg_json_jsonb(&st, "enum", labels_of(base));
	}
	else
		add_scalar(&st, base);
	return jdg_json_finish(&st);
}

/* event_schema(type, version) */
JDG_FUNCTION(jdg_event_schema, JDG_LEVEL_ANY)
{
	SchemaArgs	a;
	const JdgEventType *type;
	const char *payload_type;
	Oid			oid;
	int32		typmod;
	int			version;
	JsonbParseState *st = NULL;

	JDG_READ_ARGS("event_schema", schema_args, &a);
	jdg_event_type_check_name("type", a.type);
	type = jdg_event_type(a.type);
	if (type == NULL)
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
	payload_type = type->version[version - 1].payload_type;
	if (payload_type == NULL)
	{
		jdg_json_begin(&st);
		jdg_json_text(&st, "type", "object");
		PG_RETURN_JSONB_P(jdg_json_finish(&st));
	}
	jdg_parse_type(payload_type, &oid, &typmod);
	PG_RETURN_JSONB_P(schema_of(oid));
}
