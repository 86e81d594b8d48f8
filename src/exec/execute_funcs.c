/*-------------------------------------------------------------------------
 *
 * execute_funcs.c
 *	  SQL functions execute() and query(): call a handler in the session.
 *
 * Runs in any backend, in the caller's transaction and as the caller, without
 * a subtransaction: an error of the handler is the caller's.  enqueue() runs
 * the same handlers later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "exec/here.h"
#include "handler/privileges.h"

typedef struct CallArgs
{
	char	   *command;
	Jsonb	   *payload;
} CallArgs;

static const JdgArg call_args[] = {
	{"command", TEXTOID, offsetof(CallArgs, command), JDG_NEEDED},
	{"payload", JSONBOID, offsetof(CallArgs, payload), JDG_NEEDED},
};

/* Raises an error for a handler that cannot run in the caller's transaction. */
static void
check_kind(const char *function, const JdgHandler *h)
{
	if (h->kind == JDG_HANDLER_C)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.%s() cannot call handler \"%s\"", function,
						h->name),
				 errdetail("Handlers in C run in workers only."),
				 errhint("Enqueue a task with jadugar.enqueue().")));
	if (h->kind == JDG_HANDLER_HTTP)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.%s() cannot call handler \"%s\"", function,
						h->name),
				 errdetail("The handler sends a request, and no transaction is open while a request is under way."),
				 errhint("Enqueue a task with jadugar.enqueue().")));
	if (h->standalone)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.%s() cannot call handler \"%s\"", function,
						h->name),
				 errdetail("The handler must run outside a transaction."),
				 errhint("Enqueue a task with jadugar.enqueue().")));
}

/* Raises CONFLICT if the handler asks for a stricter isolation level. */
static void
check_isolation(const JdgHandler *h)
{
	int			wanted = h->transaction == JDG_XACT_SERIALIZABLE ?
	XACT_SERIALIZABLE : h->transaction == JDG_XACT_REPEATABLE ?
	XACT_REPEATABLE_READ : XACT_READ_COMMITTED;

	if (XactIsoLevel < wanted)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("handler \"%s\" needs a transaction with isolation level \"%s\"",
						h->name, jdg_xact_word(h->transaction)),
				 errhint("Begin the transaction with that level, or enqueue a task.")));
}

/* The handler of a call, which the caller may use. */
static JdgHandler *
find_handler(const char *function, const char *name)
{
	JdgHandler *h = jdg_handler_get(name, GetUserId());

	if (h == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", jdg_excerpt(name)),
				 errhint("Pass the name of a handler that was registered with jadugar.register_handler() or jadugar.register_sql_handler().")));
	check_kind(function, h);
	check_isolation(h);
	jdg_handler_require_privileges(h, GetUserId());
	return h;
}

/* the result of execute() */
typedef struct FirstResult
{
	MemoryContext mcxt;
	Jsonb	   *row;			/* NULL: there was none */
} FirstResult;

static void
take_first(Jsonb *row, void *arg)
{
	FirstResult *f = arg;

	f->row = MemoryContextAlloc(f->mcxt, VARSIZE(row));
	memcpy(f->row, row, VARSIZE(row));
}

/* execute(command, payload) */
JDG_FUNCTION(jdg_execute, JDG_LEVEL_USER_READS)
{
	CallArgs	a = {0};
	FirstResult f = {CurrentMemoryContext, NULL};

	/* as for functions of JDG_LEVEL_USER, with a hint */
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute jadugar.execute() in a read-only transaction"),
				 errhint("Call jadugar.query() for a handler that only reads.")));
	JDG_READ_ARGS("execute", call_args, &a);
	jdg_here_call(find_handler("execute", a.command), a.payload, true, false,
				  take_first, &f);
	if (f.row == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(f.row);
}

static void
take_row(Jsonb *row, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		value = JsonbPGetDatum(row);
	bool		isnull = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
}

/* query(command, payload) */
JDG_FUNCTION(jdg_query, JDG_LEVEL_USER_READS)
{
	CallArgs	a = {0};

	jdg_init_materialized_srf(fcinfo, JDG_SRF_EXPECTED_DESC);
	JDG_READ_ARGS("query", call_args, &a);
	jdg_here_call(find_handler("query", a.command), a.payload, false, true,
				  take_row, fcinfo->resultinfo);
	return (Datum) 0;
}
