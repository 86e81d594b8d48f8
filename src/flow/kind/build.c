/*-------------------------------------------------------------------------
 *
 * build.c
 *	  From the arguments of a function or an operator to the object of a node.
 *
 * Runs in the caller's backend; reads nothing but the arguments.  The function
 * of a kind has the name of its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "flow/graph/parse.h"
#include "flow/kind/build.h"

void
jdg_flow_push_string(JsonbParseState **st, JsonbIteratorToken token, const char *s)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, s);
	v.val.string.len = strlen(s);
	(void) pushJsonbValue(st, token, &v);
}

void
jdg_flow_push_jsonb(JsonbParseState **st, JsonbIteratorToken token, Jsonb *j)
{
	JsonbValue	v;

	if (JB_ROOT_IS_SCALAR(j))
		(void) JsonbExtractScalar(&j->root, &v);
	else
	{
		v.type = jbvBinary;
		v.val.binary.data = &j->root;
		v.val.binary.len = VARSIZE(j) - VARHDRSZ;
	}
	(void) pushJsonbValue(st, token, &v);
}

char *
jdg_flow_interval_text(const Interval *iv)
{
	struct pg_itm itm;
	char	   *text = palloc(MAXDATELEN + 1);

	/* parsing refuses it, with the name of the node */
	if (jdg_interval_not_finite(iv))
		return "infinity";
	interval2itm(*iv, &itm);
	EncodeInterval(&itm, INTSTYLE_POSTGRES, text);
	return text;
}

/* An array of texts or flows; nulls are refused. */
static void
push_array(JsonbParseState **st, ArrayType *array, JdgFlowArgType type,
		   const char *function, const char *name)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elems, &nulls, &n);
	(void) pushJsonbValue(st, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("argument \"%s\" of jadugar.%s() must not contain null",
							name, function),
					 errdetail("Element %d is null.", i + 1)));
		if (type == JDG_FLOW_ARG_TEXTS)
			jdg_flow_push_string(st, WJB_ELEM, TextDatumGetCString(elems[i]));
		else
			jdg_flow_push_jsonb(st, WJB_ELEM, DatumGetJsonbP(elems[i]));
	}
	(void) pushJsonbValue(st, WJB_END_ARRAY, NULL);
}

/* An argument that is not null, with its key. */
static void
push_argument(JsonbParseState **st, FunctionCallInfo fcinfo, int n,
			  const JdgFlowArg *arg, const char *function)
{
	JsonbValue	v;

	jdg_flow_push_string(st, WJB_KEY, arg->key);
	switch (arg->type)
	{
		case JDG_FLOW_ARG_TEXT:
			jdg_flow_push_string(st, WJB_VALUE, jdg_arg_text(fcinfo, n));
			break;
		case JDG_FLOW_ARG_INT:
			v.type = jbvNumeric;
			v.val.numeric = int64_to_numeric(PG_GETARG_INT32(n));
			(void) pushJsonbValue(st, WJB_VALUE, &v);
			break;
		case JDG_FLOW_ARG_BOOL:
			v.type = jbvBool;
			v.val.boolean = PG_GETARG_BOOL(n);
			(void) pushJsonbValue(st, WJB_VALUE, &v);
			break;
		case JDG_FLOW_ARG_INTERVAL:
			jdg_flow_push_string(st, WJB_VALUE,
								 jdg_flow_interval_text(PG_GETARG_INTERVAL_P(n)));
			break;
		case JDG_FLOW_ARG_JSONB:
		case JDG_FLOW_ARG_FLOW:
			jdg_flow_push_jsonb(st, WJB_VALUE, PG_GETARG_JSONB_P(n));
			break;
		case JDG_FLOW_ARG_TEXTS:
		case JDG_FLOW_ARG_FLOWS:
			push_array(st, PG_GETARG_ARRAYTYPE_P(n), arg->type, function,
					   arg->name);
			break;
	}
}

/* Refuse nulls where a value is needed, and two values for one key. */
static void
check_nulls(FunctionCallInfo fcinfo, const JdgKind *kind)
{
	const JdgFlowArg *args = kind->args;

	if (PG_NARGS() != kind->nargs)
		elog(ERROR, "jadugar.%s() has %d arguments instead of %d", kind->key,
			 PG_NARGS(), kind->nargs);
	for (int i = 0; i < kind->nargs; i++)
	{
		if (PG_ARGISNULL(i) && args[i].needed)
			jdg_null_argument(args[i].name, kind->key);
		for (int j = 0; j < i && !PG_ARGISNULL(i); j++)
		{
			if (!PG_ARGISNULL(j) && strcmp(args[j].key, args[i].key) == 0)
				ereport(ERROR,
						(errcode(JDG_ERRCODE_VALIDATION_ERROR),
						 errmsg("%s and %s cannot both be given",
								args[j].name, args[i].name)));
		}
	}
}

Jsonb *
jdg_build_object(FunctionCallInfo fcinfo, const JdgKind *kind,
				 const char *instead)
{
	JsonbParseState *st = NULL;

	check_nulls(fcinfo, kind);
	(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < kind->nargs; i++)
	{
		if (PG_ARGISNULL(i))
			continue;
		if (i == 0 && instead != NULL)
		{
			jdg_flow_push_string(&st, WJB_KEY, kind->args[i].key);
			jdg_flow_push_string(&st, WJB_VALUE, instead);
		}
		else
			push_argument(&st, fcinfo, i, &kind->args[i], kind->key);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
}

Datum
jdg_build_node(FunctionCallInfo fcinfo, const JdgKind *kind)
{
	Jsonb	   *flow = jdg_build_object(fcinfo, kind, NULL);

	(void) jdg_flow_parse(flow, false);
	PG_RETURN_JSONB_P(flow);
}

/*
 * Add an operand to the array.  open: a plain container of the kind that the
 * operator makes is replaced by its children.
 */
static void
push_operand(JsonbParseState **st, FunctionCallInfo fcinfo, int n,
			 const char *key, bool open)
{
	Jsonb	   *flow = PG_GETARG_JSONB_P(n);
	JsonbValue	room;
	JsonbValue *inner = NULL;
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	if (open && JB_ROOT_COUNT(flow) == 1)
		inner = getKeyJsonValueFromContainer(&flow->root, key, strlen(key),
											 &room);
	if (inner == NULL)
	{
		jdg_flow_push_jsonb(st, WJB_ELEM, flow);
		return;
	}
	it = JsonbIteratorInit(inner->val.binary.data);
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (tok == WJB_ELEM)
			(void) pushJsonbValue(st, WJB_ELEM, &v);
	}
}

Datum
jdg_build_operator(FunctionCallInfo fcinfo, const char *operator,
				   const JdgKind *kind, bool open_right)
{
	JsonbParseState *st = NULL;
	Jsonb	   *flow;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("an operand of jadugar.%s must not be null", operator),
				 PG_ARGISNULL(0) ? errdetail("The left operand is null.") :
				 errdetail("The right operand is null.")));
	(void) pushJsonbValue(&st, WJB_BEGIN_OBJECT, NULL);
	jdg_flow_push_string(&st, WJB_KEY, kind->key);
	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	push_operand(&st, fcinfo, 0, kind->key, true);
	push_operand(&st, fcinfo, 1, kind->key, open_right);
	(void) pushJsonbValue(&st, WJB_END_ARRAY, NULL);
	flow = JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
	(void) jdg_flow_parse(flow, false);
	PG_RETURN_JSONB_P(flow);
}
