/*-------------------------------------------------------------------------
 *
 * read_funcs.c
 *	  What the readers of tasks need besides the views: clear errors.
 *
 * get_task(), list_tasks() and result() are SQL over the views, see
 * sql/75_readers.sql, so they show what their caller may see.  They pass
 * what they found through the functions here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/errors.h"
#include "task/locktask.h"

PG_FUNCTION_INFO_V1(jdg_v_found);
PG_FUNCTION_INFO_V1(jdg_v_result);
PG_FUNCTION_INFO_V1(jdg_v_limit);

/* _v_found(task_id, task): the task, unless there is none */
Datum
jdg_v_found(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		jdg_null_argument("task_id", "get_task");
	if (PG_ARGISNULL(1))
		jdg_task_missing(PG_GETARG_INT64(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}

/* _v_result(task_id, task): the result of a finished task */
Datum
jdg_v_result(PG_FUNCTION_ARGS)
{
	HeapTupleHeader task;
	Datum		result;
	bool		isnull;

	if (PG_ARGISNULL(0))
		jdg_null_argument("task_id", "result");
	if (PG_ARGISNULL(1))
		jdg_task_missing(PG_GETARG_INT64(0));
	task = PG_GETARG_HEAPTUPLEHEADER(1);
	(void) GetAttributeByName(task, "finished_at", &isnull);
	if (isnull)
	{
		Datum		status = GetAttributeByName(task, "status", &isnull);

		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld has not finished",
						(long long) PG_GETARG_INT64(0)),
				 errdetail("Its status is \"%s\".",
						   isnull ? "unknown" : TextDatumGetCString(status)),
				 errhint("Call jadugar.wait() first.")));
	}
	result = GetAttributeByName(task, "result", &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

static void
check_status(const char *status)
{
	static const char *const known[] = {
		"pending", "scheduled", "running", "completed", "failed", "cancelled",
		"paused"
	};

	for (int i = 0; i < lengthof(known); i++)
	{
		if (strcmp(status, known[i]) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("there is no such status of a task"),
			 errdetail("The status given is \"%s\".", status),
			 errhint("Use pending, scheduled, running, completed, failed, cancelled or paused.")));
}

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
			 errhint("Exchange them.")));
}

/*
 * _v_limit(status, finished_from, finished_to, max_rows): checks what
 * list_tasks() was given.  It stands in the LIMIT clause, which is evaluated
 * once, before any row.
 */
Datum
jdg_v_limit(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0))
		check_status(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		check_period(PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
	if (PG_ARGISNULL(3))
		PG_RETURN_NULL();
	if (PG_GETARG_INT32(3) < 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_rows must not be negative"),
				 errdetail("The value given is %d.", PG_GETARG_INT32(3)),
				 errhint("Pass NULL for all rows.")));
	PG_RETURN_INT64(PG_GETARG_INT32(3));
}
