/*-------------------------------------------------------------------------
 *
 * handler_funcs.c
 *	  SQL functions register_handler(), register_sql_handler(),
 *	  register_c_handler(), register_http_handler().
 *
 * Runs in the caller's backend.  The functions, types and hooks that the
 * caller names are looked up as the caller and stored under names that mean
 * the same under any search_path; registration.c writes the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "base/xactmode.h"
#include "endpoint/endpoint.h"
#include "exec/c.h"
#include "handler/command.h"
#include "handler/function.h"
#include "handler/parse.h"
#include "handler/payload.h"
#include "handler/registration.h"
#include "queue/queue.h"
#include "request/template.h"
#include "task/prepare.h"
#include "task/relane.h"
#include "task/retry.h"
#include "task/wakeup.h"

#define FIELD(field) offsetof(JdgRegistration, field)

/* the options that all functions take */
#define CHECK_ARGS \
	{"payload_type", TEXTOID, FIELD(payload_type)}, \
	{"validate", TEXTOID, FIELD(validate)}, \
	{"cleanup", TEXTOID, FIELD(cleanup)}, \
	{"on_error", TEXTOID, FIELD(on_error)}, \
	{"version", TEXTOID, FIELD(version)}, \
	{"queue", TEXTOID, FIELD(queue)}

/* and those of handlers that run in a transaction */
#define OPTION_ARGS \
	CHECK_ARGS, \
	{"priority", INT4OID, FIELD(priority)}, \
	{"timeout", INTERVALOID, FIELD(timeout)}, \
	{"retry", JSONBOID, FIELD(retry)}, \
	{"transaction", TEXTOID, FIELD(transaction)}, \
	{"isolate", BOOLOID, FIELD(isolate)}, \
	{"description", TEXTOID, FIELD(description)}, \
	{"or_replace", BOOLOID, FIELD(or_replace), JDG_DEFAULT, .if_null = false}

/* of those that can return rows */
#define EXPECT_ARG \
	{"expect_rows", TEXTOID, FIELD(expect_rows), JDG_OPTIONAL, \
	jdg_expect_rows_words}

static const JdgArg function_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"function", TEXTOID, FIELD(function), JDG_NEEDED},
	OPTION_ARGS,
	EXPECT_ARG
};

static const JdgArg sql_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"sql", TEXTOID, FIELD(sql), JDG_NEEDED},
	OPTION_ARGS,
	EXPECT_ARG
};

static const JdgArg c_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"library", TEXTOID, FIELD(library), JDG_NEEDED},
	{"symbol", TEXTOID, FIELD(symbol), JDG_NEEDED},
	OPTION_ARGS
};

/* register_http_handler() */
typedef struct HttpArgs
{
	JdgRegistration r;
	JdgTemplate t;
} HttpArgs;

#define HTTP_FIELD(field) offsetof(HttpArgs, field)

static const JdgArg http_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"endpoint", TEXTOID, HTTP_FIELD(t.endpoint), JDG_NEEDED},
	{"path", TEXTOID, HTTP_FIELD(t.path), JDG_NEEDED},
	{"method", TEXTOID, HTTP_FIELD(t.method), JDG_NEEDED},
	{"query", JSONBOID, HTTP_FIELD(t.query)},
	{"headers", JSONBOID, HTTP_FIELD(t.headers)},
	{"body", TEXTOID, HTTP_FIELD(t.body), JDG_OPTIONAL, jdg_template_bodies},
	CHECK_ARGS,
	{"timeout", INTERVALOID, FIELD(timeout)},
	{"retry", JSONBOID, FIELD(retry)},
	{"expect", TEXTARRAYOID, HTTP_FIELD(t.expect)},
	{"description", TEXTOID, FIELD(description)},
	{"or_replace", BOOLOID, FIELD(or_replace), JDG_DEFAULT,.if_null = false}
};

/* handlers that jadugar has or will have */
static const char *const reserved_names[] = {
	"http", "email", "slack", "s3", "webhook", "metrics", "alertmanager", NULL
};

/*
 * A command is SQL if it can be: a handler of a name that is SQL could never
 * be reached, and its owner might think otherwise.
 */
static void
check_handler_name(const char *name)
{
	jdg_check_name("handler", name);
	jdg_check_not_reserved("handler", name, reserved_names);
	if (jdg_command_is_sql(name))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("handler name must not be SQL"),
				 errdetail("The name \"%s\" is an SQL statement and would run as one.",
						   name),
				 errhint("Choose another name.")));
}

static const char *
skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* the part after - or +: words of letters, digits and hyphens */
static const char *
skip_identifiers(const char *p)
{
	const char *start = p;

	while ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
		   (*p >= 'A' && *p <= 'Z') || *p == '-' ||
		   (*p == '.' && p > start && p[-1] != '.'))
		p++;
	return p == start || p[-1] == '.' ? NULL : p;
}

/* Semantic versioning 2.0.0: major.minor.patch[-pre][+build]. */
static bool
is_semver(const char *s)
{
	const char *p = s;

	if (strlen(s) > 100)
		return false;
	for (int part = 0; part < 3; part++)
	{
		const char *end = skip_digits(p);

		if (end == p || (*p == '0' && end > p + 1))
			return false;
		p = end;
		if (part < 2 && *p++ != '.')
			return false;
	}
	if (*p == '-' && (p = skip_identifiers(p + 1)) == NULL)
		return false;
	if (*p == '+' && (p = skip_identifiers(p + 1)) == NULL)
		return false;
	return *p == '\0';
}

/*
 * Returns the qualified name of a payload type, after a check that it is a
 * composite.
 */
static const char *
resolve_payload_type(const char *given)
{
	Oid			type = jdg_payload_type_find(given);

	if (!jdg_payload_type_ok(type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload_type must be a composite type"),
				 errdetail("The value is \"%s\".", jdg_excerpt(given)),
				 errhint("Create one with CREATE TYPE ... AS (field type, ...), or name a table.")));
	return format_type_be_qualified(type);
}

/* A hook: a function of the payload, that returns something fit for it. */
static const char *
resolve_hook(const char *what, const char *given, bool validates)
{
	JdgFunction f;

	if (given == NULL)
		return NULL;
	jdg_function_find(what, given, &f);
	if (f.procedure || f.argument != JSONBOID)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a function of one argument of type jsonb",
						what),
				 errdetail("The value is \"%s\".", jdg_excerpt(given))));
	if (validates &&
		(f.returns_set || (f.result != BOOLOID && f.result != TEXTOID &&
						   f.result != VOIDOID)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must return boolean, text or void", what),
				 errdetail("The value is \"%s\".", jdg_excerpt(given)),
				 errhint("Return false or a message to refuse the payload, true or null to accept it.")));
	return jdg_function_signature(f.oid);
}

static int32
resolve_queue(const char *name)
{
	JdgQueue	queue;

	if (name == NULL)
		return 0;
	jdg_queue_for_role(name, GetUserId(), &queue);
	return queue.queue_id;
}

/* Checks the options that all kinds have; as the caller. */
static void
check_options(JdgRegistration *r)
{
	check_handler_name(r->name);
	if (r->version == NULL)
		r->version = "1.0.0";
	if (!is_semver(r->version))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("version must be a semantic version"),
				 errdetail("The value is \"%s\".", jdg_excerpt(r->version)),
				 errhint("Write, for example, '1.0.0' or '2.1.0-beta.1'.")));
	jdg_check_description(r->description);
	if (r->payload_type)
		r->payload_type = resolve_payload_type(r->payload_type);
	r->validate = resolve_hook("validate", r->validate, true);
	r->cleanup = resolve_hook("cleanup", r->cleanup, false);
	r->on_error = resolve_hook("on_error", r->on_error, false);
	r->queue_id = resolve_queue(r->queue);
	if (r->timeout)
		jdg_check_interval("timeout", r->timeout, false);
	jdg_retry_check(r->retry);
	jdg_check_fallback(r->retry, GetUserId());
	if (r->transaction)
		r->transaction = jdg_xact_word(jdg_xact_mode(r->transaction));
}

/* Raises VALIDATION_ERROR if the handler cannot keep its expect_rows. */
static void
check_expect_rows(const JdgRegistration *r)
{
	if (r->expect_rows == NULL || *r->expect_rows == JDG_ROWS_ANY ||
		r->transaction == NULL || strcmp(r->transaction, "standalone") != 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("a standalone handler cannot have expect_rows"),
			 errdetail("Its effects are committed before its rows are counted."),
			 errhint("Leave expect_rows out, or pass 'any'.")));
}

/* register_handler(name, function, ...) */
JDG_FUNCTION(jdg_register_handler, JDG_LEVEL_USER)
{
	JdgRegistration r = {.kind = "function",.by = "register_handler"};
	const char *given;
	JdgFunction f;

	JDG_READ_ARGS("register_handler", function_args, &r);
	given = r.function;
	check_options(&r);
	jdg_function_find("function", given, &f);
	r.function = jdg_function_signature(f.oid);
	if (OidIsValid(f.argument) && f.argument != JSONBOID)
	{
		const char *type;

		if (!jdg_payload_type_ok(f.argument))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("function \"%s\" cannot be a handler", given),
					 errdetail("Its argument is of type %s.",
							   format_type_be(f.argument)),
					 errhint("Use a function of one argument, jsonb or a composite type, or of none.")));
		type = format_type_be_qualified(f.argument);
		if (r.payload_type && strcmp(r.payload_type, type) != 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("payload_type must be the type of the function's argument"),
					 errdetail("payload_type is %s, the argument is of type %s.",
							   r.payload_type, type),
					 errhint("Leave payload_type out.")));
		r.payload_type = type;
	}
	if (f.procedure && r.transaction == NULL)
		r.transaction = "standalone";
	check_expect_rows(&r);
	return jdg_handler_write(&r);
}

/* register_sql_handler(name, sql, ...) */
JDG_FUNCTION(jdg_register_sql_handler, JDG_LEVEL_USER)
{
	JdgRegistration r = {.kind = "sql",.by = "register_sql_handler"};
	ErrorData  *syntax_error;
	JdgCommandKind kind;
	bool		standalone;

	JDG_READ_ARGS("register_sql_handler", sql_args, &r);
	check_options(&r);
	jdg_command_classify(r.sql, JDG_COMMAND_SQL, &kind, &standalone, &syntax_error);
	if (kind != JDG_COMMAND_SQL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"sql\" is not valid SQL: %s",
						syntax_error->message),
				 errhint("Write SQL that takes the payload as $1, of type jsonb."),
				 internalerrquery(r.sql),
				 internalerrposition(syntax_error->cursorpos)));
	if (standalone && r.transaction &&
		strcmp(r.transaction, "standalone") != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"sql\" cannot run inside a transaction"),
				 errdetail("The argument transaction is \"%s\".", r.transaction),
				 errhint("Leave transaction out, or make it 'standalone'.")));
	if (standalone)
		r.transaction = "standalone";
	check_expect_rows(&r);
	return jdg_handler_write(&r);
}

/* register_c_handler(name, library, symbol, ...) */
JDG_FUNCTION(jdg_register_c_handler, JDG_LEVEL_USER)
{
	JdgRegistration r = {.kind = "c",.by = "register_c_handler"};

	JDG_READ_ARGS("register_c_handler", c_args, &r);
	if (!superuser())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to register a C handler"),
				 errdetail("Only superusers may register C handlers, because C code runs with all rights of the server."),
				 errhint("Ask a superuser to register it and to grant it with jadugar.grant_handler().")));
	check_options(&r);
	if (r.transaction && strcmp(r.transaction, "standalone") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a C handler cannot be standalone"),
				 errhint("Leave transaction out.")));
	(void) jdg_cfunc_load(r.library, r.symbol);
	return jdg_handler_write(&r);
}

/* Tasks of a handler go to its new endpoint: the scheduler moves them. */
static void
move_tasks(const char *endpoint)
{
	JdgInternal in;

	jdg_internal_begin(&in);
	(void) jdg_endpoint_intern(endpoint);
	jdg_relane_request();
	jdg_internal_end(&in);
	jdg_wake_scheduler_at_commit(JDG_WAKE_LIMITS);
}

/* register_http_handler(name, endpoint, path, ...) */
JDG_FUNCTION(jdg_register_http_handler, JDG_LEVEL_USER)
{
	HttpArgs	a = {.r = {.kind = "http",.by = "register_http_handler"}};
	Datum		result;

	JDG_READ_ARGS("register_http_handler", http_args, &a);
	check_options(&a.r);
	a.r.request = jdg_template_make(a.r.name, &a.t, a.r.payload_type);
	result = jdg_handler_write(&a.r);
	if (a.r.moved)
		move_tasks(a.t.endpoint);
	return result;
}
