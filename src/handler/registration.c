/*-------------------------------------------------------------------------
 *
 * registration.c
 *	  Writing a checked registration into jadugar_internal.handler.
 *
 * Runs in the caller's backend.  The row of a handler that is replaced is
 * locked before it is looked at; of two new ones of one name the second waits
 * for the first and then finds it registered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access/audit.h"
#include "access/owner.h"
#include "access/row_access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/params.h"
#include "handler/registration.h"

static JdgQuery find_query = {
	"SELECT owner, kind, request ->> 'endpoint' FROM jadugar_internal.handler WHERE name = $1 "
	"FOR UPDATE",
	1, {TEXTOID}
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.handler (name, kind, owner, function, sql, "
	"library, "
	"symbol, request, payload_type, validate, cleanup, on_error, version, queue_id, "
	"priority, timeout, retry, transaction, isolate, description, expect_rows, created_at) "
	"VALUES ($name, $kind, $owner, $function, $sql, $library, $symbol, "
	"$request, $payload_type, $validate, $cleanup, $on_error, $version, $queue_id, "
	"$priority, $timeout, $retry, $transaction, $isolate, $description, "
	"$expect_rows, $created_at) ON CONFLICT (name) DO NOTHING",
	.config = true
};

static JdgQuery update_query = {
	"UPDATE jadugar_internal.handler SET kind = $kind, owner = $owner, "
	"function = $function, sql = $sql, library = $library, "
	"symbol = $symbol, request = $request, payload_type = $payload_type, validate = $validate, "
	"cleanup = $cleanup, on_error = $on_error, version = $version, "
	"queue_id = $queue_id, priority = $priority, timeout = $timeout, "
	"retry = $retry, transaction = $transaction, isolate = $isolate, "
	"description = $description, expect_rows = $expect_rows WHERE name = $name",
	.config = true
};

/*
 * Binds all columns of the handler's row; owner may be another role than the
 * caller.  Both times are now.
 */
static void
bind_columns(JdgParams *p, const JdgRegistration *r, Oid owner)
{
	jdg_bind_text(p, "name", r->name);
	jdg_bind_text(p, "kind", r->kind);
	jdg_bind_oid(p, "owner", owner);
	jdg_bind_text(p, "function", r->function);
	jdg_bind_text(p, "sql", r->sql);
	jdg_bind_text(p, "library", r->library);
	jdg_bind_text(p, "symbol", r->symbol);
	jdg_bind_jsonb(p, "request", r->request);
	jdg_bind_text(p, "payload_type", r->payload_type);
	jdg_bind_text(p, "validate", r->validate);
	jdg_bind_text(p, "cleanup", r->cleanup);
	jdg_bind_text(p, "on_error", r->on_error);
	jdg_bind_text(p, "version", r->version);
	jdg_bind_int32_or_null(p, "queue_id", r->queue_id ? &r->queue_id : NULL);
	jdg_bind_int32_or_null(p, "priority", r->priority);
	jdg_bind_interval(p, "timeout", r->timeout);
	jdg_bind_jsonb(p, "retry", r->retry);
	jdg_bind_text(p, "transaction", r->transaction);
	jdg_bind_bool_or_null(p, "isolate", r->isolate);
	jdg_bind_text(p, "description", r->description);
	jdg_bind_text(p, "expect_rows", r->expect_rows ?
				  jdg_expect_rows_words[*r->expect_rows] : NULL);
	jdg_bind_time(p, "created_at", jdg_now());
}

/* Only a role with the rights of the owner can replace the handler. */
static void
raise_exists(const char *name, Oid user, Oid owner)
{
	bool		may_replace = has_privs_of_role(user, owner);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_TASK_ALREADY_REGISTERED),
			 errmsg("handler \"%s\" already exists", name),
			 may_replace ? 0 :
			 errdetail("It belongs to role \"%s\".", jdg_role_name(owner)),
			 may_replace ?
			 errhint("Pass or_replace => true to replace it, or choose another name.") :
			 errhint("Choose another name: names of handlers are unique in the database.")));
}

/* Is a handler of this kind replaced only by one of the same kind? */
static bool
is_special(const char *kind)
{
	return strcmp(kind, "c") == 0 || strcmp(kind, "http") == 0;
}

/* May this registration take the place of a handler that is there? */
static void
check_replace(const JdgRegistration *r, Oid user, Oid owner, const char *kind)
{
	if (!r->or_replace)
		raise_exists(r->name, user, owner);
	if (!has_privs_of_role(user, owner) || !jdg_role_is_meant(owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to replace handler \"%s\"", r->name),
				 errdetail("It belongs to role \"%s\".",
						   jdg_role_name(owner)),
				 errhint("Choose another name, or act as a member of that role.")));
	if (!jdg_may_replace(user, owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to replace handler \"%s\"", r->name),
				 errdetail("It belongs to role \"%s\", which is not confined to your tenants.",
						   jdg_role_name(owner)),
				 errhint("Choose another name, or ask that role to replace it.")));

	/*
	 * Grants of C handlers are given for the library, not for its owner.
	 * Tasks of HTTP handlers are not for workers.
	 */
	if (strcmp(kind, r->kind) != 0 && (is_special(kind) || is_special(r->kind)))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot replace handler \"%s\" by one of another kind",
						r->name),
				 errdetail("The kind of the existing handler is \"%s\", that of the new one is \"%s\".",
						   kind, r->kind),
				 errhint("Drop it first: SELECT jadugar.drop_handler(%s).",
						 quote_literal_cstr(r->name))));
}

Datum
jdg_handler_write(JdgRegistration *r)
{
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		name = CStringGetTextDatum(r->name);
	JdgParams	p = {0};
	JdgQuery   *query = &insert_query;
	Oid			owner = user;
	char	   *endpoint = NULL;

	jdg_internal_begin(&in);
	jdg_remember_role(user);
	if (jdg_run(&find_query, &name, NULL, 1) > 0)
	{
		owner = jdg_col_oid(0, 1);
		endpoint = jdg_col_text(0, 3, CurrentMemoryContext);
		check_replace(r, user, owner,
					  jdg_col_text(0, 2, CurrentMemoryContext));
		query = &update_query;
	}
	bind_columns(&p, r, owner);
	/* another session may have registered it at the same time */
	if (jdg_run_params(query, &p, 0) != 1)
		raise_exists(r->name, user, owner);
	r->moved = endpoint != NULL &&
		strcmp(endpoint, jdg_json_get_text(r->request, "endpoint")) != 0;
	jdg_audit(r->by, "handler", r->name, owner);
	jdg_internal_end(&in);
	return name;
}
