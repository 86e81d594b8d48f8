/*-------------------------------------------------------------------------
 *
 * privileges.c
 *	  Privileges that a role needs to call the functions of a handler, or to
 *	  send its requests.
 *
 * Runs in the caller's backend.  A task runs as its owner, which calls the
 * function of the handler and its hooks.  The server would refuse the call
 * only when the task runs; a missing privilege is reported when the task is
 * enqueued.  It can still be revoked before the task runs.
 *
 * Privileges on objects that the code of a function uses are not known here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "access/owner.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "endpoint/endpoint.h"
#include "handler/function.h"
#include "handler/privileges.h"

/* Raises or warns that the role may not use the schema of the function. */
static void
report_schema(int elevel, const JdgHandler *h, Oid schema, Oid role)
{
	const char *name = jdg_role_name(role);
	const char *schema_name = get_namespace_name(schema);

	ereport(elevel,
			(errcode(elevel >= ERROR ? JDG_ERRCODE_FORBIDDEN : ERRCODE_WARNING),
			 errmsg("permission denied for schema %s", schema_name),
			 errdetail("Tasks of role \"%s\" with handler \"%s\" call a function in it.",
					   name, h->name),
			 errhint("Run GRANT USAGE ON SCHEMA %s TO %s.",
					 quote_identifier(schema_name), quote_identifier(name))));
}

/* The same for the function itself. */
static void
report_function(int elevel, const JdgHandler *h, Oid function, Oid role)
{
	const char *name = jdg_role_name(role);
	const char *signature = jdg_function_signature(function);

	ereport(elevel,
			(errcode(elevel >= ERROR ? JDG_ERRCODE_FORBIDDEN : ERRCODE_WARNING),
			 errmsg("permission denied for function %s", signature),
			 errdetail("Tasks of role \"%s\" with handler \"%s\" call it.",
					   name, h->name),
			 errhint("Run GRANT EXECUTE ON ROUTINE %s TO %s.", signature,
					 quote_identifier(name))));
}

/* Adds the schema of a function to *schemas, so that it is reported once. */
static void
check_function(int elevel, const JdgHandler *h, Oid function, Oid role,
			   List **schemas)
{
	Oid			schema;

	/* dropped, or none: the task fails when it runs */
	if (!OidIsValid(function))
		return;
	schema = get_func_namespace(function);
	if (!OidIsValid(schema))
		return;
	if (!list_member_oid(*schemas, schema) && !jdg_schema_acl_ok(schema, role))
		report_schema(elevel, h, schema, role);
	*schemas = list_append_unique_oid(*schemas, schema);
	if (!jdg_proc_acl_ok(function, role))
		report_function(elevel, h, function, role);
}

/* Reports that the role may not use the endpoint of an HTTP handler. */
static void
check_endpoint(int elevel, const JdgHandler *h, Oid role)
{
	char	   *endpoint = jdg_json_get_text(h->request, "endpoint");
	const char *name = jdg_role_name(role);
	JdgEndpoint e;

	/* a missing one is reported where requests are checked */
	if (endpoint == NULL || !jdg_endpoint_by_name(endpoint, &e) ||
		jdg_endpoint_may_use(&e, role))
		return;
	ereport(elevel,
			(errcode(elevel >= ERROR ? JDG_ERRCODE_FORBIDDEN : ERRCODE_WARNING),
			 errmsg("permission denied for endpoint \"%s\"", endpoint),
			 errdetail("Tasks of role \"%s\" with handler \"%s\" send requests to it.",
					   name, h->name),
			 errhint("Run GRANT USAGE ON FOREIGN SERVER %s TO %s.",
					 quote_identifier(endpoint), quote_identifier(name))));
}

static void
check(int elevel, const JdgHandler *h, Oid role)
{
	List	   *schemas = NIL;

	check_function(elevel, h, h->function_oid, role, &schemas);
	check_function(elevel, h, h->validate_oid, role, &schemas);
	check_function(elevel, h, h->cleanup_oid, role, &schemas);
	check_function(elevel, h, h->on_error_oid, role, &schemas);
	list_free(schemas);
	if (h->kind == JDG_HANDLER_HTTP)
		check_endpoint(elevel, h, role);
}

void
jdg_handler_require_privileges(const JdgHandler *h, Oid role)
{
	check(ERROR, h, role);
}

void
jdg_handler_warn_of_privileges(const JdgHandler *h, Oid role)
{
	check(WARNING, h, role);
}
