/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  Data of events against the versions of their types, see convert.h.
 *
 * Checks of domains, upcasts and downcasts are code of the type's owner.  They
 * run as that role, security-restricted and with a search_path of the system
 * catalog only, like index expressions in REINDEX: so no type runs code with
 * the rights of a publisher or of a reader.  An error restores user and
 * settings with the (sub)transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "access/owner.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "event/convert.h"
#include "handler/function.h"
#include "handler/payload.h"

/* the state to restore after code of a type's owner */
typedef struct AsOwner
{
	Oid			user;
	int			sec_context;
	int			guc_level;
} AsOwner;

static void
begin_as_owner(AsOwner *a, const JdgEventType *type)
{
	NameData	name;
	bool		can_login;

	Assert(!jdg_is_bookkeeping());
	if (!jdg_role_read(type->owner, &name, &can_login) ||
		!jdg_role_is_meant(type->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the owner of event type \"%s\" does not exist",
						type->name),
				 errhint("An operator can give the type to another role with jadugar.reassign_owned().")));
	GetUserIdAndSecContext(&a->user, &a->sec_context);
	SetUserIdAndSecContext(type->owner,
						   a->sec_context | SECURITY_RESTRICTED_OPERATION);
	a->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

static void
end_as_owner(AsOwner *a)
{
	AtEOXact_GUC(false, a->guc_level);
	SetUserIdAndSecContext(a->user, a->sec_context);
}

/* the version that a conversion is about, for the context of errors */
typedef struct Context
{
	const JdgEventType *type;
	int			version;
} Context;

static void
add_context(void *arg)
{
	Context    *c = arg;

	errcontext("data of event type \"%s\", version %d", c->type->name,
			   c->version);
}

bool
jdg_event_payload_type_ok(Oid type)
{
	return jdg_payload_type_ok(type) ||
		(get_typtype(type) == TYPTYPE_DOMAIN && getBaseType(type) == JSONBOID);
}

Oid
jdg_event_payload_type(const JdgEventType *type, int version)
{
	const char *name = type->version[version - 1].payload_type;
	Oid			oid;

	if (name == NULL)
		return InvalidOid;
	oid = jdg_payload_type_read(name);
	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("payload_type %s of event type \"%s\" does not exist",
						name, type->name),
				 errdetail("Data of version %d cannot be checked.", version),
				 errhint("Create it again, or register another one in its place with jadugar.register_event_type(%s, ..., version => %d).",
						 quote_literal_cstr(type->name), version)));
	if (!jdg_event_payload_type_ok(oid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("payload_type %s of event type \"%s\" is not a composite type",
						name, type->name),
				 errdetail("It was replaced after version %d was registered.",
						   version),
				 errhint("Register another one in its place with jadugar.register_event_type(%s, ..., version => %d).",
						 quote_literal_cstr(type->name), version)));
	return oid;
}

/* Checks data against a domain over jsonb, or a composite type. */
static void
check_type(const JdgEventType *event_type, int number, Jsonb *data)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgEventVersion *version = &event_type->version[number - 1];
	Oid			type = jdg_event_payload_type(event_type, number);

	version->payload_oid = type;
	if (getBaseType(type) != JSONBOID)
	{
		jdg_payload_check(type, data);
		return;
	}
	PG_TRY();
	{
		domain_check(JsonbPGetDatum(data), false, type, NULL, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_input_error(mcxt);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid payload"),
				 errdetail("%s", jdg_excerpt(edata->message)),
				 errhint("Its type is %s.", version->payload_type)));
	}
	PG_END_TRY();
}

void
jdg_event_check_data(const JdgEventType *type, int version, Jsonb *data)
{
	JdgEventVersion *v = &type->version[version - 1];
	Context		c = {type, version};
	ErrorContextCallback callback = {error_context_stack, add_context, &c};
	AsOwner		a;

	Assert(version > 0 && version <= type->latest);
	/* the usual data needs no code of the owner */
	if (v->payload_type == NULL ||
		(OidIsValid(v->payload_oid) &&
		 jdg_payload_is_plain(v->payload_oid, data)))
		return;
	error_context_stack = &callback;
	begin_as_owner(&a, type);
	check_type(type, version, data);
	end_as_owner(&a);
	error_context_stack = callback.previous;
}

char *
jdg_event_key_of(const JdgEventType *type, Jsonb *data)
{
	LOCAL_FCINFO(fcinfo, 4);
	Datum		found;
	JsonbValue	v;

	if (type->key == NULL)
		return NULL;
	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(data);
	fcinfo->args[1].value = PointerGetDatum(type->key);
	fcinfo->args[2].value = JsonbPGetDatum(jdg_json_empty());
	fcinfo->args[3].value = BoolGetDatum(true);
	for (int i = 0; i < 4; i++)
		fcinfo->args[i].isnull = false;
	found = jsonb_path_query_first(fcinfo);
	if (fcinfo->isnull)
		return NULL;
	if (!JB_ROOT_IS_SCALAR(DatumGetJsonbP(found)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the key of an event must be a string, a number or a boolean"),
				 errdetail("The key path of event type \"%s\" finds an array or an object.",
						   type->name)));
	(void) JsonbExtractScalar(&DatumGetJsonbP(found)->root, &v);
	switch (v.type)
	{
		case jbvString:
			return pnstrdup(v.val.string.val, v.val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(v.val.numeric)));
		case jbvBool:
			return pstrdup(v.val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* Calls a function of polymorphic type with one argument. */
static Datum
call_typed(Oid function, Oid result, List *args, NullableDatum *values,
		   bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	flinfo;
	Datum		d;
	int			n = list_length(args);

	fmgr_info(function, &flinfo);
	fmgr_info_set_expr((Node *) makeFuncExpr(function, result, args,
											 InvalidOid, DEFAULT_COLLATION_OID,
											 COERCE_EXPLICIT_CALL), &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, n, DEFAULT_COLLATION_OID, NULL,
							 NULL);
	memcpy(fcinfo->args, values, sizeof(NullableDatum) * n);
	d = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	return d;
}

/* jsonb_populate_record(NULL::type, data) */
static Datum
to_row(Oid type, Jsonb *data, bool *isnull)
{
	Oid			base = getBaseType(type);
	NullableDatum v[2] = {{(Datum) 0, true}, {JsonbPGetDatum(data), false}};

	return call_typed(F_JSONB_POPULATE_RECORD, base,
					  list_make2(makeNullConst(base, -1, InvalidOid),
								 makeNullConst(JSONBOID, -1, InvalidOid)),
					  v, isnull);
}

/* to_jsonb(row) */
static Jsonb *
from_row(Oid type, Datum row)
{
	NullableDatum v[1] = {{row, false}};
	bool		isnull;
	Datum		d;

	d = call_typed(F_TO_JSONB, JSONBOID,
				   list_make1(makeNullConst(type, -1, InvalidOid)), v,
				   &isnull);
	return DatumGetJsonbP(d);
}

/* Finds an upcast or a downcast that may be called. */
static void
find_cast(const Context *c, const char *signature, JdgFunction *f)
{
	if (!jdg_function_read_any(signature, f))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s of event type \"%s\" does not exist",
						signature, c->type->name),
				 errhint("Create it again, or register the version with another one: see upcast and downcast in the view jadugar.event_types.")));
	if (!jdg_proc_acl_ok(f->oid, GetUserId()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for function %s", signature)));
	if (func_volatile(f->oid) == PROVOLATILE_VOLATILE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("function %s must not be volatile", signature)));
}

/* Calls an upcast or a downcast, as the owner of the type. */
static Jsonb *
call_cast(const Context *c, const char *signature, Jsonb *data)
{
	JdgFunction f;
	NullableDatum v[1] = {{JsonbPGetDatum(data), false}};
	FmgrInfo	flinfo;

	LOCAL_FCINFO(fcinfo, 1);
	Datum		d;
	Jsonb	   *result;

	find_cast(c, signature, &f);
	if (f.argument != JSONBOID)
		v[0].value = to_row(f.argument, data, &v[0].isnull);
	fmgr_info(f.oid, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, DEFAULT_COLLATION_OID, NULL,
							 NULL);
	fcinfo->args[0] = v[0];
	d = FunctionCallInvoke(fcinfo);
	if (fcinfo->isnull)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("function %s returned null", signature)));
	result = f.result == JSONBOID ? DatumGetJsonbP(d) : from_row(f.result, d);
	if (!JB_ROOT_IS_OBJECT(result))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("function %s did not return a JSON object", signature),
				 errdetail("Data of an event is an object.")));
	return result;
}

Jsonb *
jdg_event_cast(const JdgEventType *type, int from, int to, Jsonb *data)
{
	Context		c = {type, from};
	ErrorContextCallback callback = {error_context_stack, add_context, &c};
	AsOwner		a;

	Assert(from > 0 && from <= type->latest && to > 0 && to <= type->latest);
	if (from == to)
		return data;
	error_context_stack = &callback;
	begin_as_owner(&a, type);
	for (; c.version < to; c.version++)
	{
		/* the new one only has further attributes that may be null */
		if (type->version[c.version].upcast != NULL)
			data = call_cast(&c, type->version[c.version].upcast, data);
	}
	for (; c.version > to; c.version--)
	{
		if (type->version[c.version - 1].downcast == NULL)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("event type \"%s\" has no downcast from version %d to version %d",
							type->name, c.version, c.version - 1),
					 errhint("Register version %d again with a downcast.",
							 c.version)));
		data = call_cast(&c, type->version[c.version - 1].downcast, data);
	}
	end_as_owner(&a);
	error_context_stack = callback.previous;
	return data;
}
