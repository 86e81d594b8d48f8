/*-------------------------------------------------------------------------
 *
 * call_funcs.c
 *	  SQL procedure request(): sends a request and waits for its response; and
 *	  what test_endpoint() requests.
 *
 * The procedure runs in the caller's backend, outside a transaction block.  The
 * task is enqueued by call_service() as the caller, and committed: only then can the
 * process "jadugar http" see it.  Each look at the task is a transaction, so a
 * backend that sleeps holds no snapshot and no lock.  If an error ends the
 * wait, such as a cancel or statement_timeout, the task goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/spi.h"
#include "endpoint/endpoint.h"
#include "exec/exec.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "task/await.h"
#include "task/history.h"

/* a task that was cancelled has this time to end, in us */
#define END_US (5 * USECS_PER_SEC)

typedef struct TestArgs
{
	char	   *name;
	char	   *path;
} TestArgs;

static const JdgArg test_args[] = {
	{"name", TEXTOID, offsetof(TestArgs, name), JDG_NEEDED},
	{"path", TEXTOID, offsetof(TestArgs, path)},
};

/* arguments of request(); the last one, result, is only returned */
enum
{
	ARG_TIMEOUT = 4, ARG_QUEUE = 13, ARGS = 18
};

/* $5 is the timeout of the wait, which call_service() does not get */
static const char call_sql[] =
"SELECT jadugar.call_service(endpoint => $1, path => $2, method => $3, body => $4, "
"query => $6, headers => $7, body_text => $8, expect => $9, response => $10, "
"idempotency_key => $11, retries => $12, when_open => $13, queue => $14, "
"priority => $15, trace => $16, tenant => $17, metadata => $18)";

static const char outcome_sql[] =
"SELECT f.status, f.result, f.error, f.reason FROM jadugar.finished f WHERE f.task_id = $1";

/* attempts so far, and the error of the last one that has failed */
static const char last_error_sql[] =
"SELECT h.attempt, h.error FROM jadugar.history h WHERE h.task_id = $1 "
"AND h.error IS NOT NULL ORDER BY h.attempt DESC LIMIT 1";

static const char waiting_sql[] =
"SELECT t.waiting_for FROM jadugar.tasks t WHERE t.task_id = $1";

static const char cancel_sql[] = "SELECT jadugar.cancel($1)";

/* Raises CONFLICT where the procedure must not sleep. */
static void
refuse_sleep(FunctionCallInfo fcinfo)
{
	if (jdg_current_task != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.request() cannot wait inside a task or a handler"),
				 errdetail("If all workers wait, none is left for other tasks."),
				 errhint("Enqueue the request with jadugar.call_service(), and what follows with depends_on or as a step of a flow.")));
	if (!jdg_call_may_commit(fcinfo))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("jadugar.request() cannot run inside a transaction block"),
				 errdetail("The request is sent after a commit."),
				 errhint("Run CALL outside a transaction block, or enqueue the request with jadugar.call_service().")));
}

/* Runs a query as the caller; returns the number of rows. */
static uint64
run_as_caller(const char *sql, int nargs, Oid *types, Datum *values,
			  const char *nulls)
{
	int			rc = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 1);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}

/* The same for a task; one row at most. */
static bool
run_for_task(const char *sql, int64 task_id)
{
	Oid			types[1] = {INT8OID};
	Datum		v[1] = {Int64GetDatum(task_id)};

	return run_as_caller(sql, 1, types, v, NULL) > 0;
}

/* Enqueues the request; returns the id of its task. */
static int64
enqueue(FunctionCallInfo fcinfo)
{
	Oid			types[ARGS] = {
		TEXTOID, TEXTOID, TEXTOID, JSONBOID, INTERVALOID, JSONBOID, JSONBOID,
		TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
		INT4OID, TEXTOID, TEXTOID, JSONBOID
	};
	Datum		v[ARGS];
	char		nulls[ARGS];

	for (int i = 0; i < ARGS; i++)
	{
		v[i] = fcinfo->args[i].value;
		nulls[i] = fcinfo->args[i].isnull ? 'n' : ' ';
	}
	(void) run_as_caller(call_sql, ARGS, types, v, nulls);
	return jdg_col_int64(0, 1, 0);
}

/* Raises CONFLICT for a queue whose tasks leave no result. */
static void
require_history(const char *name)
{
	JdgQueue	queue;

	if (!jdg_queue_by_name(name ? name : "default", &queue) ||
		queue.keep == JDG_KEEP_ALL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("queue \"%s\" does not keep the results of its tasks",
					queue.name),
			 errhint("Use a queue whose option history is \"all\".")));
}

/* Is the task unfinished?  A transaction of its own. */
static bool
unfinished(void *arg)
{
	static JdgQuery q = {
		"SELECT FROM jadugar_internal.task WHERE task_id = $1", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(*(int64 *) arg)};
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(&q, v, NULL, 1) > 0;
	jdg_internal_end(&in);
	SPI_commit();
	return found;
}

/* Raises what the task failed with. */
JDG_NORETURN static void
raise_error(int64 task_id, const Jsonb *error)
{
	char	   *state = jdg_json_get_text(error, "sqlstate");
	char	   *message = jdg_json_get_text(error, "message");
	char	   *detail = jdg_json_get_text(error, "detail");
	char	   *hint = jdg_json_get_text(error, "hint");
	int			code = JDG_ERRCODE_TASK_EXECUTION_ERROR;

	if (state && strlen(state) == 5)
		code = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
	ereport(ERROR,
			(errcode(code),
			 errmsg_internal("%s", message ? message : "the task has failed"),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 errcontext("task %lld", (long long) task_id)));
}

/* The request did not end in time, for some reason.  "waiting" may be NULL. */
JDG_NORETURN static void
raise_timeout(int64 task_id, const char *waiting)
{
	char	   *message = NULL;
	int			attempts = 0;

	jdg_history_catch_up();
	if (run_for_task(last_error_sql, task_id))
	{
		attempts = jdg_col_int32(0, 1, 0);
		message = jdg_json_get_text(jdg_col_jsonb(0, 2, CurrentMemoryContext), "message");
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_TASK_TIMEOUT),
			 errmsg("the request did not end in time"),
			 message ? errdetail_plural("After %d attempt. The last: %s.",
										"After %d attempts. The last: %s.",
										attempts, attempts, message) :
			 waiting ? errdetail("It waited for %s.", waiting) :
			 errdetail("Its first attempt was under way."),
			 errhint("The task was cancelled. The history has what its attempts ended with."),
			 errcontext("task %lld", (long long) task_id)));
}

/*
 * The result of a finished task in mcxt, or an error.  "late": the task was
 * cancelled because its time was over, while it waited for this.
 */
static Datum
outcome(int64 task_id, bool late, const char *waiting, MemoryContext mcxt,
		bool *isnull)
{
	char	   *status;
	Jsonb	   *error;
	char	   *reason;
	Datum		result;

	jdg_history_catch_up();
	if (!run_for_task(outcome_sql, task_id))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the result of task %lld was not kept",
						(long long) task_id),
				 errdetail("The task has finished, and the history does not have it.")));
	status = jdg_col_text(0, 1, CurrentMemoryContext);
	error = jdg_col_jsonb(0, 3, CurrentMemoryContext);
	reason = jdg_col_text(0, 4, CurrentMemoryContext);
	if (strcmp(status, "cancelled") == 0 && late)
		raise_timeout(task_id, waiting);
	if (strcmp(status, "cancelled") == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld was cancelled", (long long) task_id),
				 reason ? errdetail("The reason is \"%s\".", reason) : 0));
	if (strcmp(status, "completed") != 0)
		raise_error(task_id, error);
	result = jdg_col(0, 2, isnull);
	if (!*isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		result = datumCopy(result, false, -1);
		MemoryContextSwitchTo(old);
	}
	return result;
}

/*
 * Cancels a task, and waits until it has ended: a response may come first.
 * Returns in mcxt what the task waited for, or NULL.  Raises TASK_TIMEOUT if it
 * does not end.
 */
static char *
give_up(JdgDb *db, int64 task_id, MemoryContext mcxt)
{
	char	   *waiting = NULL;

	if (run_for_task(waiting_sql, task_id))
		waiting = jdg_col_text(0, 1, mcxt);
	(void) run_for_task(cancel_sql, task_id);
	SPI_commit();
	if (!jdg_await(db, unfinished, &task_id, jdg_now() + END_US))
		raise_timeout(task_id, waiting);
	return waiting;
}

/* CALL request(endpoint, ..., INOUT result) */
JDG_FUNCTION(jdg_request, JDG_LEVEL_USER)
{
	const Interval *timeout = jdg_arg_interval(fcinfo, ARG_TIMEOUT);
	MemoryContext mcxt = CurrentMemoryContext;
	TimestampTz until;
	JdgDb	   *db;
	int64		task_id;
	bool		late;
	char	   *waiting = NULL;
	TupleDesc	desc;
	Datum		result;
	bool		isnull;

	jdg_require_shmem();
	if (timeout != NULL)
		jdg_check_interval("timeout", timeout, false);
	refuse_sleep(fcinfo);
	db = jdg_await_db();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	task_id = enqueue(fcinfo);
	require_history(jdg_arg_text(fcinfo, ARG_QUEUE));
	SPI_commit();
	until = jdg_give_up_at(timeout);
	late = !jdg_await(db, unfinished, &task_id, until);
	if (late)
		waiting = give_up(db, task_id, mcxt);
	result = outcome(task_id, late, waiting, mcxt, &isnull);
	SPI_finish();
	desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(desc, 1, "result", JSONBOID, -1, 0);
	desc = BlessTupleDesc(desc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &result, &isnull)));
}

/* _v_test_endpoint(name, path): the path, if the caller may test the endpoint */
JDG_FUNCTION(jdg_v_test_endpoint, JDG_LEVEL_USER)
{
	TestArgs	a;
	JdgEndpoint e;

	/* as all functions that enqueue: before anything else is checked */
	PreventCommandIfReadOnly("jadugar.test_endpoint()");
	JDG_READ_ARGS("test_endpoint", test_args, &a);
	if (!jdg_endpoint_by_name(a.name, &e))
		jdg_endpoint_missing(a.name);
	jdg_endpoint_require_manage(&e, GetUserId());
	if (e.any_host)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("endpoint \"%s\" has no base_url", e.name),
				 errdetail("Its requests give whole URLs."),
				 errhint("Enqueue a request with the URL, as in jadugar.enqueue('http', '{\"endpoint\": ..., \"url\": ...}').")));
	if (a.path == NULL && e.health_path == NULL)
		a.path = "/";
	PG_RETURN_TEXT_P(cstring_to_text(a.path ? a.path : e.health_path));
}
