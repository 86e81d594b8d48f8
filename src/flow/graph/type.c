/*-------------------------------------------------------------------------
 *
 * type.c
 *	  The SQL type jadugar.flow: jsonb that has been checked.
 *
 * Runs in any process.  A value is a flow or a part of one: names that are
 * not in it may be added around it, so it is checked as a whole only where it
 * is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/errors.h"
#include "flow/graph/parse.h"
#include "flow/graph/type.h"
#include "handler/parse.h"

PG_FUNCTION_INFO_V1(jdg_flow_in);
PG_FUNCTION_INFO_V1(jdg_flow_out);
PG_FUNCTION_INFO_V1(jdg_flow_recv);
PG_FUNCTION_INFO_V1(jdg_flow_send);
PG_FUNCTION_INFO_V1(jdg_flow_from_jsonb);
PG_FUNCTION_INFO_V1(jdg_flow_eq);
PG_FUNCTION_INFO_V1(jdg_flow_ne);

/* Check a value; parsing needs much more memory than the value itself. */
static Datum
checked(Datum value)
{
	Jsonb	   *flow = DatumGetJsonbP(value);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "jadugar flow check",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	(void) jdg_flow_parse(flow, false);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	PG_RETURN_JSONB_P(flow);
}

void
jdg_check_flow_name(const char *name)
{
	jdg_check_name("flow", name);
	if (name[0] == JDG_FLOW_VALUE_BEGINS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("invalid flow name"),
				 errdetail("The name begins with \"{\"."),
				 errhint("A text that begins with \"{\" is read as the flow itself.")));
	/* the command of a task or a schedule can be the name of a flow */
	if (jdg_command_is_sql(name))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("flow name must not be SQL"),
				 errdetail("As the command of a task, the name \"%s\" would run as an SQL statement.",
						   name),
				 errhint("Choose another name.")));
}

/* For functions that take a flow where others take a name. */
Jsonb *
jdg_flow_of_text(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile edata = NULL;
	volatile Datum value = (Datum) 0;

	PG_TRY();
	{
		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	}
	PG_CATCH();
	{
		int			class = ERRCODE_TO_CATEGORY(geterrcode());

		if (class != ERRCODE_DATA_EXCEPTION &&
			class != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		edata = jdg_take_error(context);
	}
	PG_END_TRY();
	if (edata != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("flow is not valid JSON"),
				 errdetail("%s", edata->detail ? edata->detail :
						   edata->message)));
	return DatumGetJsonbP(value);
}

Datum
jdg_flow_in(PG_FUNCTION_ARGS)
{
	return checked(DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(0)));
}

Datum
jdg_flow_out(PG_FUNCTION_ARGS)
{
	return jsonb_out(fcinfo);
}

Datum
jdg_flow_recv(PG_FUNCTION_ARGS)
{
	return checked(DirectFunctionCall1(jsonb_recv, PG_GETARG_DATUM(0)));
}

Datum
jdg_flow_send(PG_FUNCTION_ARGS)
{
	return jsonb_send(fcinfo);
}

Datum
jdg_flow_from_jsonb(PG_FUNCTION_ARGS)
{
	return checked(PG_GETARG_DATUM(0));
}

static bool
same_value(FunctionCallInfo fcinfo)
{
	Jsonb	   *a = PG_GETARG_JSONB_P(0);
	Jsonb	   *b = PG_GETARG_JSONB_P(1);

	return compareJsonbContainers(&a->root, &b->root) == 0;
}

Datum
jdg_flow_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_value(fcinfo));
}

Datum
jdg_flow_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_value(fcinfo));
}
