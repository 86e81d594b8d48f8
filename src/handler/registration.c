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

#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "handler/registration.h"

#define NCOLUMNS 19
#define COLUMN_TYPES \
	{TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT4OID, INTERVALOID, \
	JSONBOID, TEXTOID, BOOLOID, TEXTOID, TIMESTAMPTZOID}

static JdgQuery find_query = {
	"SELECT owner, kind FROM jadugar_internal.handler WHERE name = $1 "
	"FOR UPDATE",
	1, {TEXTOID}
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.handler (name, kind, owner, function, sql, "
	"library, "
	"symbol, payload_type, validate, cleanup, on_error, version, queue_id, "
	"priority, timeout, retry, transaction, isolate, description, created_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
	"$15, $16, $17, $18, $19, $20) ON CONFLICT (name) DO NOTHING",
	NCOLUMNS + 1, COLUMN_TYPES,
	.config = true
};

static JdgQuery update_query = {
	"UPDATE jadugar_internal.handler "
	"SET kind = $2, owner = $3, function = $4, "
	"sql = $5, library = $6, symbol = $7, payload_type = $8, validate = $9, "
	"cleanup = $10, on_error = $11, version = $12, queue_id = $13, "
	"priority = $14, timeout = $15, retry = $16, transaction = $17, "
	"isolate = $18, description = $19 WHERE name = $1",
	NCOLUMNS, COLUMN_TYPES,
	.config = true
};

static void
set_text(Datum *values, char *nulls, int i, const char *s)
{
	nulls[i] = s ? ' ' : 'n';
	values[i] = s ? CStringGetTextDatum(s) : (Datum) 0;
}

static void
set_value(Datum *values, char *nulls, int i, Datum value, bool given)
{
	nulls[i] = given ? ' ' : 'n';
	values[i] = value;
}

static void
fill_columns(const JdgRegistration *r, Oid owner, Datum *values, char *nulls)
{
	set_text(values, nulls, 0, r->name);
	set_text(values, nulls, 1, r->kind);
	set_value(values, nulls, 2, ObjectIdGetDatum(owner), true);
	set_text(values, nulls, 3, r->function);
	set_text(values, nulls, 4, r->sql);
	set_text(values, nulls, 5, r->library);
	set_text(values, nulls, 6, r->symbol);
	set_text(values, nulls, 7, r->payload_type);
	set_text(values, nulls, 8, r->validate);
	set_text(values, nulls, 9, r->cleanup);
	set_text(values, nulls, 10, r->on_error);
	set_text(values, nulls, 11, r->version);
	set_value(values, nulls, 12, Int32GetDatum(r->queue_id), r->queue_id != 0);
	set_value(values, nulls, 13, Int32GetDatum(r->priority), r->has_priority);
	set_value(values, nulls, 14, IntervalPGetDatum(r->timeout),
			  r->timeout != NULL);
	set_value(values, nulls, 15, JsonbPGetDatum(r->retry), r->retry != NULL);
	set_text(values, nulls, 16, r->transaction);
	set_value(values, nulls, 17, BoolGetDatum(r->isolate), r->has_isolate);
	set_text(values, nulls, 18, r->description);
	set_value(values, nulls, 19, TimestampTzGetDatum(jdg_now()), true);
	nulls[20] = '\0';
}

/* May this registration take the place of a handler that is there? */
static void
check_replace(const JdgRegistration *r, Oid user, Oid owner, const char *kind)
{
	if (!r->or_replace)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_TASK_ALREADY_REGISTERED),
				 errmsg("handler \"%s\" is registered already", r->name),
				 errhint("Pass or_replace => true to replace it, or choose another name.")));
	if (!has_privs_of_role(user, owner) || !jdg_role_is_meant(owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to replace handler \"%s\"", r->name),
				 errdetail("It belongs to role \"%s\".",
						   GetUserNameFromId(owner, true)),
				 errhint("Choose another name, or act as a member of that role.")));

	/* grants of C handlers are given for the library, not for its owner */
	if ((strcmp(kind, "c") == 0) != (strcmp(r->kind, "c") == 0))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("handler \"%s\" can not be replaced by one of another kind",
						r->name),
				 errdetail("One of the two is a C handler."),
				 errhint("Drop it first: SELECT jadugar.drop_handler(%s).",
						 quote_literal_cstr(r->name))));
}

Datum
jdg_handler_write(const JdgRegistration *r)
{
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[NCOLUMNS + 1];
	char		nulls[NCOLUMNS + 2];
	JdgQuery   *query = &insert_query;
	Oid			owner = user;

	jdg_internal_begin(&in);
	jdg_remember_role(user);
	values[0] = CStringGetTextDatum(r->name);
	if (jdg_run(&find_query, values, NULL, 1) > 0)
	{
		owner = jdg_col_oid(0, 1);
		check_replace(r, user, owner,
					  jdg_col_text(0, 2, CurrentMemoryContext));
		query = &update_query;
	}
	fill_columns(r, owner, values, nulls);
	if (jdg_run(query, values, nulls, 0) != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_TASK_ALREADY_REGISTERED),
				 errmsg("handler \"%s\" is registered already", r->name),
				 errdetail("Another session registered it at the same time."),
				 errhint("Pass or_replace => true to replace it, or choose another name.")));
	jdg_internal_end(&in);
	return CStringGetTextDatum(r->name);
}
