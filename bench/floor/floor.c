/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  A lower bound for the cost of a worker inside the server.
 *
 * Part of the benchmark only.  floor.drain(workers, group_size) starts
 * background workers that empty floor.task: they claim tasks by index, run the
 * work of each in a subtransaction of its own, delete the task rows and insert
 * the history rows in bulk, and commit.  These are the three writes of
 * jadugar, without its other work: no retries, no deadlines, no limits, no
 * cancelling, no session reset, no result, one owner, one queue, one command.
 *
 * Each worker leaves a row in floor.outcome.  They share nothing but tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

#define MAX_WORKERS 64
#define MAX_GROUP 64

#define CLAIM \
	"SELECT task_id, run_at, payload FROM floor.task " \
	"WHERE owner = $1 AND queue_id = 1 AND priority = 0 AND lane = 0 AND state = 'r' " \
	"AND (run_at, task_id) > ($2, $3) ORDER BY run_at, task_id " \
	"LIMIT $4 FOR UPDATE SKIP LOCKED"
#define WORK "INSERT INTO effect VALUES (($1->>'n')::integer)"
#define DELETE "DELETE FROM floor.task WHERE task_id = ANY ($1)"
#define RECORD \
	"INSERT INTO floor.attempt (attempt_id, task_id, owner, queue_id, command_id, " \
	"attempt, priority, worker_pid, status, final, enqueued_at, started_at, " \
	"finished_at, row_count, payload) " \
	"SELECT nextval('floor.attempt_id_seq'), u.task_id, $3, 1, 1, 1, 0, $4, 'c', " \
	"true, $5, u.started_at, clock_timestamp(), 1, u.payload " \
	"FROM unnest($1, $2, $6) u(task_id, payload, started_at)"
#define OUTCOME "INSERT INTO floor.outcome VALUES ($1, $2, $3, $4, $5)"

/* the parameters of a worker, in bgw_extra */
typedef struct Orders
{
	Oid			database;
	Oid			role;
	int			group_size;
	int			look_back;		/* ids before the last claim, read again */
} Orders;

/* plans of the statements above, made once per process */
typedef struct Plans
{
	SPIPlanPtr	claim;
	SPIPlanPtr	work;
	SPIPlanPtr	delete;
	SPIPlanPtr	record;
	SPIPlanPtr	outcome;
} Plans;

/* the tasks of one transaction */
typedef struct TaskGroup
{
	int			n;
	Datum		id[MAX_GROUP];
	Datum		payload[MAX_GROUP];
	Datum		started_at[MAX_GROUP];
	TimestampTz run_at;			/* of the first task */
} TaskGroup;

/* position from which the next claim reads */
typedef struct Mark
{
	TimestampTz run_at;
	int64		task_id;
} Mark;

static Plans plans;

PGDLLEXPORT void floor_main(Datum arg);

PG_FUNCTION_INFO_V1(floor_drain);

static SPIPlanPtr
prepare(const char *sql, int nargs, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(sql, nargs, types);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare: %s", sql);
	return plan;
}

/* Prepares all statements, at the first use. */
static void
prepare_all(void)
{
	Oid			claim_types[] = {OIDOID, TIMESTAMPTZOID, INT8OID, INT8OID};
	Oid			work_types[] = {JSONBOID};
	Oid			delete_types[] = {INT8ARRAYOID};
	Oid			record_types[] = {INT8ARRAYOID, JSONBARRAYOID, OIDOID, INT4OID,
	TIMESTAMPTZOID, TIMESTAMPTZARRAYOID};
	Oid			outcome_types[] = {INT8OID, INT8OID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, FLOAT8OID};

	plans.claim = prepare(CLAIM, lengthof(claim_types), claim_types);
	plans.work = prepare(WORK, lengthof(work_types), work_types);
	plans.delete = prepare(DELETE, lengthof(delete_types), delete_types);
	plans.record = prepare(RECORD, lengthof(record_types), record_types);
	plans.outcome = prepare(OUTCOME, lengthof(outcome_types), outcome_types);
}

static void
execute(SPIPlanPtr plan, Datum *values, int expected)
{
	int			rc = SPI_execute_plan(plan, values, NULL, false, 0);

	if (rc != expected)
		elog(ERROR, "unexpected result of a plan: %d", rc);
}

/* Claims the next tasks, and moves the mark. */
static void
claim(const Orders *orders, Mark *mark, TaskGroup *group)
{
	bool		isnull;
	Datum		values[4];

	values[0] = ObjectIdGetDatum(orders->role);
	values[1] = TimestampTzGetDatum(mark->run_at);
	values[2] = Int64GetDatum(mark->task_id);
	values[3] = Int64GetDatum(orders->group_size);
	execute(plans.claim, values, SPI_OK_SELECT);
	group->n = SPI_processed;
	for (int i = 0; i < group->n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		group->id[i] = SPI_getbinval(tuple, desc, 1, &isnull);
		group->payload[i] = SPI_getbinval(tuple, desc, 3, &isnull);
		if (i == 0)
			group->run_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 2,
															  &isnull));
	}
	if (group->n > 0)
	{
		mark->run_at = group->run_at;
		mark->task_id = DatumGetInt64(group->id[0]) -
			orders->look_back;
	}
}

/* Runs one task, with a subtransaction, a GUC nest level and a snapshot. */
static void
work(Datum payload)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			level = NewGUCNestLevel();

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	execute(plans.work, &payload, SPI_OK_INSERT);
	AfterTriggerFireDeferred();
	PopActiveSnapshot();
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	AtEOXact_GUC(false, level);
}

/* A one-dimensional array of n elements. */
static Datum
array_of(Datum *elements, int n, Oid type)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(elements, n, type, length, by_value,
										   align));
}

/* Deletes the rows of the tasks, and inserts their history. */
static void
settle(Oid owner, TaskGroup *group)
{
	Datum		values[6];

	values[0] = array_of(group->id, group->n, INT8OID);
	values[1] = array_of(group->payload, group->n, JSONBOID);
	values[2] = ObjectIdGetDatum(owner);
	values[3] = Int32GetDatum(MyProcPid);
	values[4] = TimestampTzGetDatum(group->run_at);
	values[5] = array_of(group->started_at, group->n, TIMESTAMPTZOID);
	execute(plans.delete, values, SPI_OK_DELETE);
	execute(plans.record, values, SPI_OK_INSERT);
}

/* Runs one transaction.  Returns false if there was no task. */
static bool
run_group(const Orders *orders, Mark *mark, TaskGroup *group)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (plans.claim == NULL)
		prepare_all();
	claim(orders, mark, group);
	PopActiveSnapshot();
	if (group->n > 0)
	{
		for (int i = 0; i < group->n; i++)
		{
			group->started_at[i] = TimestampTzGetDatum(GetCurrentTimestamp());
			work(group->payload[i]);
		}
		PushActiveSnapshot(GetTransactionSnapshot());
		settle(orders->role, group);
		PopActiveSnapshot();
	}
	SPI_finish();
	CommitTransactionCommand();
	CHECK_FOR_INTERRUPTS();
	return group->n > 0;
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Inserts the row of floor.outcome of this worker. */
static void
leave_outcome(int64 tasks, int64 groups, TimestampTz started, TimestampTz finished,
			  double cpu)
{
	Datum		values[5];

	values[0] = Int64GetDatum(tasks);
	values[1] = Int64GetDatum(groups);
	values[2] = TimestampTzGetDatum(started);
	values[3] = TimestampTzGetDatum(finished);
	values[4] = Float8GetDatum(cpu);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	execute(plans.outcome, values, SPI_OK_INSERT);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* entry point of the background worker */
void
floor_main(Datum arg)
{
	Orders		orders;
	Mark		mark = {DT_NOBEGIN, 0};
	TaskGroup	group;
	int64		tasks = 0;
	int64		groups = 0;
	double		cpu;
	TimestampTz started;

	memcpy(&orders, MyBgworkerEntry->bgw_extra, sizeof(orders));
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(orders.database, orders.role, 0);
	started = GetCurrentTimestamp();
	cpu = cpu_seconds();
	while (run_group(&orders, &mark, &group))
	{
		tasks += group.n;
		groups++;
	}
	leave_outcome(tasks, groups, started, GetCurrentTimestamp(),
				  cpu_seconds() - cpu);
	proc_exit(0);
}

/* floor.drain(workers, group_size): returns when the workers have exited */
Datum
floor_drain(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	BackgroundWorkerHandle *handle[MAX_WORKERS];
	BackgroundWorker worker = {0};
	int			size = PG_GETARG_INT32(1);
	Orders		orders = {MyDatabaseId, GetUserId(), size, 2 * n * size};

	if (n < 1 || n > MAX_WORKERS || size < 1 || size > MAX_GROUP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("workers and group_size must be from 1 to 64")));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	strcpy(worker.bgw_library_name, "jadugar_bench_floor");
	strcpy(worker.bgw_function_name, "floor_main");
	strcpy(worker.bgw_name, "bench floor");
	strcpy(worker.bgw_type, "bench floor");
	memcpy(worker.bgw_extra, &orders, sizeof(orders));
	for (int i = 0; i < n; i++)
	{
		if (!RegisterDynamicBackgroundWorker(&worker, &handle[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not start a background worker"),
					 errhint("Raise max_worker_processes.")));
	}
	for (int i = 0; i < n; i++)
		WaitForBackgroundWorkerShutdown(handle[i]);
	PG_RETURN_VOID();
}
