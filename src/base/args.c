/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Reading and checking the arguments of SQL functions, see args.h.
 *
 * Runs in the caller's backend; reads nothing but its arguments and the
 * catalogs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/label.h"

#ifdef USE_ASSERT_CHECKING
/*
 * Does the SQL function have the arguments of the table?  The names are not
 * compared if it has none, as a function behind another one may.
 */
static bool
table_fits(FunctionCallInfo fcinfo, const JdgArg *args, int nargs)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID,
										ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			n;
	int			input = 0;
	bool		fits = true;

	n = get_func_arg_info(tuple, &types, &names, &modes);
	for (int i = 0; i < n && names != NULL; i++)
	{
		if (modes != NULL && modes[i] != PROARGMODE_IN &&
			modes[i] != PROARGMODE_INOUT && modes[i] != PROARGMODE_VARIADIC)
			continue;
		if (input == nargs ||
			(names[i][0] != '\0' && strcmp(names[i], args[input].name) != 0) ||
			(OidIsValid(args[input].type) && args[input].type != types[i]))
			fits = false;
		input++;
	}
	ReleaseSysCache(tuple);
	return fits;
}
#endif

/*
 * Sets a field to a value of a type that C passes by value.  The field of an
 * optional argument is set to a pointer to a palloc'd copy.
 */
static void
put_scalar(const JdgArg *arg, void *field, const void *value, size_t size)
{
	void	   *copy;

	if (arg->rule == JDG_NEEDED || arg->rule == JDG_DEFAULT)
	{
		memcpy(field, value, size);
		return;
	}
	copy = palloc(size);
	memcpy(copy, value, size);
	*(void **) field = copy;
}

/*
 * Sets the field of an integer, bool, timestamp or word, in the size of its
 * type.
 */
static void
put_integer(const JdgArg *arg, void *field, int64 value)
{
	int			narrow = (int) value;
	bool		truth = value != 0;

	switch (arg->type)
	{
		case INT8OID:
		case TIMESTAMPTZOID:
			put_scalar(arg, field, &value, sizeof(value));
			break;
		case BOOLOID:
			put_scalar(arg, field, &truth, sizeof(truth));
			break;
		default:
			put_scalar(arg, field, &narrow, sizeof(narrow));
			break;
	}
}

/*
 * Sets a field whose argument is null, by the rule of the argument.  Raises
 * VALIDATION_ERROR if a value is needed.
 */
static void
put_null(const JdgArg *arg, void *field, const char *function)
{
	double		number = arg->if_null;

	switch (arg->rule)
	{
		case JDG_OPTIONAL:
		case JDG_RESETTABLE:
			*(void **) field = NULL;
			break;
		case JDG_NEEDED:
			jdg_null_argument(arg->name, function);
			break;
		case JDG_DEFAULT:
			if (arg->type == FLOAT8OID)
				put_scalar(arg, field, &number, sizeof(number));
			else
				put_integer(arg, field, arg->if_null);
			break;
	}
}

/* Sets a field to argument n, which is not null. */
static void
put_value(const JdgArg *arg, void *field, FunctionCallInfo fcinfo, int n)
{
	double		number;

	switch (arg->type)
	{
		case TEXTOID:
			if (arg->words == NULL)
				*(char **) field = text_to_cstring(PG_GETARG_TEXT_PP(n));
			else
				put_integer(arg, field,
							jdg_choice(arg->name,
									   text_to_cstring(PG_GETARG_TEXT_PP(n)),
									   arg->words));
			break;
		case BOOLOID:
			put_integer(arg, field, PG_GETARG_BOOL(n));
			break;
		case INT4OID:
			put_integer(arg, field, PG_GETARG_INT32(n));
			break;
		case INT8OID:
			put_integer(arg, field, PG_GETARG_INT64(n));
			break;
		case TIMESTAMPTZOID:
			put_integer(arg, field, PG_GETARG_TIMESTAMPTZ(n));
			break;
		case FLOAT8OID:
			number = PG_GETARG_FLOAT8(n);
			put_scalar(arg, field, &number, sizeof(number));
			break;
		case INTERVALOID:
			*(Interval **) field = PG_GETARG_INTERVAL_P(n);
			break;
		case JSONBOID:
			*(Jsonb **) field = PG_GETARG_JSONB_P(n);
			break;
		default:				/* an array, or of a type of ours */
			*(void **) field = PG_DETOAST_DATUM(PG_GETARG_DATUM(n));
			break;
	}
}

void
jdg_args_read(FunctionCallInfo fcinfo, const char *function,
			  const JdgArg *args, int nargs, void *fields)
{
	if (PG_NARGS() != nargs)
		elog(ERROR, "jadugar.%s() has %d arguments instead of %d", function,
			 PG_NARGS(), nargs);
	Assert(table_fits(fcinfo, args, nargs));
	for (int i = 0; i < nargs; i++)
	{
		void	   *field = (char *) fields + args[i].offset;

		/* most arguments are not given */
		if (PG_ARGISNULL(i) && args[i].rule <= JDG_RESETTABLE)
			*(void **) field = NULL;
		else if (PG_ARGISNULL(i))
			put_null(&args[i], field, function);
		else
			put_value(&args[i], field, fcinfo, i);
	}
}

char *
jdg_arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

Interval *
jdg_arg_interval(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INTERVAL_P(n);
}

Jsonb *
jdg_arg_jsonb(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

char *
jdg_need_text(FunctionCallInfo fcinfo, int n, const char *function,
			  const char *argument)
{
	if (PG_ARGISNULL(n))
		jdg_null_argument(argument, function);
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
jdg_null_argument(const char *argument, const char *function)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("argument \"%s\" of jadugar.%s() must not be null",
					argument, function)));
	pg_unreachable();
}

/* The words as a list: "a", "b", and "c". */
static char *
list_words(const char *const *words)
{
	StringInfoData s;
	int			n = 0;

	while (words[n] != NULL)
		n++;
	initStringInfo(&s);
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(&s, n == 2 ? " and " :
								   i == n - 1 ? ", and " : ", ");
		appendStringInfo(&s, "\"%s\"", words[i]);
	}
	return s.data;
}

/* Raises VALIDATION_ERROR for a word that is none of these. */
static void
unrecognized(const char *argument, const char *word, const char *const *words)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized value \"%s\" for argument \"%s\"",
					jdg_excerpt(word), argument),
			 errhint("Valid values are %s.", list_words(words))));
}

int
jdg_choice(const char *argument, const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
	{
		if (pg_strcasecmp(words[i], word) == 0)
			return i;
	}
	unrecognized(argument, word, words);
	return 0;					/* keep compiler quiet */
}

void
jdg_check_word(const char *argument, const char *word,
			   const char *const *words)
{
	bool		found = word == NULL;

	for (int i = 0; words[i] != NULL && !found; i++)
		found = strcmp(words[i], word) == 0;
	if (!found)
		unrecognized(argument, word, words);
}

/*
 * The index of the resettable argument of this name.  Raises VALIDATION_ERROR
 * if there is none.
 */
static int
find_resettable(const JdgArg *args, int nargs, const char *name)
{
	const char **names = palloc(sizeof(char *) * (nargs + 1));
	int			n = 0;

	for (int i = 0; i < nargs; i++)
	{
		if (args[i].rule != JDG_RESETTABLE)
			continue;
		if (strcmp(args[i].name, name) == 0)
			return i;
		names[n++] = args[i].name;
	}
	names[n] = NULL;
	unrecognized("reset", name, names);
	return 0;					/* keep compiler quiet */
}

void
jdg_args_reset(FunctionCallInfo fcinfo, const JdgArg *args, int nargs,
			   ArrayType *names, bool *reset)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		const char *name = nulls[i] ? "" : TextDatumGetCString(elems[i]);
		int			arg = find_resettable(args, nargs, name);

		if (!PG_ARGISNULL(arg))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("argument \"%s\" cannot be given and reset in one call",
							name),
					 errhint("Leave out one of the two.")));
		reset[arg] = true;
	}
}

void
jdg_check_name(const char *what, const char *name)
{
	size_t		len = strlen(name);
	const char *wrong = NULL;

	if (len == 0)
		wrong = "The name is empty.";
	else if (len > JDG_NAME_MAX)
		wrong = "The name is longer than 255 bytes.";
	else if (name[0] == ' ' || name[len - 1] == ' ')
		wrong = "The name begins or ends with a space.";
	for (const char *p = name; *p && wrong == NULL; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			wrong = "The name contains a control character.";
	}
	if (wrong)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid %s name", what),
				 errdetail("%s", wrong),
				 errhint("Use 1 to 255 bytes on one line.")));
}

void
jdg_check_not_reserved(const char *what, const char *name,
					   const char *const *reserved)
{
	bool		is_reserved = strncmp(name, "jadugar", 7) == 0;

	for (; *reserved != NULL && !is_reserved; reserved++)
		is_reserved = strcmp(name, *reserved) == 0;
	if (is_reserved)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s name \"%s\" is reserved", what, name),
				 errdetail("Names that begin with \"jadugar\", and names of built-in handlers, are reserved."),
				 errhint("Choose another name.")));
}

void
jdg_check_metadata(Jsonb *metadata)
{
	if (metadata == NULL)
		return;
	if (VARSIZE(metadata) > JDG_NOTE_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("metadata is too large"),
				 errdetail("It has %d bytes. The maximum is %d bytes.",
						   (int) VARSIZE(metadata), JDG_NOTE_MAX),
				 errhint("The history keeps it with every attempt. Store large values in a table.")));
	if (!JB_ROOT_IS_OBJECT(metadata))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("metadata must be a JSON object"),
				 errdetail("The value is %s.",
						   jdg_excerpt(JsonbToCString(NULL, &metadata->root,
													  VARSIZE(metadata))))));
}

void
jdg_check_description(const char *description)
{
	if (description && strlen(description) > JDG_NOTE_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("description is too long"),
				 errdetail("It has %zu bytes. The maximum is %d bytes.",
						   strlen(description), JDG_NOTE_MAX)));
}

void
jdg_check_key(const char *argument, const char *key)
{
	size_t		len = key ? strlen(key) : 1;

	if (len == 0 || len > JDG_KEY_BYTES_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must have between 1 and %d bytes", argument,
						JDG_KEY_BYTES_MAX),
				 errdetail("The value has %zu bytes.", len)));
}

void
jdg_check_tenant(const char *argument, const char *label)
{
	const char *fault = label ? jdg_tenant_fault(label) : NULL;

	if (fault)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid value for argument \"%s\"", argument),
				 errdetail("%s", fault),
				 errhint("Use 1 to %d bytes without control characters.",
						 JDG_TENANT_BYTES_MAX)));
}

Oid
jdg_role_by_name(const char *name)
{
	Oid			role = get_role_oid(name, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("role \"%s\" does not exist", jdg_excerpt(name)),
				 errhint("Give the exact name of a role, without quotes around it.")));
	return role;
}
