/*-------------------------------------------------------------------------
 *
 * queue_funcs.c
 *	  create_queue(), alter_queue().
 *
 * Runs in the caller's backend.  Changes lock the queue's row first.  Whether
 * a queue is bounded is noted on each of its tasks, which then hold places
 * (task/depth.h); a change of max_depth brings the notes up to date, but for
 * tasks that workers hold just then: those end anyway.
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
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "limit/limit.h"
#include "queue/queue.h"
#include "task/depth.h"
#include "task/task.h"
#include "task/wakeup.h"

static const char *const on_full_words[] = {
	"reject", "block", "drop_oldest", NULL
};

static const char *const history_words[] = {"all", "failures", "none", NULL};

/* create_queue(), alter_queue() */
typedef struct QueueArgs
{
	char	   *name;
	int32	   *max_concurrency;
	int32	   *rate;
	Interval   *per;
	int32	   *burst;
	int64	   *max_depth;
	int		   *on_full;		/* in on_full_words */
	bool	   *isolate;
	int		   *history;		/* in history_words */
	Interval   *retention;
	char	   *description;
	/* alter_queue() only */
	ArrayType  *reset;
} QueueArgs;

#define FIELD(field) offsetof(QueueArgs, field)

#define QUEUE_ARGS \
	{"name", TEXTOID, FIELD(name), JDG_NEEDED}, \
	{"max_concurrency", INT4OID, FIELD(max_concurrency), JDG_RESETTABLE}, \
	{"max_depth", INT8OID, FIELD(max_depth), JDG_RESETTABLE}, \
	{"on_full", TEXTOID, FIELD(on_full), JDG_RESETTABLE, on_full_words}, \
	{"isolate", BOOLOID, FIELD(isolate), JDG_RESETTABLE}, \
	{"history", TEXTOID, FIELD(history), JDG_RESETTABLE, history_words}, \
	{"retention", INTERVALOID, FIELD(retention), JDG_RESETTABLE}, \
	{"description", TEXTOID, FIELD(description), JDG_RESETTABLE}

#define RATE_ARGS \
	{"rate", INT4OID, FIELD(rate), JDG_RESETTABLE}, \
	{"per", INTERVALOID, FIELD(per), JDG_RESETTABLE}, \
	{"burst", INT4OID, FIELD(burst), JDG_RESETTABLE}

static const JdgArg create_args[] = {
	QUEUE_ARGS,
	RATE_ARGS,
};

static const JdgArg alter_args[] = {
	QUEUE_ARGS,
	{"reset", TEXTARRAYOID, FIELD(reset)},
	RATE_ARGS,
};

/* are "per" or "burst" given where there is no rate? */
#define BURST_LACKS_RATE \
	"rate IS NULL AND (per IS NOT NULL OR burst IS NOT NULL)"

static JdgQuery create_query = {
	"INSERT INTO jadugar_internal.queue (name, owner, max_concurrency, "
	"max_depth, on_full, isolate, history, retention, description, "
	"created_at, rate, per, burst) "
	"VALUES ($name, $owner, $max_concurrency, $max_depth, "
	"coalesce($on_full, 'reject'), $isolate, coalesce($history, 'all'), "
	"$retention, $description, $created_at, $rate, $per, $burst) "
	"ON CONFLICT (name) DO NOTHING RETURNING queue_id, rate, per, burst, "
	BURST_LACKS_RATE,
	.config = true
};

/* $reset: names of options that go back to their defaults */
static JdgQuery alter_query = {
	"UPDATE jadugar_internal.queue SET "
	"max_concurrency = CASE WHEN 'max_concurrency' = ANY ($reset) THEN NULL "
	"ELSE coalesce($max_concurrency, max_concurrency) END, "
	"max_depth = CASE WHEN 'max_depth' = ANY ($reset) THEN NULL "
	"ELSE coalesce($max_depth, max_depth) END, "
	"on_full = CASE WHEN 'on_full' = ANY ($reset) THEN 'reject' "
	"ELSE coalesce($on_full, on_full) END, "
	"isolate = CASE WHEN 'isolate' = ANY ($reset) THEN NULL "
	"ELSE coalesce($isolate, isolate) END, "
	"history = CASE WHEN 'history' = ANY ($reset) THEN 'all' "
	"ELSE coalesce($history, history) END, "
	"retention = CASE WHEN 'retention' = ANY ($reset) THEN NULL "
	"ELSE coalesce($retention, retention) END, "
	"description = CASE WHEN 'description' = ANY ($reset) THEN NULL "
	"ELSE coalesce($description, description) END, "
	"rate = CASE WHEN 'rate' = ANY ($reset) THEN NULL "
	"ELSE coalesce($rate, rate) END, "
	"per = CASE WHEN 'per' = ANY ($reset) THEN NULL "
	"WHEN 'rate' = ANY ($reset) THEN $per ELSE coalesce($per, per) END, "
	"burst = CASE WHEN 'burst' = ANY ($reset) THEN NULL "
	"WHEN 'rate' = ANY ($reset) THEN $burst "
	"ELSE coalesce($burst, burst) END "
	"WHERE queue_id = $queue_id "
	"RETURNING max_depth IS NOT NULL, rate, per, burst, " BURST_LACKS_RATE,
	.config = true
};

static JdgQuery bound_query = {
	"UPDATE jadugar_internal.task SET bounded = $2 "
	"WHERE task_id = ANY (ARRAY("
	"SELECT u.task_id FROM jadugar_internal.task AS u "
	"WHERE u.queue_id = $1 AND u.bounded <> $2 FOR UPDATE SKIP LOCKED))",
	2, {INT4OID, BOOLOID}
};

static void
check_limit(const char *what, int64 value)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", what),
				 errdetail("The value is %lld.", (long long) value),
				 errhint("To pause a queue, use jadugar.pause_queue().")));
}

static void
check_options(const QueueArgs *a)
{
	if (a->max_concurrency)
		check_limit("max_concurrency", *a->max_concurrency);
	if (a->max_depth)
		check_limit("max_depth", *a->max_depth);
	if (a->rate)
		check_limit("rate", *a->rate);
	if (a->burst)
		check_limit("burst", *a->burst);
	if (a->per)
		jdg_check_interval("per", a->per, false);
	if (a->retention)
		jdg_check_interval("retention", a->retention, false);
}

/* Checks the rate that the query's row has, from this column on. */
static void
check_rate(int col)
{
	JdgRate		rate = jdg_rate_read(0, col);

	jdg_rate_check_given("rate", jdg_col_bool(0, col + 3));
	jdg_rate_check("rate", &rate);
}

/*
 * Binds the options that create_queue() and alter_queue() share; NULL is
 * null.
 */
static void
bind_options(JdgParams *p, const QueueArgs *a)
{
	jdg_check_description(a->description);
	jdg_bind_int32_or_null(p, "max_concurrency", a->max_concurrency);
	jdg_bind_int64_or_null(p, "max_depth", a->max_depth);
	jdg_bind_text(p, "on_full", a->on_full ? on_full_words[*a->on_full] : NULL);
	jdg_bind_bool_or_null(p, "isolate", a->isolate);
	jdg_bind_text(p, "history", a->history ? history_words[*a->history] : NULL);
	jdg_bind_interval(p, "retention", a->retention);
	jdg_bind_int32_or_null(p, "rate", a->rate);
	jdg_bind_interval(p, "per", a->per);
	jdg_bind_int32_or_null(p, "burst", a->burst);
	jdg_bind_text(p, "description", a->description);
}

/* Names are unique in the database, so another role may own the queue. */
static void
raise_exists(const char *name, Oid user)
{
	JdgQueue	queue;
	bool		may_change = !jdg_queue_by_name(name, &queue) ||
	jdg_may_manage(user, queue.owner);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("queue \"%s\" already exists", name),
			 may_change ? 0 :
			 errdetail("It belongs to role \"%s\".", jdg_role_name(queue.owner)),
			 may_change ?
			 errhint("Change it with jadugar.alter_queue(), or choose another name.") :
			 errhint("Choose another name: names of queues are unique in the database.")));
}

/* besides those that begin with jadugar */
static const char *const reserved_names[] = {NULL};

/* create_queue(name, ...) returns its id */
JDG_FUNCTION(jdg_create_queue, JDG_LEVEL_USER)
{
	QueueArgs	a;
	JdgParams	p = {0};
	Oid			user = GetUserId();
	JdgInternal in;
	int32		queue_id;

	JDG_READ_ARGS("create_queue", create_args, &a);
	jdg_check_name("queue", a.name);
	jdg_check_not_reserved("queue", a.name, reserved_names);
	check_options(&a);
	jdg_bind_text(&p, "name", a.name);
	jdg_bind_oid(&p, "owner", user);
	bind_options(&p, &a);
	jdg_bind_time(&p, "created_at", jdg_now());

	jdg_internal_begin(&in);
	jdg_remember_role(user);
	if (jdg_run_params(&create_query, &p, 0) != 1)
		raise_exists(a.name, user);
	queue_id = jdg_col_int32(0, 1, 0);
	check_rate(2);
	jdg_audit("create_queue", "queue", a.name, user);
	jdg_internal_end(&in);
	PG_RETURN_INT32(queue_id);
}

/*
 * Notes on the tasks of a queue whether they count, and takes or frees their
 * places.
 */
static void
note_bounded(int32 queue_id, bool bounded)
{
	Datum		v[2] = {Int32GetDatum(queue_id), BoolGetDatum(bounded)};
	int64		n = jdg_run(&bound_query, v, NULL, 0);

	if (n == 0)
		return;
	if (bounded)
		jdg_depth_inserted(queue_id, n);
	else
		jdg_depth_freed(queue_id, n);
	/* workers skip the rows that are locked here, and this may roll back */
	jdg_row_held();
	/* so does the scheduler */
	jdg_wake_scheduler_at_commit(JDG_WAKE_SWEEP | JDG_WAKE_KEYS);
}

/* alter_queue(name, ..., reset) */
JDG_FUNCTION(jdg_alter_queue, JDG_LEVEL_USER)
{
	QueueArgs	a;
	bool		reset[lengthof(alter_args)] = {0};
	JdgParams	p = {0};
	JdgInternal in;
	int32		queue_id;

	JDG_READ_ARGS("alter_queue", alter_args, &a);
	check_options(&a);
	if (a.reset)
		jdg_args_reset(fcinfo, alter_args, lengthof(alter_args), a.reset,
					   reset);
	else
		a.reset = construct_empty_array(TEXTOID);

	jdg_internal_begin(&in);
	queue_id = jdg_queue_lock(a.name, in.save_user);
	jdg_bind_int32(&p, "queue_id", queue_id);
	bind_options(&p, &a);
	jdg_bind(&p, "reset", TEXTARRAYOID, PointerGetDatum(a.reset), false);
	if (jdg_run_params(&alter_query, &p, 0) != 1)
		elog(ERROR, "could not change queue \"%s\"", a.name);
	check_rate(2);
	note_bounded(queue_id, jdg_col_bool(0, 1));
	jdg_audit("alter_queue", "queue", a.name, jdg_queue_owner(queue_id));
	jdg_room_changed_at_commit();
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
