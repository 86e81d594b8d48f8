/*-------------------------------------------------------------------------
 *
 * compatible.c
 *	  Versions of event types, see compatible.h.
 *
 * Runs in the caller's process, as the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "event/compatible.h"
#include "handler/payload.h"

/* InvalidOid: any object, or a type that does not exist any more */
static Oid
type_of_version(const JdgEventType *type, int version)
{
	const char *name = type->version[version - 1].payload_type;

	return name ? jdg_payload_type_read(name) : InvalidOid;
}

static const char *
type_word(Oid type)
{
	return OidIsValid(type) ? format_type_be(type) : "jsonb";
}

/*
 * Raises VALIDATION_ERROR unless the function converts one version into the
 * other, as jsonb or as their types.
 */
static void
check_function(const char *argument, const JdgFunction *f, Oid from, Oid to)
{
	if (f == NULL)
		return;
	if ((f->argument == JSONBOID || f->argument == from) &&
		(f->result == JSONBOID || f->result == to))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("%s must be a function from %s to %s, or of jsonb", argument,
					type_word(from), type_word(to)),
			 errdetail("Function %s returns %s.", jdg_function_signature(f->oid),
					   format_type_be(f->result))));
}

/* the attribute of a name, or NULL */
static Form_pg_attribute
find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att;
	}
	return NULL;
}

/* May the attribute be missing in data, so that it is null? */
static bool
may_be_null(Form_pg_attribute att)
{
	return !att->attnotnull && !DomainHasConstraints(att->atttypid);
}

/*
 * Returns the name of the first attribute that keeps data of one composite
 * type from being data of the other, or NULL.
 */
static const char *
find_difference(Oid from, Oid to)
{
	TupleDesc	old = lookup_rowtype_tupdesc_copy(getBaseType(from), -1);
	TupleDesc	new = lookup_rowtype_tupdesc_copy(getBaseType(to), -1);

	for (int i = 0; i < old->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(old, i);
		Form_pg_attribute b;

		if (a->attisdropped)
			continue;
		b = find_attribute(new, NameStr(a->attname));
		if (b == NULL || a->atttypid != b->atttypid ||
			a->atttypmod != b->atttypmod || (b->attnotnull && !a->attnotnull))
			return NameStr(a->attname);
	}
	for (int i = 0; i < new->natts; i++)
	{
		Form_pg_attribute b = TupleDescAttr(new, i);

		if (!b->attisdropped &&
			find_attribute(old, NameStr(b->attname)) == NULL &&
			!may_be_null(b))
			return NameStr(b->attname);
	}
	return NULL;
}

/* Raises VALIDATION_ERROR where data of the version before does not fit. */
static void
need_no_upcast(const char *name, int version, Oid from, Oid to)
{
	const char *attribute = NULL;

	if (!OidIsValid(to) || from == to)
		return;
	if (OidIsValid(from) &&
		get_typtype(getBaseType(from)) == TYPTYPE_COMPOSITE &&
		get_typtype(to) == TYPTYPE_COMPOSITE)
	{
		attribute = find_difference(from, to);
		if (attribute == NULL)
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("version %d of event type \"%s\" needs an upcast", version,
					name),
			 attribute ?
			 errdetail("Attribute \"%s\" differs between %s and %s.", attribute,
					   type_word(from), type_word(to)) :
			 errdetail("Data of %s is not always data of %s.",
					   type_word(from), type_word(to)),
			 errhint("Pass upcast => a function that converts data of version %d. None is needed if only attributes that may be null are added.",
					 version - 1)));
}

void
jdg_event_check_compatible(const char *name, int version,
						   const JdgEventType *type, Oid payload_type,
						   const JdgFunction *upcast,
						   const JdgFunction *downcast)
{
	Oid			before;

	if (version == 1)
	{
		if (upcast || downcast)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("version 1 of event type \"%s\" has no version before it",
							name),
					 errhint("Leave out upcast and downcast.")));
		return;
	}
	before = type_of_version(type, version - 1);
	check_function("upcast", upcast, before, payload_type);
	check_function("downcast", downcast, payload_type, before);
	if (upcast == NULL &&
		(version > type->latest || type->version[version - 1].upcast == NULL))
		need_no_upcast(name, version, before, payload_type);
}
