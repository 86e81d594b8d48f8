/*-------------------------------------------------------------------------
 *
 * run_task_funcs.c
 *	  SQL function run_task(): runs a task's work in the session, for tests
 *	  of handlers.
 *
 * Runs in the caller's backend, in the caller's transaction, in a
 * subtransaction of its own.  It makes the same checks as enqueue() and
 * executes as a worker does; nothing is written to jadugar's tables.  An
 * error of the work is a result, as it would be in the history.  The outcome
 * is returned as jsonb with the fields of task_info.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "exec/c.h"
#include "exec/exec.h"
#include "exec/sql.h"
#include "shared/shmem.h"
#include "task/prepare.h"

typedef struct Ending
{
	const char *status;
	ErrorData  *error;
	JdgErrorPlace place;		/* of the error */
	JdgExecResult res;
	TimestampTz started_at;
	TimestampTz finished_at;
} Ending;

/* a task's work, to be executed */
typedef struct Work
{
	const JdgTask *task;
	JdgHandler *handler;		/* NULL: the command is SQL */
	const char *command;
	JdgCurrentTask current;
	JdgExecResult *res;
} Work;

static void
execute(void *arg)
{
	Work	   *w = arg;

	jdg_current_task = &w->current;
	if (w->handler == NULL)
		jdg_exec_sql(w->command, 0, w->task->payload, w->res);
	else if (w->handler->kind == JDG_HANDLER_C)
		jdg_exec_c(w->handler, w->task->payload, w->res);
	else
		jdg_exec_sql(jdg_handler_sql(w->handler), 0, w->task->payload, w->res);
	jdg_exec_check_rows(w->task->expect_rows, w->res->row_count);
}

/* Execute it, and say how it ended. */
static void
run_here(const JdgTask *t, JdgHandler *h, const char *command,
		 Ending *end)
{
	JdgCurrentTask *outer = jdg_current_task;
	Work		w = {t, h, command,.res = &end->res};
	int			level = NewGUCNestLevel();

	w.current.task_id = t->task_id;
	w.current.attempt = 1;
	w.current.owner = t->owner;
	w.current.payload = t->payload;
	w.current.scheduled_for = DT_NOBEGIN;
	if (outer != NULL)
	{
		w.current.event = outer->event;
		w.current.tenant = outer->tenant;
		w.current.trace = outer->trace;
	}
	end->started_at = jdg_now();
	end->error = jdg_in_subxact(execute, &w, CurrentMemoryContext);
	if (end->error)
	{
		jdg_current_task = &w.current;
		jdg_exec_add_hint(end->error, false);
		end->place = jdg_exec_error_place(end->error);
	}
	jdg_current_task = outer;
	AtEOXact_GUC(false, level);
	end->finished_at = jdg_now();
	end->status = end->error == NULL ? "completed" :
		end->error->sqlerrcode == JDG_ERRCODE_SNOOZE && w.current.snoozed ?
		"scheduled" : "failed";

	/* the caller's own cancel is not the task's error */
	if (end->error && end->error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(end->error);
}

static void
push_time(JsonbParseState **st, const char *key, TimestampTz t)
{
	/* it has one buffer for all that it returns */
	jdg_json_text(st, key, pstrdup(timestamptz_to_str(t)));
}

/* Returns the outcome as jsonb with the fields of task_info. */
static Jsonb *
describe(const JdgTask *t, const char *command, const Ending *end)
{
	JsonbParseState *st;
	Interval   *duration = palloc0(sizeof(Interval));

	jdg_json_begin(&st);
	jdg_json_text(&st, "command", command);
	jdg_json_text(&st, "status", end->status);
	jdg_json_text(&st, "owner", GetUserNameFromId(t->owner, false));
	jdg_json_jsonb(&st, "payload", t->payload);
	jdg_json_int64(&st, "attempt", 1);
	push_time(&st, "started_at", end->started_at);
	push_time(&st, "finished_at", end->finished_at);
	duration->time = end->finished_at - end->started_at;
	jdg_json_text(&st, "duration",
				  DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(duration))));
	jdg_json_jsonb(&st, "result", jdg_json_cap(end->res.result));
	if (end->error && strcmp(end->status, "failed") == 0)
	{
		jdg_json_jsonb(&st, "error", jdg_error_to_jsonb(end->error, &end->place));
		jdg_json_text(&st, "error_code", jdg_error_name(end->error->sqlerrcode));
		jdg_json_text(&st, "sqlstate", unpack_sql_state(end->error->sqlerrcode));
	}
	return jdg_json_finish(&st);
}

/* fields of JdgTaskOptions */
static const JdgArg run_task_args[] = {
	{"command", TEXTOID, offsetof(JdgTaskOptions, command), JDG_NEEDED},
	{"payload", JSONBOID, offsetof(JdgTaskOptions, payload), JDG_NEEDED},
};

/* (command text, payload jsonb) → jsonb */
JDG_FUNCTION(jdg_run_task_here, JDG_LEVEL_USER)
{
	JdgTaskOptions o;
	JdgTask		t;
	JdgQueue	queue;
	JdgHandler *h;
	Ending		end;

	jdg_require_shmem();
	memset(&o, 0, sizeof(o));
	memset(&t, 0, sizeof(t));
	memset(&end, 0, sizeof(end));
	end.res.row_count = -1;
	JDG_READ_ARGS("run_task", run_task_args, &o);
	jdg_task_prepare(&o, jdg_resolve_owner(NULL), jdg_task_max_attempts, &t,
					 &queue, &h);
	if (t.transaction == JDG_XACT_STANDALONE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.run_task() cannot run a command that must run outside a transaction"),
				 errhint("Run the command directly, or enqueue it.")));
	t.task_id = jdg_task_next_id();
	run_here(&t, h, o.command, &end);
	PG_RETURN_JSONB_P(describe(&t, o.command, &end));
}
