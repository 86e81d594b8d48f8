/*-------------------------------------------------------------------------
 *
 * queue_funcs.c
 *	  create_queue(), alter_queue(), set_limit().
 *
 * Runs in the caller's backend.  Changes lock the queue's row first.  Whether
 * a queue is bounded is noted on each of its tasks, so that enqueueing into
 * one that is not costs nothing; a change of max_depth brings the notes up to
 * date, but for tasks that workers hold just then: those end anyway.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "queue/queue.h"
#include "task/task.h"
#include "task/wakeup.h"

PG_FUNCTION_INFO_V1(jdg_create_queue);
PG_FUNCTION_INFO_V1(jdg_alter_queue);
PG_FUNCTION_INFO_V1(jdg_set_limit);

/* the arguments of create_queue() and alter_queue() after the name */
typedef enum QueueOption
{
	OPTION_MAX_CONCURRENCY,
	OPTION_MAX_DEPTH,
	OPTION_ON_FULL,
	OPTION_ISOLATE,
	OPTION_HISTORY,
	OPTION_RETENTION,
	OPTION_DESCRIPTION,
	NOPTIONS
} QueueOption;

static const char *const option_name[NOPTIONS] = {
	"max_concurrency", "max_depth", "on_full", "isolate", "history",
	"retention", "description"
};

static JdgQuery create_query = {
	"INSERT INTO jadugar.queue (name, owner, max_concurrency, max_depth, "
	"on_full, isolate, history, retention, description, created_at) "
	"VALUES ($1, $2, $3, $4, coalesce($5, 'reject'), $6, "
	"coalesce($7, 'all'), $8, $9, $10) "
	"ON CONFLICT (name) DO NOTHING RETURNING queue_id",
	10, {TEXTOID, OIDOID, INT4OID, INT8OID, TEXTOID, BOOLOID, TEXTOID,
	INTERVALOID, TEXTOID, TIMESTAMPTZOID},
	.config = true
};

/* $9: names of what goes back to its default */
static JdgQuery alter_query = {
	"UPDATE jadugar.queue SET "
	"max_concurrency = CASE WHEN 'max_concurrency' = ANY ($9) THEN NULL "
	"ELSE coalesce($2, max_concurrency) END, "
	"max_depth = CASE WHEN 'max_depth' = ANY ($9) THEN NULL "
	"ELSE coalesce($3, max_depth) END, "
	"on_full = CASE WHEN 'on_full' = ANY ($9) THEN 'reject' "
	"ELSE coalesce($4, on_full) END, "
	"isolate = CASE WHEN 'isolate' = ANY ($9) THEN NULL "
	"ELSE coalesce($5, isolate) END, "
	"history = CASE WHEN 'history' = ANY ($9) THEN 'all' "
	"ELSE coalesce($6, history) END, "
	"retention = CASE WHEN 'retention' = ANY ($9) THEN NULL "
	"ELSE coalesce($7, retention) END, "
	"description = CASE WHEN 'description' = ANY ($9) THEN NULL "
	"ELSE coalesce($8, description) END "
	"WHERE queue_id = $1 RETURNING max_depth IS NOT NULL",
	9, {INT4OID, INT4OID, INT8OID, TEXTOID, BOOLOID, TEXTOID, INTERVALOID,
	TEXTOID, TEXTARRAYOID},
	.config = true
};

static JdgQuery bound_query = {
	"UPDATE jadugar.task AS t SET bounded = $2 WHERE t.task_id IN "
	"(SELECT u.task_id FROM jadugar.task AS u "
	"WHERE u.queue_id = $1 AND u.bounded <> $2 FOR UPDATE SKIP LOCKED)",
	2, {INT4OID, BOOLOID}
};

static JdgQuery limit_query = {
	"UPDATE jadugar.queue SET max_concurrency = $2 WHERE queue_id = $1",
	2, {INT4OID, INT4OID},
	.config = true
};

static JdgQuery key_limit_query = {
	"INSERT INTO jadugar.key_limit (owner, key, max_concurrency) "
	"VALUES ($1, $2, $3) ON CONFLICT (owner, key) "
	"DO UPDATE SET max_concurrency = excluded.max_concurrency",
	3, {OIDOID, TEXTOID, INT4OID}
};

static JdgQuery key_unlimit_query = {
	"DELETE FROM jadugar.key_limit WHERE owner = $1 AND key = $2",
	2, {OIDOID, TEXTOID}
};

static void
check_limit(const char *what, int64 value)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", what),
				 errdetail("The value is %lld.", (long long) value),
				 errhint("To hold a queue back altogether, use jadugar.pause_queue().")));
}

static void
check_choice(const char *what, const char *value, const char *const *choices,
			 const char *hint)
{
	for (; *choices; choices++)
	{
		if (strcmp(*choices, value) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("%s \"%s\" is not known", what, jdg_excerpt(value)),
			 errhint("%s", hint)));
}

/*
 * Check the arguments from number 1 on and copy them as query parameters.
 */
static void
read_options(FunctionCallInfo fcinfo, Datum *values, char *nulls)
{
	static const char *const on_full[] = {"reject", "block", "drop_oldest", NULL};
	static const char *const history[] = {"all", "failures", "none", NULL};

	for (int i = 0; i < NOPTIONS; i++)
	{
		nulls[i] = PG_ARGISNULL(i + 1) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i + 1) ? (Datum) 0 : PG_GETARG_DATUM(i + 1);
	}
	if (nulls[OPTION_MAX_CONCURRENCY] == ' ')
		check_limit("max_concurrency",
					DatumGetInt32(values[OPTION_MAX_CONCURRENCY]));
	if (nulls[OPTION_MAX_DEPTH] == ' ')
		check_limit("max_depth", DatumGetInt64(values[OPTION_MAX_DEPTH]));
	if (nulls[OPTION_ON_FULL] == ' ')
		check_choice("on_full", TextDatumGetCString(values[OPTION_ON_FULL]),
					 on_full, "Use 'reject', 'block' or 'drop_oldest'.");
	if (nulls[OPTION_HISTORY] == ' ')
		check_choice("history", TextDatumGetCString(values[OPTION_HISTORY]),
					 history, "Use 'all', 'failures' or 'none'.");
	if (nulls[OPTION_RETENTION] == ' ')
		jdg_check_interval("retention",
						   DatumGetIntervalP(values[OPTION_RETENTION]), false);
}

/* create_queue(name, ...) returns its id */
Datum
jdg_create_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "create_queue", "name");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[10];
	char		nulls[11];
	int32		queue_id;

	jdg_check_name("a queue", name);
	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(user);
	nulls[0] = nulls[1] = ' ';
	read_options(fcinfo, values + 2, nulls + 2);
	values[9] = TimestampTzGetDatum(jdg_now());
	nulls[9] = ' ';
	nulls[10] = '\0';

	jdg_internal_begin(&in);
	jdg_remember_role(user);
	if (jdg_run(&create_query, values, nulls, 0) != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("queue \"%s\" exists already", name),
				 errhint("Change it with jadugar.alter_queue(), or choose another name.")));
	queue_id = jdg_col_int32(0, 1, 0);
	jdg_internal_end(&in);
	PG_RETURN_INT32(queue_id);
}

/* reset => names of options, none of them given too */
static Datum
read_reset(FunctionCallInfo fcinfo, int n)
{
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	if (PG_ARGISNULL(n))
		return PointerGetDatum(construct_empty_array(TEXTOID));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(elems[i]);
		int			option = 0;

		while (option < NOPTIONS && strcmp(name, option_name[option]) != 0)
			option++;
		if (option == NOPTIONS)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("reset names an unknown option \"%s\"",
							jdg_excerpt(name)),
					 errhint("Options of a queue: max_concurrency, max_depth, on_full, isolate, history, retention, description.")));
		if (!PG_ARGISNULL(option + 1))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("option \"%s\" is both given and reset", name)));
	}
	return PG_GETARG_DATUM(n);
}

/* alter_queue(name, ..., reset) */
Datum
jdg_alter_queue(PG_FUNCTION_ARGS)
{
	char	   *name = jdg_need_text(fcinfo, 0, "alter_queue", "name");
	Oid			user = GetUserId();
	JdgInternal in;
	Datum		values[9];
	char		nulls[10];
	Datum		bound[2];

	read_options(fcinfo, values + 1, nulls + 1);
	values[8] = read_reset(fcinfo, NOPTIONS + 1);
	nulls[0] = nulls[8] = ' ';
	nulls[9] = '\0';

	jdg_internal_begin(&in);
	values[0] = Int32GetDatum(jdg_queue_lock(name, user));
	if (jdg_run(&alter_query, values, nulls, 0) != 1)
		elog(ERROR, "could not change queue \"%s\"", name);
	bound[0] = values[0];
	bound[1] = BoolGetDatum(jdg_col_bool(0, 1));
	/* workers pass over what is locked here, and this may roll back */
	if (jdg_run(&bound_query, bound, NULL, 0) > 0)
		jdg_row_held();
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

static void
set_key_limit(const char *key, Datum limit, bool removed, Oid owner)
{
	Datum		values[3];

	values[0] = ObjectIdGetDatum(owner);
	values[1] = CStringGetTextDatum(key);
	values[2] = limit;
	if (!removed)
	{
		jdg_remember_role(owner);
		jdg_run(&key_limit_query, values, NULL, 0);
	}
	else if (jdg_run(&key_unlimit_query, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("key \"%s\" has no limit of its own", key),
				 errdetail("Tasks of one concurrency_key run one at a time.")));
}

/* set_limit(scope, name, max_concurrency, owner) */
Datum
jdg_set_limit(PG_FUNCTION_ARGS)
{
	char	   *scope = jdg_need_text(fcinfo, 0, "set_limit", "scope");
	char	   *name = jdg_need_text(fcinfo, 1, "set_limit", "name");
	bool		removed = PG_ARGISNULL(2);
	Datum		limit = removed ? (Datum) 0 : PG_GETARG_DATUM(2);
	static const char *const scopes[] = {"queue", "key", NULL};
	bool		is_key = strcmp(scope, "key") == 0;
	Oid			user = GetUserId();
	Oid			owner = user;
	JdgInternal in;

	check_choice("scope", scope, scopes, "Use 'queue' or 'key'.");
	if (!removed)
		check_limit("max_concurrency", DatumGetInt32(limit));
	if (is_key)
	{
		owner = jdg_owner_of_call(jdg_arg_text(fcinfo, 3));
		if (name[0] == '\0' || strlen(name) > 1024)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("concurrency_key must have from 1 to 1024 bytes"),
					 errdetail("The value has %zu bytes.", strlen(name))));
	}
	else if (!PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("owner can only be given with scope 'key'"),
				 errhint("Names of queues are unique in the database.")));

	jdg_internal_begin(&in);
	if (is_key)
		set_key_limit(name, limit, removed, owner);
	else
	{
		Datum		values[2];

		values[0] = Int32GetDatum(jdg_queue_lock(name, user));
		values[1] = limit;
		jdg_run(&limit_query, values, removed ? " n" : NULL, 0);
	}
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
