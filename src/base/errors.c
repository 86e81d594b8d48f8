/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  The table of jadugar's errors, copies of errors, and errors as jsonb.
 *
 * Runs in any process.  No lock, no catalog access.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"

typedef struct JdgErrorDesc
{
	int			sqlerrcode;
	const char *name;
	const char *meaning;
	const char *action;
} JdgErrorDesc;

static const JdgErrorDesc error_table[] = {
	{JDG_ERRCODE_VALIDATION_ERROR, "VALIDATION_ERROR",
		"An argument, a command or a payload is not valid.",
	"Correct the value that the detail names."},
	{JDG_ERRCODE_NOT_FOUND, "NOT_FOUND",
		"A schedule, queue, handler, flow, run, step or role does not exist.",
	"Check the name; names of schedules and flows belong to their owner."},
	{JDG_ERRCODE_UNAUTHORIZED, "UNAUTHORIZED",
		"The role does not have the level of access that the function needs.",
	"Have a superuser call jadugar.grant_access()."},
	{JDG_ERRCODE_FORBIDDEN, "FORBIDDEN",
		"The object belongs to another role, or the role may not use it.",
	"Act as a member of the owning role, or as an operator."},
	{JDG_ERRCODE_CONFLICT, "CONFLICT",
		"The object already exists, or its state does not allow the action.",
	"See the detail for the state; retry when it has changed."},
	{JDG_ERRCODE_TASK_NOT_FOUND, "TASK_NOT_FOUND",
		"No task of that id exists that the caller may see.",
	"Check the ID. jadugar.history_retention limits how long tasks are kept."},
	{JDG_ERRCODE_TASK_ALREADY_REGISTERED, "TASK_ALREADY_REGISTERED",
		"A handler of that name already exists.",
	"Pass or_replace => true to replace it."},
	{JDG_ERRCODE_TASK_EXECUTION_ERROR, "TASK_EXECUTION_ERROR",
		"The work of the task raised an error of its own.",
	"See sqlstate and error in the history."},
	{JDG_ERRCODE_TASK_TIMEOUT, "TASK_TIMEOUT",
		"The task ran past its deadline and was stopped.",
	"Raise the timeout, or make the work smaller."},
	{JDG_ERRCODE_WORKER_CRASHED, "WORKER_CRASHED",
		"The worker process died while it ran the task.",
	"See the server's log; the retry policy and jadugar.max_crashes decide whether the task is retried."},
	{JDG_ERRCODE_LEASE_LOST, "LEASE_LOST",
		"The lease of an external worker ended before it settled the task.",
	"Heartbeat more often, or request a longer lease."},
	{JDG_ERRCODE_DEPENDENCY_NOT_SATISFIED, "DEPENDENCY_NOT_SATISFIED",
		"A task or schedule that this one depends on did not succeed.",
	"Retry that one, or pass on_dependency_failure => 'run'."},
	{JDG_ERRCODE_QUEUE_FULL, "QUEUE_FULL",
		"The queue holds as many unfinished tasks as its max_depth allows, or a subscription of the topic has as many events to come as its max_backlog allows.",
	"Try again later, raise max_depth or max_backlog, or choose another on_full."},
	{JDG_ERRCODE_RATE_LIMITED, "RATE_LIMITED",
		"A rate limit does not allow the action now.",
	"Try again later."},
	{JDG_ERRCODE_CIRCUIT_OPEN, "CIRCUIT_OPEN",
		"The circuit breaker of an endpoint is open.",
	"Wait until the endpoint answers again."},
	{JDG_ERRCODE_PLUGIN_NOT_FOUND, "PLUGIN_NOT_FOUND",
		"No plugin of that id is registered.",
	"Check the id."},
	{JDG_ERRCODE_PLUGIN_ALREADY_REGISTERED, "PLUGIN_ALREADY_REGISTERED",
		"A plugin of that id is already registered.",
	"Unregister it first, or choose another id."},
	{JDG_ERRCODE_PLUGIN_INITIALIZATION_FAILED, "PLUGIN_INITIALIZATION_FAILED",
		"The initialization of a plugin raised an error.",
	"See the error it raised."},
	{JDG_ERRCODE_PLUGIN_STOP_FAILED, "PLUGIN_STOP_FAILED",
		"A plugin did not stop cleanly.",
	"See the error it raised."},
	{JDG_ERRCODE_INTERNAL_ERROR, "INTERNAL_ERROR",
		"jadugar found itself in a state that should not be possible.",
	"Report it, with the server's log."},
	{JDG_ERRCODE_POSITION_LOST, "POSITION_LOST",
		"Events that a subscription has not handled yet have been dropped.",
	"Call resume_subscription(lost => 'skip') to go on with those that are there, or seek()."},
	{JDG_ERRCODE_SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE",
		"A service could not be reached, or the connection to it broke.",
	"See kind and detail of the error in the history; check the service and the network."},
	{JDG_ERRCODE_HTTP_STATUS, "HTTP_STATUS",
		"A service answered with a status that does not mean success.",
	"See status and body of the error in the history."},
	{JDG_ERRCODE_ADDRESS_REFUSED, "ADDRESS_REFUSED",
		"The host of an endpoint has only addresses that the endpoint may not connect to.",
	"See jadugar.http_allow_addresses and the options allow_addresses and deny_addresses of the endpoint."},
};

JdgSeverity
jdg_error_severity(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case JDG_ERRCODE_NOT_FOUND:
			return JDG_SEVERITY_INFO;
		case JDG_ERRCODE_VALIDATION_ERROR:
		case JDG_ERRCODE_UNAUTHORIZED:
		case JDG_ERRCODE_FORBIDDEN:
			return JDG_SEVERITY_WARNING;
		default:
			return JDG_SEVERITY_ERROR;
	}
}

/* The words of the severities, in the view error_codes. */
static const char *const severity_words[] = {
	[JDG_SEVERITY_ERROR] = "error",
	[JDG_SEVERITY_WARNING] = "warning",
	[JDG_SEVERITY_INFO] = "info"
};

const char *
jdg_error_name(int sqlerrcode)
{
	for (int i = 0; i < lengthof(error_table); i++)
	{
		if (error_table[i].sqlerrcode == sqlerrcode)
			return error_table[i].name;
	}
	return "TASK_EXECUTION_ERROR";
}

bool
jdg_error_is_name(const char *code)
{
	for (int i = 0; i < lengthof(error_table); i++)
	{
		if (strcmp(error_table[i].name, code) == 0)
			return true;
	}
	return false;
}

const char *
jdg_error_sqlstate(const char *code)
{
	for (int i = 0; i < lengthof(error_table); i++)
	{
		if (strcmp(error_table[i].name, code) == 0)
			return pstrdup(unpack_sql_state(error_table[i].sqlerrcode));
	}
	if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(code) ||
		(strlen(code) != 2 && strlen(code) != 5))
		return NULL;
	return code;
}

const char *
jdg_clip(const char *text, int max)
{
	size_t		len = strlen(text);
	char	   *marker;
	int			keep;

	if (len <= (size_t) max)
		return text;

	marker = psprintf(" ... [cut, %zu bytes in all]", len);
	keep = pg_mbcliplen(text, (int) len, max - (int) strlen(marker));
	return psprintf("%.*s%s", keep, text, marker);
}

ErrorData *
jdg_take_error(MemoryContext mcxt)
{
	ErrorData  *volatile edata = NULL;
	int			code = geterrcode();

	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		JDG_FAULT("take-error");
		edata = CopyErrorData();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		edata = palloc0(sizeof(ErrorData));
		edata->elevel = ERROR;
		edata->sqlerrcode = code;
		edata->message = pstrdup("an error could not be kept");
		edata->detail = pstrdup("There was not enough memory for a copy of it.");
		edata->assoc_context = mcxt;
	}
	PG_END_TRY();
	FlushErrorState();
	return edata;
}

void
jdg_discard_duplicate(MemoryContext mcxt)
{
	if (geterrcode() != ERRCODE_UNIQUE_VIOLATION)
		PG_RE_THROW();
	MemoryContextSwitchTo(mcxt);
	FlushErrorState();
}

/* Adds a field, unless it is NULL. */
static void
add_field(JsonbParseState **state, const char *key, const char *value)
{
	if (value != NULL)
		jdg_json_text(state, key, jdg_clip(value, JDG_ERROR_FIELD_MAX));
}

Jsonb *
jdg_error_to_jsonb(const ErrorData *edata, const JdgErrorPlace *place)
{
	JsonbParseState *state;

	jdg_json_begin(&state);
	jdg_json_text(&state, "sqlstate", unpack_sql_state(edata->sqlerrcode));
	add_field(&state, "message", edata->message);
	add_field(&state, "detail", edata->detail);
	add_field(&state, "hint", edata->hint);
	add_field(&state, "context", edata->context);
	add_field(&state, "schema", edata->schema_name);
	add_field(&state, "table", edata->table_name);
	add_field(&state, "column", edata->column_name);
	add_field(&state, "datatype", edata->datatype_name);
	add_field(&state, "constraint", edata->constraint_name);
	add_field(&state, "query", edata->internalquery);
	if (place != NULL && place->statement > 0)
		jdg_json_int64(&state, "statement", place->statement);
	if (place != NULL && place->position > 0)
		jdg_json_int64(&state, "position", place->position);
	return jdg_json_finish(&state);
}

/* maximum of a chain of causes */
#define CAUSES_MAX		8
#define CAUSES_BYTES	(256 * 1024)

/* The same for an error that is the n-th of the chain. */
static Jsonb *
add_cause(Jsonb *error, Jsonb *cause, int n)
{
	Jsonb	   *own = jdg_json_get(error, "cause");

	if (n == CAUSES_MAX)
		return error;
	return jdg_json_with(error, "cause",
						 own ? add_cause(own, cause, n + 1) : cause);
}

Jsonb *
jdg_error_with_cause(Jsonb *error, Jsonb *cause)
{
	if (error == NULL || cause == NULL || !JB_ROOT_IS_OBJECT(error) ||
		VARSIZE(error) + VARSIZE(cause) > CAUSES_BYTES)
		return error;
	return add_cause(error, cause, 1);
}

#define EXCERPT_LEN 200

const char *
jdg_excerpt(const char *value)
{
	int			len = strlen(value);

	if (len <= EXCERPT_LEN)
		return value;
	len = pg_mbcliplen(value, len, EXCERPT_LEN);
	return psprintf("%.*s...", len, value);
}

PG_FUNCTION_INFO_V1(jdg_error_codes);

/* rows of the view error_codes */
Datum
jdg_error_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	jdg_init_materialized_srf(fcinfo, 0);
	for (int i = 0; i < lengthof(error_table); i++)
	{
		const JdgErrorDesc *d = &error_table[i];
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(d->name);
		values[1] = CStringGetTextDatum(unpack_sql_state(d->sqlerrcode));
		values[2] = CStringGetTextDatum(severity_words[jdg_error_severity(d->sqlerrcode)]);
		values[3] = CStringGetTextDatum(d->meaning);
		values[4] = CStringGetTextDatum(d->action);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
							 values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(jdg_v_error_name);

/* _v_error_name(sqlstate): the name of an error, for views */
Datum
jdg_v_error_name(PG_FUNCTION_ARGS)
{
	const char *code = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strlen(code) != 5)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(jdg_error_name(MAKE_SQLSTATE(code[0], code[1],
																  code[2], code[3],
																  code[4]))));
}
