/*-------------------------------------------------------------------------
 *
 * wait_funcs.c
 *	  SQL functions wait() and wait_flow(): sleep until a task or a run has
 *	  finished.
 *
 * Runs in any backend.  jadugar.wait() is an SQL function of two statements:
 * the first calls the function here, the second reads the task with a
 * snapshot of its own.  While asleep this code holds no snapshot, no lock and
 * no SPI connection; the statement that called wait() keeps its own snapshot,
 * as any does.
 *
 * await.c has the sleep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "access/row_access.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "shared/shmem.h"
#include "task/await.h"
#include "task/history.h"
#include "task/locktask.h"

PG_FUNCTION_INFO_V1(jdg_v_waited);

typedef struct WaitArgs
{
	int64		id;
	Interval   *timeout;
} WaitArgs;

static const JdgArg wait_args[] = {
	{"task_id", INT8OID, offsetof(WaitArgs, id), JDG_NEEDED},
	{"timeout", INTERVALOID, offsetof(WaitArgs, timeout)},
};

static const JdgArg wait_flow_args[] = {
	{"run_id", INT8OID, offsetof(WaitArgs, id), JDG_NEEDED},
	{"timeout", INTERVALOID, offsetof(WaitArgs, timeout)},
};

typedef struct WaitedArgs
{
	int64		task_id;
	HeapTupleHeader task;		/* NULL: nothing that the caller may see */
} WaitedArgs;

static const JdgArg waited_args[] = {
	{"task_id", INT8OID, offsetof(WaitedArgs, task_id), JDG_NEEDED},
	{"task", InvalidOid, offsetof(WaitedArgs, task)},
};

/* the task that the last _v_wait() found unfinished, 0: none */
static int64 waited_for = 0;

/*
 * Is a task (or a run, by the query) unfinished, as this moment has it?  Sets
 * whether the caller sees it, and whether its row was written by this very
 * transaction.
 */
static bool
look(JdgQuery *q, int64 id, bool *seen, bool *ours)
{
	Datum		v[1] = {Int64GetDatum(id)};
	JdgInternal in;
	bool		found;
	Oid			owner = InvalidOid;
	char	   *tenant = NULL;
	MemoryContext mcxt = CurrentMemoryContext;

	jdg_internal_begin(&in);
	found = jdg_run(q, v, NULL, 1) > 0;
	if (found)
	{
		bool		isnull;
		Datum		xmin = jdg_col(0, 2, &isnull);

		owner = jdg_col_oid(0, 1);
		tenant = jdg_col_text(0, 3, mcxt);
		*ours = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
	}
	jdg_internal_end(&in);
	*seen = found && jdg_row_access(GetUserId(), owner, tenant) != JDG_ROW_HIDDEN;
	return found;
}

static JdgQuery task_query = {
	"SELECT owner, xmin, tenant FROM jadugar_internal.task WHERE task_id = $1", 1, {INT8OID}
};

/*
 * A run that has ended is not over while a request to continue it is pending:
 * retry_step(), skip_step().
 */
static JdgQuery run_query = {
	"SELECT r.owner, COALESCE(m.xmin, r.xmin), r.tenant FROM jadugar_internal.flow_run r "
	"LEFT JOIN LATERAL (SELECT a.xmin FROM jadugar_internal.flow_message a "
	"WHERE a.run_id = r.run_id AND NOT a.seen AND a.kind IN ('r', 'k') "
	"ORDER BY a.message_id DESC LIMIT 1) m ON true "
	"WHERE r.run_id = $1 "
	"AND (r.finished_at IS NULL OR m.xmin IS NOT NULL)", 1, {INT8OID}
};

/* Raise an error where waiting would never end. */
static void
refuse_hopeless(int64 task_id, bool ours)
{
	if (ours)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld was enqueued or changed by the current transaction",
						(long long) task_id),
				 errdetail("No worker can run it before this transaction has committed."),
				 errhint("Commit first, then wait.")));
	if (jdg_current_task != NULL && jdg_current_task->task_id == task_id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld cannot wait for itself",
						(long long) task_id)));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the current transaction would not see task %lld finish",
						(long long) task_id),
				 errdetail("The isolation level of the transaction is \"%s\".",
						   GetConfigOption("transaction_isolation", false, false)),
				 errhint("Wait in a READ COMMITTED transaction.")));
}

/*
 * A task must not sleep until another one has ended: if all workers slept so,
 * no worker would be left for those.  It may
 * look, with a timeout of zero.
 */
static void
refuse_in_task(int64 task_id, TimestampTz until)
{
	if (jdg_current_task != NULL && until != DT_NOBEGIN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot wait for task %lld inside a task",
						(long long) task_id),
				 errdetail("If all workers wait, none is left for the tasks that they wait for."),
				 errhint("Enqueue what follows as a task with depends_on, or as a step of a flow.")));
}

/* The same for a run of a flow. */
static void
refuse_flow_in_task(int64 run_id, TimestampTz until)
{
	if (jdg_current_task != NULL && until != DT_NOBEGIN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot wait for flow run %lld inside a task",
						(long long) run_id),
				 errdetail("If all workers wait, none is left for the steps that they wait for."),
				 errhint("Use jadugar.sub_flow(), or enqueue the flow by its name and what follows with depends_on.")));
}

/* what unfinished() looks for */
typedef struct Awaited
{
	JdgQuery   *query;
	int64		id;
} Awaited;

static bool
unfinished(void *arg)
{
	Awaited    *a = arg;
	bool		seen;
	bool		ours;

	return look(a->query, a->id, &seen, &ours);
}

/* Sleeps until the query finds no row for the id, or "until" has passed. */
static void
sleep_until_finished(JdgDb *db, int64 id, JdgQuery *query, TimestampTz until)
{
	Awaited		a = {query, id};

	(void) jdg_await(db, unfinished, &a, until);
}

/*
 * _v_wait(task_id, timeout).  Returns at once if the task does not exist or
 * the caller may not see it: the second statement raises the error.
 */
JDG_FUNCTION(jdg_v_wait, JDG_LEVEL_ANY)
{
	WaitArgs	a;
	TimestampTz until;
	bool		seen;
	bool		ours;
	JdgDb	   *db;

	waited_for = 0;
	JDG_READ_ARGS("wait", wait_args, &a);
	until = jdg_give_up_at(a.timeout);
	jdg_require_shmem();
	if (!look(&task_query, a.id, &seen, &ours))
	{
		jdg_history_catch_up();
		PG_RETURN_VOID();
	}
	if (!seen)
		PG_RETURN_VOID();
	refuse_hopeless(a.id, ours);
	refuse_in_task(a.id, until);
	db = jdg_await_db();
	sleep_until_finished(db, a.id, &task_query, until);
	jdg_history_catch_up();
	waited_for = a.id;
	PG_RETURN_VOID();
}

/*
 * _v_waited(task_id, task): NULL stands for a task that has finished and of
 * which its queue keeps no history.
 */
Datum
jdg_v_waited(PG_FUNCTION_ARGS)
{
	WaitedArgs	a;

	JDG_READ_ARGS("wait", waited_args, &a);
	if (a.task != NULL)
		PG_RETURN_HEAPTUPLEHEADER(a.task);
	if (a.task_id != waited_for)
		jdg_task_missing(a.task_id);
	PG_RETURN_NULL();
}

/*
 * _v_wait_flow(run_id, timeout).  Returns at once for a run that the caller
 * may not see: the next statement, flow_status(), finds it missing.
 */
JDG_FUNCTION(jdg_v_wait_flow, JDG_LEVEL_ANY)
{
	WaitArgs	a;
	TimestampTz until;
	bool		seen;
	bool		ours;

	JDG_READ_ARGS("wait_flow", wait_flow_args, &a);
	until = jdg_give_up_at(a.timeout);
	jdg_require_shmem();
	if (!look(&run_query, a.id, &seen, &ours) || !seen)
		PG_RETURN_VOID();
	if (ours)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("flow run %lld was started or changed by the current transaction",
						(long long) a.id),
				 errdetail("No worker can run it before this transaction has committed."),
				 errhint("Commit first, then wait.")));
	if (jdg_current_task != NULL && jdg_current_task->flow_run == a.id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("a step cannot wait for its own flow run")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the current transaction would not see flow run %lld end",
						(long long) a.id),
				 errhint("Wait in a READ COMMITTED transaction.")));
	refuse_flow_in_task(a.id, until);
	sleep_until_finished(jdg_await_db(), a.id, &run_query, until);
	PG_RETURN_VOID();
}
