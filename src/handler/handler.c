/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  Handlers: rows of jadugar_internal.handler, name resolution, payload
 *	  checks.
 *
 * Runs in any process.  A role that runs a handler runs the code of its owner
 * with its own rights, so a name resolves only where the owner is trusted:
 * the role itself or one it is a member of, a superuser, the extension's
 * owner, or the owner of a handler that an operator has granted.  A superuser
 * does not count as a member of every role here: it would trust every role.
 *
 * Results are kept until handlers, roles or functions change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/xactmode.h"
#include "handler/command.h"
#include "handler/function.h"
#include "handler/handler.h"
#include "handler/payload.h"

static JdgQuery get_query = {
	"SELECT name, kind, owner, function, sql, library, symbol, payload_type, "
	"validate, cleanup, on_error, queue_id, priority, timeout, retry, "
	"transaction, isolate, expect_rows, request FROM jadugar_internal.handler WHERE name = $1",
	1, {TEXTOID}
};

static JdgQuery grants_query = {
	"SELECT role FROM jadugar_internal.handler_grant WHERE handler = $1",
	1, {TEXTOID}
};

#define MAX_KEPT 64

/* handlers as they were at this epoch of the configuration, and for whom */
static struct
{
	Oid			role;
	JdgHandler *handler;
	bool		usable;			/* by that role */
}			kept[MAX_KEPT];
static int	nkept = 0;
static uint64 kept_epoch = 0;
static MemoryContext kept_mcxt = NULL;

static JdgHandlerKind
kind_of(const char *kind)
{
	switch (kind[0])
	{
		case 'c':
			return JDG_HANDLER_C;
		case 'h':
			return JDG_HANDLER_HTTP;
		case 's':
			return JDG_HANDLER_SQL;
		default:
			return JDG_HANDLER_FUNCTION;
	}
}

JdgHandler *
jdg_handler_read(const char *name, MemoryContext mcxt)
{
	Datum		key = CStringGetTextDatum(name);
	JdgHandler *h;
	char	   *mode;
	char	   *expect;
	bool		isnull;

	if (jdg_run(&get_query, &key, NULL, 1) == 0)
		return NULL;
	h = MemoryContextAllocZero(mcxt, sizeof(JdgHandler));
	h->name = jdg_col_text(0, 1, mcxt);
	h->kind = kind_of(jdg_col_text(0, 2, CurrentMemoryContext));
	h->owner = jdg_col_oid(0, 3);
	h->function = jdg_col_text(0, 4, mcxt);
	h->sql = jdg_col_text(0, 5, mcxt);
	h->library = jdg_col_text(0, 6, mcxt);
	h->symbol = jdg_col_text(0, 7, mcxt);
	h->payload_type = jdg_col_text(0, 8, mcxt);
	h->validate = jdg_col_text(0, 9, mcxt);
	h->cleanup = jdg_col_text(0, 10, mcxt);
	h->on_error = jdg_col_text(0, 11, mcxt);
	h->function_oid = jdg_function_oid(h->function);
	h->validate_oid = jdg_function_oid(h->validate);
	h->cleanup_oid = jdg_function_oid(h->cleanup);
	h->on_error_oid = jdg_function_oid(h->on_error);
	h->queue_id = jdg_col_int32(0, 12, 0);
	(void) jdg_col(0, 13, &isnull);
	h->has_priority = !isnull;
	h->priority = jdg_col_int32(0, 13, 0);
	h->timeout = jdg_col_interval(0, 14, mcxt);
	h->retry = jdg_col_jsonb(0, 15, mcxt);
	mode = jdg_col_text(0, 16, CurrentMemoryContext);
	h->transaction = mode ? jdg_xact_mode(mode) :
		h->kind == JDG_HANDLER_HTTP ? JDG_XACT_HTTP : JDG_XACT_NONE;
	h->isolate = jdg_col_bool(0, 17);
	expect = jdg_col_text(0, 18, CurrentMemoryContext);
	h->expect_rows = expect ?
		jdg_choice("expect_rows", expect, jdg_expect_rows_words) : JDG_ROWS_ANY;
	h->request = jdg_col_jsonb(0, 19, mcxt);
	h->standalone = h->transaction == JDG_XACT_STANDALONE;
	return h;
}

/* Was use of it granted to the role?  Inside jdg_internal_begin(). */
static bool
is_granted(const char *name, Oid role)
{
	Datum		key = CStringGetTextDatum(name);
	int64		n;

	Assert(jdg_is_bookkeeping());
	n = jdg_run(&grants_query, &key, NULL, 0);
	for (int64 i = 0; i < n; i++)
	{
		if (jdg_role_trusts(role, jdg_col_oid(i, 1)) &&
			jdg_role_is_meant(jdg_col_oid(i, 1)))
			return true;
	}
	return false;
}

/*
 * May the role run it?  A C handler can do anything to the server, so for
 * roles other than superusers only a grant will do.
 */
static bool
is_usable(const JdgHandler *h, Oid role)
{
	if (!jdg_role_is_meant(h->owner))
		return false;
	if (h->kind == JDG_HANDLER_C ? superuser_arg(role) :
		(jdg_role_trusts(role, h->owner) || superuser_arg(h->owner) ||
		 h->owner == jdg_bookkeeper()))
		return true;
	return is_granted(h->name, role);
}

/*
 * Raises FORBIDDEN for a handler whose owner the role does not trust.  Names
 * are unique in the database, so the role may have meant a handler of its own.
 */
static void
raise_forbidden(const JdgHandler *h, Oid role)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied for handler \"%s\"", h->name),
			 errdetail("It would run code of role \"%s\" with the rights of role \"%s\".",
					   jdg_role_name(h->owner), jdg_role_name(role)),
			 h->kind == JDG_HANDLER_C ?
			 errhint("A superuser can allow it with jadugar.grant_handler(). For code of your own, register a handler with another name.") :
			 errhint("An operator can allow it with jadugar.grant_handler(). For code of your own, register a handler with another name.")));
}

/*
 * Returns the handler that is kept for this name and role, and whether the
 * role may use it; NULL if none is kept.
 */
static JdgHandler *
find_kept(const char *name, Oid role, bool *usable)
{
	for (int i = 0; i < nkept; i++)
	{
		if (kept[i].role != role || strcmp(kept[i].handler->name, name) != 0)
			continue;
		*usable = kept[i].usable;
		return kept[i].handler;
	}
	return NULL;
}

/*
 * Returns the memory context for a handler read at this epoch.  Handlers that
 * were returned before stay valid until the transaction ends.
 */
static MemoryContext
context_for(uint64 epoch)
{
	if (epoch == 0)
		return CurrentMemoryContext;
	if (kept_mcxt != NULL && epoch == kept_epoch && nkept < MAX_KEPT)
		return kept_mcxt;
	nkept = 0;
	kept_epoch = epoch;
	if (kept_mcxt != NULL)
		MemoryContextSetParent(kept_mcxt, TopTransactionContext);
	kept_mcxt = NULL;
	kept_mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar handlers",
									  ALLOCSET_SMALL_SIZES);
	return kept_mcxt;
}

/* Read a handler, and keep it for the role, usable or not. */
static JdgHandler *
load_handler(const char *name, Oid role, uint64 epoch, bool *usable)
{
	MemoryContext mcxt = context_for(epoch);
	JdgInternal in;
	JdgHandler *h;

	jdg_internal_begin(&in);
	h = jdg_handler_read(name, mcxt);
	*usable = h != NULL && is_usable(h, role);
	jdg_internal_end(&in);
	if (h != NULL && epoch != 0)
	{
		kept[nkept].role = role;
		kept[nkept].usable = *usable;
		kept[nkept++].handler = h;
	}
	return h;
}

/* The handler of this name, or NULL, and whether the role may use it. */
static JdgHandler *
find_handler(const char *name, Oid role, bool *usable)
{
	uint64		epoch = jdg_config_epoch();
	JdgHandler *h = NULL;

	if (epoch != 0 && epoch == kept_epoch)
		h = find_kept(name, role, usable);
	if (h == NULL)
		h = load_handler(name, role, epoch, usable);
	return h;
}

JdgHandler *
jdg_handler_get(const char *name, Oid role)
{
	bool		usable;
	JdgHandler *h = find_handler(name, role, &usable);

	if (h != NULL && !usable)
		raise_forbidden(h, role);
	return h;
}

JdgHandler *
jdg_handler_get_usable(const char *name, Oid role)
{
	bool		usable;
	JdgHandler *h = find_handler(name, role, &usable);

	return h != NULL && usable ? h : NULL;
}

static void
raise_refused(const JdgHandler *h, const char *why)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid payload for handler \"%s\"", h->name),
			 why ? errdetail("%s", why) :
			 errdetail("Its validate function %s returned false.", h->validate),
			 errhint("Correct the payload.")));
}

/*
 * Calls the validate function with a payload.  NULL and true accept it; false
 * and a text refuse it; a function that returns void refuses by an error.
 */
static void
run_validate(const JdgHandler *h, const JdgFunction *f, Jsonb *payload)
{
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo	flinfo;
	Datum		result;

	fmgr_info(f->oid, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, DEFAULT_COLLATION_OID, NULL,
							 NULL);
	fcinfo->args[0].value = JsonbPGetDatum(payload);
	fcinfo->args[0].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	if (fcinfo->isnull || f->result == VOIDOID)
		return;
	if (f->result == BOOLOID)
	{
		if (!DatumGetBool(result))
			raise_refused(h, NULL);
		return;
	}
	raise_refused(h, TextDatumGetCString(result));
}

/*
 * The validate hook, as the current user.  An error it raises about the
 * payload becomes ours, with its own words.
 */
static void
call_validate(const JdgHandler *h, Jsonb *payload)
{
	MemoryContext mcxt = CurrentMemoryContext;
	JdgFunction f;

	jdg_function_read(h->validate, &f);
	if (!jdg_proc_acl_ok(f.oid, GetUserId()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for function %s", h->validate),
				 errdetail("Handler \"%s\" validates payloads with it.",
						   h->name)));
	PG_TRY();
	{
		run_validate(h, &f, payload);
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_take_input_error(mcxt);

		if (edata->sqlerrcode == JDG_ERRCODE_VALIDATION_ERROR)
			ReThrowError(edata);
		raise_refused(h, edata->message);
	}
	PG_END_TRY();
}

/*
 * The user that enqueues may differ from the one that will run the task, for
 * example an operator.  Then the enqueuing user must trust the handler's code
 * and types, too; otherwise the checks wait until the task runs as its owner.
 */
static bool
trusted_here(const JdgHandler *h)
{
	JdgInternal in;
	Oid			user = GetUserId();
	bool		trusted;

	if (user == h->owner)
		return true;
	jdg_internal_begin(&in);
	trusted = is_usable(h, user);
	jdg_internal_end(&in);
	return trusted;
}

void
jdg_handler_check_payload(const JdgHandler *h, Jsonb *payload)
{
	Assert(!jdg_is_bookkeeping());
	if (h->payload_type == NULL && h->validate == NULL)
		return;
	if (!trusted_here(h))
		return;
	if (h->payload_type)
	{
		Oid			type;
		int32		typmod;

		jdg_parse_type(h->payload_type, &type, &typmod);
		jdg_payload_check(type, payload);
	}
	if (h->validate)
		call_validate(h, payload);
}

const char *
jdg_handler_sql(JdgHandler *h)
{
	JdgFunction f;

	switch (h->kind)
	{
		case JDG_HANDLER_SQL:
			return h->sql;
		case JDG_HANDLER_FUNCTION:
			if (h->call_sql == NULL)
			{
				jdg_function_read(h->function, &f);
				h->call_sql = MemoryContextStrdup(GetMemoryChunkContext(h),
												  jdg_function_call_sql(&f));
			}
			return h->call_sql;
		case JDG_HANDLER_C:
		case JDG_HANDLER_HTTP:
			break;
	}
	elog(ERROR, "handler \"%s\" has no SQL", h->name);
	return NULL;				/* keep compiler quiet */
}

void
jdg_handler_hooks(int64 command_id, MemoryContext mcxt, const char **cleanup,
				  const char **on_error)
{
	static JdgQuery q = {
		"SELECT h.cleanup, h.on_error FROM jadugar_internal.command c "
		"JOIN jadugar_internal.handler h ON h.name = c.text "
		"WHERE c.command_id = $1 AND c.kind = " JDG_SQL_HANDLER, 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(command_id)};

	Assert(jdg_is_bookkeeping());
	*cleanup = *on_error = NULL;
	if (jdg_run(&q, v, NULL, 1) == 0)
		return;
	*cleanup = jdg_col_text(0, 1, mcxt);
	*on_error = jdg_col_text(0, 2, mcxt);
}
