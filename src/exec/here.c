/*-------------------------------------------------------------------------
 *
 * here.c
 *	  Runs work in the session that asks for it, see here.h.
 *
 * Runs in any backend and in workers, inside other work too: the work that is
 * running then goes on when this one has ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/readonly.h"
#include "base/subxact.h"
#include "exec/c.h"
#include "exec/exec.h"
#include "exec/here.h"
#include "exec/rows.h"
#include "exec/sql.h"
#include "task/prepare.h"

/* calls within calls */
#define DEPTH_MAX 32

static int	depth = 0;

/* the outcome of jdg_here_try() */
typedef struct Ending
{
	const char *status;
	ErrorData  *error;
	JdgErrorPlace place;		/* of the error */
	JdgExecResult res;
	TimestampTz started_at;
	TimestampTz finished_at;
} Ending;

/* arguments of execute() */
typedef struct Execution
{
	const JdgHereWork *w;
	JdgCurrentTask current;
	JdgExecResult *res;
} Execution;

static void
execute(void *arg)
{
	Execution  *x = arg;
	const JdgHereWork *w = x->w;
	Jsonb	   *payload = w->task->payload;

	jdg_current_task = &x->current;
	if (w->task->settings)
		jdg_apply_settings(w->task->settings, false);
	if (w->handler == NULL && OidIsValid(w->type))
		jdg_exec_sql_value(w->command, 0, w->type, w->value, x->res);
	else if (w->handler == NULL)
		jdg_exec_sql(w->command, 0, payload, x->res);
	else if (w->handler->kind == JDG_HANDLER_C)
		jdg_exec_c(w->handler, payload, x->res);
	else
		jdg_exec_sql(jdg_handler_sql(w->handler), 0, payload, x->res);
	jdg_exec_check_rows(w->task->expect_rows, x->res->row_count);
}

/* Executes it, and says how it ended. */
static void
run(const JdgHereWork *w, Ending *end)
{
	JdgCurrentTask *outer = jdg_current_task;
	Execution	x = {w,.res = &end->res};
	int			level = NewGUCNestLevel();

	x.current.task_id = w->task->task_id;
	x.current.attempt = 1;
	x.current.owner = w->task->owner;
	x.current.payload = w->task->payload;
	x.current.tenant = w->task->tenant;
	x.current.trace = w->task->trace;
	x.current.scheduled_for = DT_NOBEGIN;
	x.current.event = w->event;
	if (outer != NULL && w->event == NULL)
	{
		x.current.event = outer->event;
		x.current.tenant = outer->tenant;
		x.current.trace = outer->trace;
	}
	end->started_at = jdg_now();
	end->error = jdg_in_subxact(execute, &x, CurrentMemoryContext);
	if (end->error)
	{
		jdg_current_task = &x.current;
		jdg_exec_add_hint(end->error, false);
		end->place = jdg_exec_error_place(end->error);
	}
	jdg_current_task = outer;
	AtEOXact_GUC(false, level);
	end->finished_at = jdg_now();
	end->status = end->error == NULL ? "completed" :
		end->error->sqlerrcode == JDG_ERRCODE_SNOOZE && x.current.snoozed ?
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

/* The outcome as jsonb with the fields of task_info. */
static Jsonb *
describe(const JdgHereWork *w, const Ending *end)
{
	JsonbParseState *st;
	Interval   *duration = palloc0(sizeof(Interval));

	jdg_json_begin(&st);
	jdg_json_text(&st, "command", w->command);
	jdg_json_text(&st, "status", end->status);
	jdg_json_text(&st, "owner", GetUserNameFromId(w->task->owner, false));
	jdg_json_jsonb(&st, "payload", w->task->payload);
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

Jsonb *
jdg_here_try(const JdgHereWork *w)
{
	Ending		end = {0};

	end.res.row_count = -1;
	run(w, &end);
	return describe(w, &end);
}

/*
 * The context of a call: that of the task or the event that is handled, if
 * any, with the payload of the call.
 */
static void
begin_call(JdgCurrentTask *current, const JdgCurrentTask *outer,
		   Jsonb *payload)
{
	memset(current, 0, sizeof(*current));
	current->scheduled_for = DT_NOBEGIN;
	if (outer != NULL)
	{
		*current = *outer;
		current->starts_flow = false;
		current->statement = 0;
	}
	else
		current->owner = GetUserId();
	current->payload = payload;
	current->is_call = true;
}

/* A call has ended: snooze() and discard() go on to the task outside of it. */
static void
end_call(const JdgCurrentTask *current, JdgCurrentTask *outer)
{
	if (outer == NULL)
		return;
	outer->snoozed = current->snoozed;
	outer->snooze_us = current->snooze_us;
	outer->discard_reason = current->discard_reason;
}

static void
check_depth(const char *command)
{
	check_stack_depth();
	if (depth >= DEPTH_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("too many commands call one another"),
				 errdetail("Command \"%s\" would be number %d. The maximum is %d.",
						   jdg_excerpt(command), depth + 1, DEPTH_MAX),
				 errhint("Look for commands that call one another in a loop, or enqueue a task.")));
}

/* Runs SQL as a call; of a handler, unless that is NULL. */
static void
call(JdgHandler *h, const char *sql, Jsonb *payload, bool first_only,
	 JdgTakeRow take, void *arg)
{
	DestReceiver *dest = jdg_rows_receiver(first_only);
	int64		rows;

	if (h != NULL)
	{
		jdg_handler_check_payload(h, payload);
		sql = jdg_handler_sql(h);
	}
	rows = jdg_exec_sql_rows(sql, payload, dest);
	if (h != NULL)
		jdg_exec_check_rows(h->expect_rows, rows);
	jdg_rows_take(dest, take, arg);
}

/* The same, in a context of its own, which ends with it. */
static void
call_here(JdgHandler *h, const char *sql, Jsonb *payload, bool first_only,
		  bool read_only, JdgTakeRow take, void *arg)
{
	JdgCurrentTask *outer = jdg_current_task;
	JdgCurrentTask current;
	JdgReadOnly state;
	int			level = NewGUCNestLevel();

	begin_call(&current, outer, payload);
	depth++;
	if (read_only)
		jdg_read_only_begin(&state);
	PG_TRY();
	{
		jdg_current_task = &current;
		call(h, sql, payload, first_only, take, arg);
		AtEOXact_GUC(false, level);
	}
	PG_FINALLY();
	{
		depth--;
		if (read_only)
			jdg_read_only_end(&state);
		jdg_current_task = outer;
		end_call(&current, outer);
	}
	PG_END_TRY();
}

void
jdg_here_call(JdgHandler *h, Jsonb *payload, bool first_only, bool read_only,
			  JdgTakeRow take, void *arg)
{
	Assert(h->kind != JDG_HANDLER_C && !h->standalone);
	check_depth(h->name);
	call_here(h, NULL, payload, first_only, read_only, take, arg);
}

void
jdg_here_call_sql(const char *sql, Jsonb *payload, JdgTakeRow take, void *arg)
{
	check_depth(sql);
	call_here(NULL, sql, payload, true, false, take, arg);
}
