/*-------------------------------------------------------------------------
 *
 * response_funcs.c
 *	  The error of http_response() for a task that is no HTTP request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"

typedef struct ResponseArgs
{
	int64		task_id;
	Jsonb	   *result;			/* NULL: the task has none */
} ResponseArgs;

static const JdgArg response_args[] = {
	{"task_id", INT8OID, offsetof(ResponseArgs, task_id), JDG_NEEDED},
	{"result", JSONBOID, offsetof(ResponseArgs, result)},
};

/*
 * Is it the result of a request, or one that was too large to be kept?  The
 * history does not say how a task was run, but no other result has all of these.
 */
static bool
is_response(const Jsonb *result)
{
	return JB_ROOT_IS_OBJECT(result) && jdg_json_get(result, "size") &&
		jdg_json_get(result, "truncated");
}

/* _v_response(task_id, result): the result, if it is that of a request */
JDG_FUNCTION(jdg_v_response, JDG_LEVEL_ANY)
{
	ResponseArgs a;

	JDG_READ_ARGS("http_response", response_args, &a);
	if (a.result == NULL)
		PG_RETURN_NULL();
	if (!is_response(a.result))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("task %lld is not an HTTP request",
						(long long) a.task_id),
				 errhint("Call jadugar.result() for the result of other tasks.")));
	PG_RETURN_JSONB_P(a.result);
}
