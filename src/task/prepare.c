/*-------------------------------------------------------------------------
 *
 * prepare.c
 *	  From a caller's options to the fields of a task: validation and
 *	  defaults.
 *
 * Runs in the caller's backend, as the caller.  User-defined code (payload
 * types, validate hooks) is evaluated here as the user, never inside
 * jdg_internal_begin().  Defaults come from the handler, then the queue, then
 * the settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "access/row_access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "handler/command.h"
#include "handler/privileges.h"
#include "handler/parse.h"
#include "task/prepare.h"
#include "task/retry.h"
#include "task/target.h"
#include "task/tenant_quota.h"

static void
try_settings(void *settings)
{
	int			level = NewGUCNestLevel();

	jdg_apply_settings(settings, false);
	AtEOXact_GUC(false, level);
}

/* Tries them, so that the server's own checks apply, and puts all back. */
void
jdg_check_settings(Jsonb *settings)
{
	ErrorData  *edata;

	if (!JB_ROOT_IS_OBJECT(settings))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("settings must be a JSON object of names and values"),
				 errhint("Write, for example, '{\"work_mem\": \"64MB\"}'.")));
	edata = jdg_in_subxact(try_settings, settings, CurrentMemoryContext);
	if (edata == NULL)
		return;
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		edata->sqlerrcode == JDG_ERRCODE_VALIDATION_ERROR)
		ReThrowError(edata);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid settings"),
			 errdetail("%s", edata->message),
			 edata->hint ? errhint("%s", edata->hint) : 0));
}

/* See prepare.h. */
void
jdg_apply_settings(Jsonb *settings, bool session)
{
	JsonbIterator *it = JsonbIteratorInit(&settings->root);
	JsonbIteratorToken tok;
	JsonbValue	v;
	char	   *name = NULL;

	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *value = NULL;

		if (tok == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		if (tok != WJB_VALUE)
			continue;
		if (v.type == jbvString)
			value = pnstrdup(v.val.string.val, v.val.string.len);
		else if (v.type == jbvNumeric)
			value = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
		else if (v.type == jbvBool)
			value = pstrdup(v.val.boolean ? "on" : "off");
		else
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("setting \"%s\" must be a string, a number or a boolean", name)));
		if (pg_strcasecmp(name, "role") == 0 ||
			pg_strcasecmp(name, "session_authorization") == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("setting \"%s\" cannot be set for a task", name),
					 errhint("A task runs as its owner. Pass owner instead.")));
		if (pg_strcasecmp(name, "transaction_timeout") == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("setting \"%s\" cannot be set for a task", name),
					 errdetail("The server would end the worker."),
					 errhint("Pass timeout instead.")));
		(void) set_config_option(name, value,
								 superuser() ? PGC_SUSET : PGC_USERSET,
								 PGC_S_SESSION,
								 session ? GUC_ACTION_SET : GUC_ACTION_SAVE,
								 true, ERROR, false);
	}
}

/* The queue that is named; else the handler's, else the default one. */
static void
find_queue(const char *name, JdgHandler *handler, Oid role, JdgQueue *queue)
{
	int32		id = JDG_DEFAULT_QUEUE;

	if (name != NULL)
	{
		jdg_queue_for_role(name, role, queue);
		return;
	}
	if (handler && handler->queue_id != 0)
		id = handler->queue_id;
	if (!jdg_queue_use_by_id(id, queue))
		elog(ERROR, "queue %d does not exist", id);
}

JDG_NORETURN static void
raise_not_a_command(const char *text, ErrorData *err)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("command is neither valid SQL nor the name of a handler or flow"),
			 err ? errdetail("As SQL: %s. No handler or flow \"%s\" exists.", err->message, text) :
			 errdetail("No handler or flow \"%s\" exists.", text),
			 errhint("Correct the SQL, register the handler with jadugar.register_handler(), or create the flow with jadugar.create_flow()."),
			 internalerrquery(text),
			 internalerrposition(err ? err->cursorpos : 0)));
}

/* Classifies a command; a command accepted before is not parsed again. */
static void
classify(const char *text, JdgCommandKind *kind, bool *standalone, ErrorData **error)
{
	const JdgCommand *known = jdg_command_known(text, JDG_COMMAND_SQL);

	if (known == NULL)
		known = jdg_command_known(text, JDG_COMMAND_HANDLER);
	if (known == NULL)
	{
		jdg_command_classify(text, JDG_COMMAND_SQL, kind, standalone, error);
		return;
	}
	*kind = known->kind;
	*standalone = known->standalone;
}

/*
 * What a text stands for: SQL, a handler, or a name that a module resolves to
 * SQL.  Returns the text of the command; *h is its handler or NULL.
 */
static const char *
find_command(const char *text, Oid owner, JdgCommandKind *kind,
			 bool *standalone, JdgHandler **h)
{
	const char *command;
	ErrorData  *syntax_error = NULL;

	*h = NULL;
	classify(text, kind, standalone, &syntax_error);
	if (*kind != JDG_COMMAND_HANDLER)
		return text;

	if (strcmp(text, JDG_HTTP_COMMAND) == 0)
	{
		*kind = JDG_COMMAND_HTTP;
		return text;
	}

	/* any role can register a handler: it must not hide flows of others */
	*h = jdg_handler_get_usable(text, owner);
	if (*h != NULL)
	{
		jdg_handler_require_privileges(*h, owner);
		*standalone = (*h)->standalone;
		return text;
	}
	command = jdg_command_resolve_name(owner, text);
	if (command == NULL)
	{
		/* FORBIDDEN for one that the owner may not use */
		(void) jdg_handler_get(text, owner);
		/* not parsed, if it was a handler's name before */
		jdg_command_classify(text, JDG_COMMAND_SQL, kind, standalone, &syntax_error);
		raise_not_a_command(text, syntax_error);
	}
	*kind = JDG_COMMAND_FLOW;
	*standalone = false;
	return command;
}

static void
say_fallback(void *arg)
{
	errcontext("fallback of the retry policy");
}

void
jdg_check_fallback(Jsonb *retry, Oid owner)
{
	char	   *text = jdg_retry_fallback(retry);
	ErrorContextCallback context = {error_context_stack, say_fallback, NULL};
	JdgCommandKind kind;
	bool		standalone;
	JdgHandler *h;

	Assert(!jdg_is_bookkeeping());
	if (text == NULL)
		return;
	error_context_stack = &context;
	(void) find_command(text, owner, &kind, &standalone, &h);
	if (jdg_sends_request(kind, h))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("\"%s\" cannot be a fallback", text),
				 errdetail("A fallback gets the payload and the error, which are not a request."),
				 errhint("Name a handler that calls jadugar.call_service().")));
	error_context_stack = context.previous;
}

/*
 * The same for a command that is known, SQL or a handler.  Raises NOT_FOUND or
 * FORBIDDEN if the owner cannot use the handler any more.
 */
static void
find_known(const JdgCommand *c, Oid owner, JdgCommandKind *kind,
		   bool *standalone, JdgHandler **h)
{
	*h = NULL;
	*kind = c->kind;
	*standalone = c->standalone;
	if (c->kind != JDG_COMMAND_HANDLER)
		return;
	*h = jdg_handler_get(c->text, owner);
	if (*h == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", c->text),
				 errhint("Register it again with jadugar.register_handler().")));
	jdg_handler_require_privileges(*h, owner);
	*standalone = (*h)->standalone;
}

/*
 * The rows that the options or the handler expect.  Raises VALIDATION_ERROR if
 * they cannot be counted in time, or not at all.
 */
static JdgExpectRows
expected_rows(const JdgTaskOptions *o, const JdgHandler *h,
			  JdgCommandKind kind, JdgXactMode transaction)
{
	JdgExpectRows rows = o->expect_rows ? *o->expect_rows :
	(h ? h->expect_rows : JDG_ROWS_ANY);

	if (rows == JDG_ROWS_ANY)
		return rows;
	if (transaction == JDG_XACT_STANDALONE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a standalone command cannot have expect_rows"),
				 errdetail("Its effects are committed before its rows are counted."),
				 errhint("Leave expect_rows out, or pass 'any'.")));
	if (kind == JDG_COMMAND_FLOW)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a task that starts a flow cannot have expect_rows"),
				 errdetail("The flow is \"%s\".", o->command),
				 errhint("Pass expect_rows to steps of the flow.")));
	if (h && h->kind == JDG_HANDLER_C)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a task of a C handler cannot have expect_rows"),
				 errdetail("Handler \"%s\" returns no rows.", h->name),
				 errhint("Let the handler raise an error.")));
	return rows;
}

/* Raises VALIDATION_ERROR for an option that a request cannot have. */
static void
check_http_options(const JdgTaskOptions *o)
{
	const char *option = o->transaction ? "transaction" :
	o->isolate && *o->isolate ? "isolate" : o->settings ? "settings" :
	o->expect_rows && *o->expect_rows != JDG_ROWS_ANY ? "expect_rows" : NULL;

	if (option == NULL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("a task that sends a request cannot have %s", option),
			 errdetail("It runs outside any transaction and session."),
			 errhint("Leave %s out.", option)));
}

/*
 * See prepare.h.  The order matters: cheap checks of form first, then the
 * command, then the checks that may run user code.
 */
void
jdg_task_prepare(const JdgTaskOptions *o, Oid owner, int32 default_attempts,
				 JdgTask *t, JdgQueue *queue, JdgHandler **handler)
{
	JdgCommandKind kind;
	bool		standalone;
	const char *command = NULL;
	JdgHandler *h;

	Assert(!jdg_is_bookkeeping());
	jdg_check_key("concurrency_key", o->concurrency_key);
	jdg_check_tenant("tenant", o->tenant);
	jdg_check_key("trace", o->trace);
	if (o->timeout)
		jdg_check_interval("timeout", o->timeout, false);
	if (o->retry)
		jdg_retry_check(o->retry);
	if (o->settings)
		jdg_check_settings(o->settings);
	jdg_check_metadata(o->metadata);
	if (o->command_id != 0)
		find_known(jdg_command_get(o->command_id), owner, &kind, &standalone,
				   &h);
	else
		command = find_command(o->command, owner, &kind, &standalone, &h);
	find_queue(o->queue, h, GetUserId(), queue);
	t->command_id = o->check_only || o->command_id != 0 ? o->command_id :
		jdg_command_id(command, kind, standalone);

	t->owner = owner;
	t->queue_id = queue->queue_id;
	t->bounded = queue->max_depth > 0;
	t->priority = o->priority ? *o->priority :
		(h && h->has_priority ? h->priority : 0);
	t->transaction = o->transaction ? jdg_xact_mode(o->transaction) :
		(h && h->transaction ? h->transaction : JDG_XACT_COMMITTED);
	if (standalone)
		t->transaction = JDG_XACT_STANDALONE;
	if (kind == JDG_COMMAND_FLOW && t->transaction == JDG_XACT_STANDALONE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a task that starts a flow cannot be standalone"),
				 errdetail("The flow is \"%s\".", o->command),
				 errhint("Pass transaction => 'standalone' to steps of the flow.")));
	if (jdg_sends_request(kind, h))
	{
		check_http_options(o);
		t->transaction = JDG_XACT_HTTP;
	}
	t->isolate = o->isolate ? *o->isolate :
		t->transaction != JDG_XACT_HTTP && ((h && h->isolate) || queue->isolate);
	t->expect_rows = expected_rows(o, h, kind, t->transaction);
	t->timeout = o->timeout ? o->timeout : (h ? h->timeout : NULL);
	if (t->timeout == NULL && jdg_task_timeout > 0)
	{
		t->timeout = palloc0(sizeof(Interval));
		t->timeout->time = (int64) jdg_task_timeout * 1000;
	}
	t->retry = o->retry ? o->retry : (h ? h->retry : NULL);
	jdg_check_fallback(t->retry, owner);
	t->max_attempts = jdg_retry_max_attempts(t->retry, default_attempts);
	t->settings = o->settings;
	t->metadata = o->metadata;
	t->concurrency_key = o->concurrency_key ? pstrdup(o->concurrency_key) : NULL;
	/* a step of a flow is checked here and gets the label of its run */
	t->tenant = o->tenant ? pstrdup(jdg_tenant_of_new_row(o->tenant)) : NULL;
	t->priority = jdg_tenant_priority(t->tenant, t->priority);
	t->trace = o->trace ? pstrdup(o->trace) : NULL;
	t->payload = o->payload;
	t->attempt = 0;
	t->crashes = 0;
	t->fallback = NULL;
	t->started_at = DT_NOBEGIN;
	t->scheduled_for = DT_NOBEGIN;
	if (o->payload)
		jdg_target_check(t->transaction == JDG_XACT_HTTP, h, owner, o->payload);
	t->endpoint_id = 0;
	t->host = NULL;
	if (handler)
		*handler = h;
}
