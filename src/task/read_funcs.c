/*-------------------------------------------------------------------------
 *
 * read_funcs.c
 *	  Functions that give the readers of tasks their errors.
 *
 * get_task(), list_tasks() and result() are SQL over the views, see
 * sql/task_readers.sql, so they show only rows that their caller may see.
 * They pass the rows they find through the functions of this file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "task/locktask.h"

/* a task by its id, and the row that get_task() found */
typedef struct FoundArgs
{
	int64		task_id;
	HeapTupleHeader task;		/* NULL: no row that the caller may see */
} FoundArgs;

static const JdgArg found_args[] = {
	{"task_id", INT8OID, offsetof(FoundArgs, task_id), JDG_NEEDED},
	{"task", InvalidOid, offsetof(FoundArgs, task)},
};

static const char *const status_words[] = {
	"pending", "scheduled", "running", "completed", "failed", "cancelled",
	"paused", NULL
};

typedef struct LimitArgs
{
	char	   *status;
	TimestampTz *finished_from;
	TimestampTz *finished_to;
	int32	   *max_rows;
} LimitArgs;

static const JdgArg limit_args[] = {
	{"status", TEXTOID, offsetof(LimitArgs, status)},
	{"finished_from", TIMESTAMPTZOID, offsetof(LimitArgs, finished_from)},
	{"finished_to", TIMESTAMPTZOID, offsetof(LimitArgs, finished_to)},
	{"max_rows", INT4OID, offsetof(LimitArgs, max_rows)},
};

/* _v_found(task_id, task): the task, unless there is none */
JDG_FUNCTION(jdg_v_found, JDG_LEVEL_ANY)
{
	FoundArgs	a;

	JDG_READ_ARGS("get_task", found_args, &a);
	if (a.task == NULL)
		jdg_task_missing(a.task_id);
	PG_RETURN_HEAPTUPLEHEADER(a.task);
}

/* _v_result(task_id, task): the result of a finished task */
JDG_FUNCTION(jdg_v_result, JDG_LEVEL_ANY)
{
	FoundArgs	a;
	Datum		result;
	bool		isnull;

	JDG_READ_ARGS("result", found_args, &a);
	if (a.task == NULL)
		jdg_task_missing(a.task_id);
	(void) GetAttributeByName(a.task, "finished_at", &isnull);
	if (isnull)
	{
		Datum		status = GetAttributeByName(a.task, "status", &isnull);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld has not finished",
						(long long) a.task_id),
				 errdetail("Its status is \"%s\".",
						   isnull ? "unknown" : TextDatumGetCString(status)),
				 errhint("Call jadugar.wait() first.")));
	}
	result = GetAttributeByName(a.task, "result", &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* Raises VALIDATION_ERROR if the period ends before it begins. */
static void
check_period(TimestampTz from, TimestampTz to)
{
	char	   *from_str;

	if (from <= to)
		return;
	from_str = pstrdup(timestamptz_to_str(from));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("finished_from must not be later than finished_to"),
			 errdetail("finished_from is %s, finished_to is %s.",
					   from_str, timestamptz_to_str(to)),
			 errhint("Swap them.")));
}

/*
 * _v_limit(status, finished_from, finished_to, max_rows) checks the arguments
 * of list_tasks().  It stands in the LIMIT clause, which is evaluated once,
 * before any row.
 */
JDG_FUNCTION(jdg_v_limit, JDG_LEVEL_ANY)
{
	LimitArgs	a;

	JDG_READ_ARGS("list_tasks", limit_args, &a);
	jdg_check_word("status", a.status, status_words);
	if (a.finished_from && a.finished_to)
		check_period(*a.finished_from, *a.finished_to);
	if (a.max_rows == NULL)
		PG_RETURN_NULL();
	if (*a.max_rows < 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_rows must not be negative"),
				 errdetail("The value is %d.", *a.max_rows),
				 errhint("Pass NULL for all rows.")));
	PG_RETURN_INT64(*a.max_rows);
}
