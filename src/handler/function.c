/*-------------------------------------------------------------------------
 *
 * function.c
 *	  Functions that users name, see function.h.
 *
 * Runs in any process as the user whose search_path and rights decide the
 * meaning of a name.  Signatures are stored qualified, so a function is found
 * again under any search_path.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "handler/function.h"

static void
raise_not_found(const char *what, const char *given, const char *why)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("%s \"%s\" does not exist or is not unique", what, given),
			 why ? errdetail("%s", why) : 0,
			 errhint("Write it with its schema and the types of its arguments, for example 'app.send(jsonb)'.")));
}

/*
 * Looks a name up by to_regproc() or to_regprocedure().  They return null for
 * an absent function, but raise errors for text that cannot be a name and for
 * unknown types: the message of such an error is returned in *why.  From
 * PostgreSQL 16 on, they take any number for an OID.
 */
Oid
jdg_function_lookup(const char *given, const char **why)
{
	MemoryContext mcxt = CurrentMemoryContext;

	LOCAL_FCINFO(fcinfo, 1);
	volatile Oid result = InvalidOid;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(given);
	fcinfo->args[0].isnull = false;
	*why = NULL;
	if (given[strspn(given, "0123456789")] == '\0')
		return InvalidOid;
	PG_TRY();
	{
		Datum		found = strchr(given, '(') ? to_regprocedure(fcinfo) :
		to_regproc(fcinfo);

		if (!fcinfo->isnull)
			result = DatumGetObjectId(found);
	}
	PG_CATCH();
	{
		int			class = ERRCODE_TO_CATEGORY(geterrcode());

		if (class != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			class != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		*why = jdg_take_error(mcxt)->message;
	}
	PG_END_TRY();
	return result;
}

/* Sets the properties of a function from its row in pg_proc. */
static void
fill(HeapTuple tuple, JdgFunction *f)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	bool		has_modes = !heap_attisnull(tuple,
											Anum_pg_proc_proargmodes, NULL);

	f->oid = proc->oid;
	f->argument = proc->pronargs == 1 ? proc->proargtypes.values[0] :
		InvalidOid;
	f->result = proc->prorettype;
	f->procedure = proc->prokind == PROKIND_PROCEDURE;
	f->returns_set = proc->proretset;
	f->returns_row = type_is_rowtype(proc->prorettype) &&
		(proc->prorettype != RECORDOID || has_modes);
}

/* How many OUT parameters does a procedure's CALL need arguments for? */
static int
count_call_arguments(HeapTuple tuple)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;

	return get_func_arg_info(tuple, &types, &names, &modes);
}

/*
 * Raises VALIDATION_ERROR unless the function can be called with a payload or
 * without arguments.
 */
static void
check_shape(const char *what, const char *given, HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	const char *wrong = NULL;

	if (proc->prokind != PROKIND_FUNCTION &&
		proc->prokind != PROKIND_PROCEDURE)
		wrong = "It is an aggregate or a window function.";
	else if (proc->pronargs > 1)
		wrong = "It takes more than one argument.";
	else if (OidIsValid(proc->provariadic))
		wrong = "It takes a variable number of arguments.";
	else if (proc->prokind == PROKIND_PROCEDURE &&
			 count_call_arguments(tuple) != proc->pronargs)
		wrong = "It is a procedure with OUT parameters.";
	else if (proc->prorettype == TRIGGEROID ||
			 proc->prorettype == EVENT_TRIGGEROID ||
			 proc->prorettype == INTERNALOID)
		wrong = "It can only be called by the server itself.";
	if (wrong)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s \"%s\" cannot be used here", what, given),
				 errdetail("%s", wrong),
				 errhint("Use a function or a procedure of one argument, the payload, or of none.")));
}

void
jdg_function_find(const char *what, const char *given, JdgFunction *f)
{
	Oid			oid;
	const char *why;
	HeapTuple	tuple;

	Assert(!jdg_is_bookkeeping());
	if (strlen(given) > JDG_SIGNATURE_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s is too long", what),
				 errdetail("It has %zu bytes.", strlen(given)),
				 errhint("Name a function with the types of its arguments.")));
	oid = jdg_function_lookup(given, &why);
	tuple = OidIsValid(oid) ?
		SearchSysCache1(PROCOID, ObjectIdGetDatum(oid)) : NULL;
	if (!HeapTupleIsValid(tuple))
		raise_not_found(what, given, why);
	check_shape(what, given, tuple);
	fill(tuple, f);
	ReleaseSysCache(tuple);
	if (!jdg_proc_acl_ok(oid, GetUserId()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for %s \"%s\"", what, given),
				 errhint("Run GRANT EXECUTE ON ROUTINE %s TO %s.",
						 jdg_function_signature(oid),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

void
jdg_function_read(const char *signature, JdgFunction *f)
{
	Oid			oid = DatumGetObjectId(DirectFunctionCall1(regprocedurein,
														   CStringGetDatum(signature)));
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	fill(tuple, f);
	ReleaseSysCache(tuple);
}

bool
jdg_function_read_any(const char *signature, JdgFunction *f)
{
	const char *why;
	Oid			oid = jdg_function_lookup(signature, &why);
	HeapTuple	tuple = OidIsValid(oid) ?
	SearchSysCache1(PROCOID, ObjectIdGetDatum(oid)) : NULL;

	if (!HeapTupleIsValid(tuple))
		return false;
	fill(tuple, f);
	ReleaseSysCache(tuple);
	return true;
}

Oid
jdg_function_oid(const char *signature)
{
	const char *why;

	Assert(jdg_is_bookkeeping());
	return signature ? jdg_function_lookup(signature, &why) : InvalidOid;
}

char *
jdg_function_signature(Oid function)
{
	return format_procedure_qualified(function);
}

/*
 * Returns the SQL that turns $1, jsonb, into the function's argument.
 * Missing fields of a composite are null: the check of the payload has
 * already refused those that must not be.
 */
static char *
argument_sql(Oid type)
{
	Oid			base;
	char	   *row;

	if (!OidIsValid(type))
		return pstrdup("");
	base = getBaseType(type);
	if (base == JSONBOID)
		return pstrdup("$1");
	row = psprintf("pg_catalog.jsonb_populate_record(NULL::%s, $1)",
				   format_type_be_qualified(base));
	if (base == type)
		return row;
	return psprintf("%s::%s", row, format_type_be_qualified(type));
}

/*
 * A function that returns rows of columns is selected from, so that its
 * first row is the task's result as it stands; any other function's value
 * appears under the function's name.
 */
char *
jdg_function_call_sql(const JdgFunction *f)
{
	char	   *name;

	name = quote_qualified_identifier(get_namespace_name(get_func_namespace(f->oid)),
									  get_func_name(f->oid));
	return psprintf("%s %s(%s)",
					f->procedure ? "CALL" :
					f->returns_row ? "SELECT * FROM" : "SELECT",
					name, argument_sql(f->argument));
}
