/*-------------------------------------------------------------------------
 *
 * build_funcs.c
 *	  Operators that make values of type jadugar.flow: ~>, & and |.
 *
 * Runs in the caller's backend.  The result is parsed, which refuses invalid
 * ones.  The functions that make nodes are in kind/.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "access/access.h"
#include "base/errors.h"
#include "flow/graph/parse.h"
#include "flow/kind/build.h"

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

/* The node of an operator: its operands, as children under "key". */
static Datum
combine(FunctionCallInfo fcinfo, const char *operator, const char *key,
		bool open_right)
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
	jdg_flow_push_string(&st, WJB_KEY, key);
	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	push_operand(&st, fcinfo, 0, key, true);
	push_operand(&st, fcinfo, 1, key, open_right);
	(void) pushJsonbValue(&st, WJB_END_ARRAY, NULL);
	flow = JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_OBJECT, NULL));
	(void) jdg_flow_parse(flow, false);
	PG_RETURN_JSONB_P(flow);
}

PG_FUNCTION_INFO_V1(jdg_flow_then);

Datum
jdg_flow_then(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "~>", "chain", true);
}

PG_FUNCTION_INFO_V1(jdg_flow_and);

Datum
jdg_flow_and(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "&", "parallel", false);
}

PG_FUNCTION_INFO_V1(jdg_flow_or);

Datum
jdg_flow_or(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, "|", "race", false);
}
