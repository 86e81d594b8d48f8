/*-------------------------------------------------------------------------
 *
 * handler_admin_funcs.c
 *	  drop_handler(), grant_handler(), revoke_handler().
 *
 * Runs in the caller's backend.  The handler's row is locked first; then,
 * when its tasks are cancelled, their rows, never waiting: a row that is
 * locked is a worker's, and is reached through the worker's slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "access/power.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/params.h"
#include "base/spi.h"
#include "flow/uses.h"
#include "handler/command.h"
#include "handler/privileges.h"
#include "shared/shmem.h"
#include "shared/slot.h"
#include "task/settle.h"

static const char *const pending_words[] = {"restrict", "cancel", NULL};

typedef enum Pending
{
	PENDING_RESTRICT,
	PENDING_CANCEL
} Pending;

/* drop_handler() */
typedef struct DropArgs
{
	char	   *name;
	Pending		pending;
} DropArgs;

static const JdgArg drop_args[] = {
	{"name", TEXTOID, offsetof(DropArgs, name), JDG_NEEDED},
	{"pending", TEXTOID, offsetof(DropArgs, pending), JDG_NEEDED,
	pending_words},
};

/* grant_handler(), revoke_handler() */
typedef struct GrantArgs
{
	char	   *name;
	char	   *role;
} GrantArgs;

static const JdgArg grant_args[] = {
	{"name", TEXTOID, offsetof(GrantArgs, name), JDG_NEEDED},
	{"role", TEXTOID, offsetof(GrantArgs, role), JDG_NEEDED},
};

/* number of tasks that drop_handler() reads at once */
#define CANCEL_BATCH	500

#define COMMANDS_OF_IT \
	"(SELECT c.command_id FROM jadugar_internal.command AS c " \
	"WHERE c.kind = " JDG_SQL_HANDLER " AND c.text = $1)"

static JdgQuery find_query = {
	"SELECT owner, kind FROM jadugar_internal.handler WHERE name = $1 "
	"FOR UPDATE",
	1, {TEXTOID}
};

static JdgQuery schedules_query = {
	"SELECT string_agg(quote_literal(u.name), ', ') FROM "
	"(SELECT s.name FROM jadugar_internal.schedule AS s "
	"WHERE s.command_id IN " COMMANDS_OF_IT
	" ORDER BY s.name LIMIT 5) AS u",
	1, {TEXTOID}
};

static JdgQuery subscriptions_query = {
	"SELECT string_agg(quote_literal(u.name), ', ') FROM "
	"(SELECT s.name FROM jadugar_internal.subscription AS s "
	"WHERE s.command_id IN " COMMANDS_OF_IT
	" ORDER BY s.name LIMIT 5) AS u",
	1, {TEXTOID}
};

static JdgQuery count_query = {
	"SELECT count(*) FROM jadugar_internal.task AS t "
	"WHERE t.command_id IN " COMMANDS_OF_IT,
	1, {TEXTOID}
};

static JdgQuery waiting_query = {
	"SELECT " JDG_TASK_COLUMNS " FROM jadugar_internal.task "
	"WHERE task_id > $2 AND state <> " JDG_SQL_STANDALONE
	" AND command_id IN " COMMANDS_OF_IT
	" ORDER BY task_id LIMIT $3 FOR UPDATE SKIP LOCKED",
	3, {TEXTOID, INT8OID, INT4OID}
};

static JdgQuery unfinished_query = {
	"SELECT t.task_id, t.owner FROM jadugar_internal.task AS t "
	"WHERE t.task_id > $2 AND t.command_id IN " COMMANDS_OF_IT
	" ORDER BY t.task_id LIMIT $3",
	3, {TEXTOID, INT8OID, INT4OID}
};

static JdgQuery visible_query = {
	"SELECT count(*) FROM jadugar_internal.task WHERE task_id = ANY ($1)",
	1, {INT8ARRAYOID}
};

static JdgQuery delete_query = {
	"DELETE FROM jadugar_internal.handler WHERE name = $1", 1, {TEXTOID},
	.config = true
};

static JdgQuery delete_grants_query = {
	"DELETE FROM jadugar_internal.handler_grant "
	"WHERE handler = $1", 1, {TEXTOID},
	.config = true
};

static JdgQuery grant_query = {
	"INSERT INTO jadugar_internal.handler_grant (handler, role) "
	"VALUES ($1, $2) ON CONFLICT (handler, role) DO NOTHING",
	2, {TEXTOID, OIDOID},
	.config = true
};

static JdgQuery revoke_query = {
	"DELETE FROM jadugar_internal.handler_grant WHERE handler = $1 "
	"AND role = $2",
	2, {TEXTOID, OIDOID},
	.config = true
};

/* Its owner and whether it is a C handler; inside jdg_internal_begin(). */
static Oid
lock_handler(const char *name, bool *is_c)
{
	Datum		key = CStringGetTextDatum(name);

	Assert(jdg_is_bookkeeping());
	jdg_check_name("handler", name);
	if (jdg_run(&find_query, &key, NULL, 1) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", name),
				 errhint("See the view jadugar.handlers.")));
	*is_c = strcmp(jdg_col_text(0, 2, CurrentMemoryContext), "c") == 0;
	return jdg_col_oid(0, 1);
}

/* Raises FORBIDDEN unless the user may manage the handlers of this owner. */
static void
check_manages(const char *name, Oid user, Oid owner)
{
	if (jdg_may_manage(user, owner))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied for handler \"%s\"", name),
			 errdetail("It belongs to role \"%s\".",
					   jdg_role_name(owner)),
			 errhint("Act as a member of that role, or as an operator.")));
}

/* A confined caller is not told who else uses its handler, nor how often. */
static bool
is_confined(void)
{
	return jdg_confined(jdg_section_caller()) != NULL;
}

/*
 * Raises CONFLICT if schedules use the handler, also those that were committed
 * since this transaction began; likewise below.
 */
static void
refuse_if_scheduled(const char *name)
{
	Datum		key = CStringGetTextDatum(name);
	char	   *names;

	(void) jdg_run_latest(&schedules_query, &key, NULL);
	names = jdg_col_text(0, 1, CurrentMemoryContext);
	if (names)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop handler \"%s\" because schedules use it", name),
				 is_confined() ? 0 :
				 errdetail("The schedules include %s.", names),
				 errhint("Drop them first with jadugar.unschedule().")));
}

/* The same for subscriptions. */
static void
refuse_if_subscribed(const char *name)
{
	Datum		key = CStringGetTextDatum(name);
	char	   *names;

	(void) jdg_run_latest(&subscriptions_query, &key, NULL);
	names = jdg_col_text(0, 1, CurrentMemoryContext);
	if (names)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop handler \"%s\" because subscriptions use it", name),
				 is_confined() ? 0 :
				 errdetail("The subscriptions include %s.", names),
				 errhint("Drop them first with jadugar.unsubscribe().")));
}

/* Raises CONFLICT if flows use the handler. */
static void
refuse_if_in_flows(const char *name, const JdgFlowUses *uses)
{
	if (uses->flows > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop handler \"%s\" because flows use it", name),
				 is_confined() ? 0 :
				 errdetail("The flows include %s.", uses->names),
				 errhint("Drop them first with jadugar.drop_flow(), or create versions without the handler.")));
}

/* Raises CONFLICT if unfinished tasks or runs use the handler. */
static void
refuse_if_pending(const char *name, const JdgFlowUses *uses)
{
	Datum		key = CStringGetTextDatum(name);
	int64		n;

	if (uses->runs > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop handler \"%s\" because flow runs use it", name),
				 is_confined() ? 0 :
				 errdetail("Number of unfinished runs: %lld.",
						   (long long) uses->runs),
				 errhint("Wait for them, or pass pending => 'cancel'.")));
	(void) jdg_run_latest(&count_query, &key, NULL);
	n = jdg_col_int64(0, 1, 0);
	if (n > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot drop handler \"%s\" because tasks use it", name),
				 is_confined() ? 0 :
				 errdetail("Number of unfinished tasks: %lld.",
						   (long long) n),
				 errhint("Wait for them, or pass pending => 'cancel'.")));
}

/*
 * Raises CONFLICT if this transaction, which keeps its snapshot, does not see
 * all tasks of a batch; returns their number.
 */
static int64
refuse_hidden(Datum *values, Oid by, JdgAuditTally *tally)
{
	int64		n = jdg_run_latest(&unfinished_query, values, NULL);
	int64	   *ids = jdg_col_int64s(n, 1, CurrentMemoryContext);
	Datum	   *elems = palloc(sizeof(Datum) * Max(n, 1));
	Datum		array;

	for (int64 i = 0; i < n; i++)
		elems[i] = Int64GetDatum(ids[i]);
	array = jdg_array(INT8OID, elems, NULL, n);
	(void) jdg_run(&visible_query, &array, NULL, 0);
	if (jdg_col_int64(0, 1, 0) < n)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the current transaction does not see all tasks of handler \"%s\"",
						TextDatumGetCString(values[0])),
				 errdetail("The isolation level of the transaction is \"%s\", and tasks have been added since it took its snapshot.",
						   GetConfigOption("transaction_isolation", false, false)),
				 errhint("Drop the handler in a READ COMMITTED transaction.")));
	if (n > 0)
		values[1] = Int64GetDatum(ids[n - 1]);
	return n;
}

/* Cancels the waiting tasks of a batch; returns their number. */
static int64
cancel_waiting(Datum *values, Oid by, JdgAuditTally *tally)
{
	int64		n = jdg_run(&waiting_query, values, NULL, 0);
	JdgTask    *tasks = jdg_task_from_rows(n, CurrentMemoryContext);

	for (int64 i = 0; i < n; i++)
	{
		JdgTask		again;

		/* cancelling another may have changed or removed a dependant */
		if (!jdg_task_load(tasks[i].task_id, true, &again, CurrentMemoryContext))
			continue;
		jdg_settle_cancel(&again, "handler_dropped", by);
		jdg_audit_count(tally, again.owner, 1);
	}
	if (n > 0)
		values[1] = Int64GetDatum(tasks[n - 1].task_id);
	return n;
}

/* Asks workers to stop the tasks of a batch that they hold. */
static int64
cancel_held(Datum *values, Oid by, JdgAuditTally *tally)
{
	int64		n = jdg_run(&unfinished_query, values, NULL, 0);

	for (int64 i = 0; i < n; i++)
	{
		int64		id = jdg_col_int64(i, 1, 0);

		if (jdg_slot_cancel_task(MyDatabaseId, id, JDG_CANCEL_TASK, by))
			jdg_audit_count(tally, jdg_col_oid(i, 2), 1);
		values[1] = Int64GetDatum(id);
	}
	return n;
}

/*
 * Calls one of these functions for all tasks of a handler.  A section of its
 * own for each batch frees what the batch has read.
 */
static void
for_batches(const char *name,
			int64 (*work) (Datum *values, Oid by, JdgAuditTally *tally),
			Oid by, JdgAuditTally *tally)
{
	Datum		values[3] = {CStringGetTextDatum(name), Int64GetDatum(0),
	Int32GetDatum(CANCEL_BATCH)};
	int64		n;

	do
	{
		JdgInternal in;

		CHECK_FOR_INTERRUPTS();
		jdg_internal_begin(&in);
		n = work(values, by, tally);
		jdg_internal_end(&in);
	} while (n == CANCEL_BATCH);
}

/* Cancels waiting tasks, then asks workers to stop those they hold. */
static void
cancel_pending(const char *name, Oid by)
{
	JdgAuditTally *tally = jdg_audit_tally();

	jdg_require_shmem();
	if (IsolationUsesXactSnapshot())
		for_batches(name, refuse_hidden, by, tally);
	for_batches(name, cancel_waiting, by, tally);
	for_batches(name, cancel_held, by, tally);
	jdg_audit_counted(tally, "drop_handler", "tasks");
}

/* drop_handler(name, pending) */
JDG_FUNCTION(jdg_drop_handler, JDG_LEVEL_USER)
{
	DropArgs	a;
	JdgInternal in;
	JdgFlowUses uses;
	Datum		key;
	Oid			owner;
	bool		is_c;

	JDG_READ_ARGS("drop_handler", drop_args, &a);
	key = CStringGetTextDatum(a.name);
	jdg_internal_begin(&in);
	owner = lock_handler(a.name, &is_c);
	check_manages(a.name, in.save_user, owner);
	refuse_if_scheduled(a.name);
	refuse_if_subscribed(a.name);
	jdg_flow_uses_of_handler(a.name, &uses);
	refuse_if_in_flows(a.name, &uses);
	switch (a.pending)
	{
		case PENDING_RESTRICT:
			refuse_if_pending(a.name, &uses);
			break;
		case PENDING_CANCEL:
			if (is_confined())
				ereport(ERROR,
						(errcode(JDG_ERRCODE_FORBIDDEN),
						 errmsg("permission denied to cancel tasks of all tenants"),
						 errdetail("Any role that may use handler \"%s\" may have such tasks.",
								   a.name),
						 errhint("Cancel your own tasks with jadugar.cancel_tasks(), and leave pending out.")));
			jdg_flow_uses_abort(&uses, in.save_user, "drop_handler");
			cancel_pending(a.name, in.save_user);
			break;
	}
	jdg_run(&delete_grants_query, &key, NULL, 0);
	jdg_run(&delete_query, &key, NULL, 0);
	jdg_audit("drop_handler", "handler", a.name, owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/*
 * A role that is granted a handler runs its owner's code with its own rights.
 * So the owner alone cannot grant it: the grantor must be able to act for the
 * other role anyway, and for C code, or a role with more power than an
 * operator, only a superuser can.
 */
static void
check_may_grant(const char *name, Oid user, Oid role, bool is_c)
{
	const char *power = NULL;

	if (superuser_arg(user))
		return;
	if (!is_c && !superuser_arg(role) && has_privs_of_role(user, role))
		return;
	if (!is_c && jdg_is_operator(user) && (power = jdg_role_power(role)) == NULL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to grant handler \"%s\" to role \"%s\"",
					name, jdg_role_name(role)),
			 power == NULL ?
			 errdetail("It would run with the rights of that role.") :
			 errdetail("It would run with the rights of that role, which has the right \"%s\".",
					   power),
			 is_c || power != NULL || superuser_arg(role) ?
			 errhint("Ask a superuser to grant it.") :
			 errhint("Ask an operator to grant it.")));
}

/* grant_handler(name, role) */
JDG_FUNCTION(jdg_grant_handler, JDG_LEVEL_USER)
{
	GrantArgs	a;
	Oid			role;
	Oid			owner;
	JdgInternal in;
	Datum		values[2];
	bool		is_c;
	MemoryContext mcxt = CurrentMemoryContext;
	JdgHandler *h;

	JDG_READ_ARGS("grant_handler", grant_args, &a);
	role = jdg_grantee(a.role);
	values[0] = CStringGetTextDatum(a.name);
	values[1] = ObjectIdGetDatum(role);
	jdg_internal_begin(&in);
	owner = lock_handler(a.name, &is_c);
	check_manages(a.name, in.save_user, owner);
	check_may_grant(a.name, in.save_user, role, is_c);
	jdg_remember_role(role);
	if (jdg_run(&grant_query, values, NULL, 0) > 0)
		jdg_audit_grant("grant_handler", "handler", a.name, owner, "use", a.role);
	h = jdg_handler_read(a.name, mcxt);
	jdg_internal_end(&in);
	jdg_handler_warn_of_privileges(h, role);
	jdg_note_no_access(role);
	PG_RETURN_VOID();
}

/* revoke_handler(name, role) */
JDG_FUNCTION(jdg_revoke_handler, JDG_LEVEL_USER)
{
	GrantArgs	a;
	Oid			owner;
	JdgInternal in;
	Datum		values[2];
	bool		is_c;

	JDG_READ_ARGS("revoke_handler", grant_args, &a);
	values[0] = CStringGetTextDatum(a.name);
	values[1] = ObjectIdGetDatum(jdg_grantee(a.role));
	jdg_internal_begin(&in);
	owner = lock_handler(a.name, &is_c);
	check_manages(a.name, in.save_user, owner);
	if (jdg_run(&revoke_query, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" is not granted to role \"%s\"",
						a.name, a.role)));
	jdg_audit_grant("revoke_handler", "handler", a.name, owner, "use", a.role);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
