/*-------------------------------------------------------------------------
 *
 * fallback.c
 *	  The command that a task tries when its own has failed for good: the
 *	  key "fallback" of its retry policy.
 *
 * Runs where tasks are settled and, for the payload, where they run.
 *
 * The last attempt has failed, and the same transaction makes the fallback the
 * command of the task and puts the row back, ready.  So a crash finds the task
 * before its last attempt, or before its fallback.  The row keeps its payload;
 * task.fallback keeps the first command and its error.  The fallback gets both
 * when it runs, and has one attempt: no error makes it run again.
 *
 * The first command is kept as text: an id that no row names may be removed
 * (handler/unused.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/owner.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/params.h"
#include "base/subxact.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "handler/parse.h"
#include "task/fallback.h"
#include "task/lanes.h"
#include "task/retry.h"

/* the meaning of a text, for a subtransaction */
typedef struct Found
{
	Oid			owner;
	const char *text;
	JdgCommandKind kind;
	bool		standalone;
	const JdgHandler *handler;
} Found;

/* The error of the attempt that failed, as its fallback gets it. */
static Jsonb *
error_of(const JdgOutcome *o, const JdgDecision *d)
{
	JsonbParseState *st;
	Jsonb	   *error = o->error;

	if (error == NULL)
	{
		jdg_json_begin(&st);
		jdg_json_text(&st, "message", o->reason ? o->reason : "");
		error = jdg_json_finish(&st);
	}
	return jdg_json_with_text(error, "code", d->error_code);
}

/* What task.fallback keeps of the command that failed. */
static Jsonb *
keep_first(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	const JdgCommand *c = jdg_command_get(t->command_id);
	char		kind[2] = {c->kind, '\0'};
	char		transaction[2] = {t->transaction, '\0'};
	char		rows[2] = {jdg_expect_rows_out(t->expect_rows), '\0'};
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "command", c->text);
	jdg_json_text(&st, "kind", kind);
	jdg_json_bool(&st, "standalone", c->standalone);
	jdg_json_text(&st, "transaction", transaction);
	if (t->expect_rows != JDG_ROWS_ANY)
		jdg_json_text(&st, "rows", rows);
	jdg_json_bool(&st, "isolate", t->isolate);
	jdg_json_text(&st, "cleanup", o->cleanup);
	jdg_json_text(&st, "on_error", o->on_error);
	jdg_json_jsonb(&st, "error", error_of(o, d));
	return jdg_json_finish(&st);
}

/* Finds out what a text means, as jdg_task_prepare() does. */
static void
find(void *arg)
{
	Found	   *f = arg;
	ErrorData  *syntax_error;
	const char *sql;

	jdg_command_classify(f->text, JDG_COMMAND_SQL, &f->kind, &f->standalone,
						 &syntax_error);
	if (f->kind != JDG_COMMAND_HANDLER)
		return;
	f->handler = jdg_handler_get_usable(f->text, f->owner);
	if (f->handler != NULL)
	{
		f->standalone = f->handler->standalone;
		return;
	}
	sql = jdg_command_resolve_name(f->owner, f->text);
	if (sql != NULL)
	{
		f->kind = JDG_COMMAND_FLOW;
		f->text = sql;
	}
}

/*
 * The fallback becomes the command of the task.  One that is not valid any
 * more is taken for the name of a handler, which fails when it runs.
 */
static void
take_command(JdgTask *t)
{
	Found		f = {.owner = t->owner};
	ErrorData  *e;

	f.text = jdg_retry_fallback(t->retry);
	e = jdg_in_subxact(find, &f, CurrentMemoryContext);
	if (e != NULL && (e->sqlerrcode == ERRCODE_QUERY_CANCELED ||
					  e->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN))
		ReThrowError(e);
	if (e != NULL)
	{
		f.kind = JDG_COMMAND_HANDLER;
		f.standalone = false;
		f.handler = NULL;
	}
	t->command_id = jdg_command_id(f.text, f.kind, f.standalone);
	t->transaction = f.standalone ? JDG_XACT_STANDALONE :
		f.handler && f.handler->transaction ? f.handler->transaction :
		JDG_XACT_COMMITTED;
	t->expect_rows = f.handler ? f.handler->expect_rows : JDG_ROWS_ANY;
	t->isolate |= f.handler && f.handler->isolate;
}

/* Writes what the other command changes. */
static void
write_row(const JdgTask *t)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.task SET command_id = $command_id, "
		"transaction = $transaction, expect_rows = $expect_rows, "
		"lane = $lane, fallback = $fallback, endpoint_id = NULL, host = NULL "
		"WHERE task_id = $task_id"
	};
	JdgParams	p = {0};

	jdg_bind_int64(&p, "task_id", t->task_id);
	jdg_bind_int64(&p, "command_id", t->command_id);
	jdg_bind_char(&p, "transaction", t->transaction);
	jdg_bind_char_or_null(&p, "expect_rows",
						  jdg_expect_rows_out(t->expect_rows));
	jdg_bind_int32(&p, "lane", t->lane);
	jdg_bind_jsonb(&p, "fallback", t->fallback);
	jdg_run_params(&q, &p, 0);
}

void
jdg_fallback_begin(JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	Assert(jdg_is_bookkeeping());
	Assert(t->fallback == NULL);
	t->fallback = keep_first(t, o, d);
	take_command(t);
	t->endpoint_id = 0;
	t->host = NULL;
	t->lane = jdg_task_lane(t);
	if (!t->unwritten)
		write_row(t);
	JDG_FAULT("fallback-begun");
}

Jsonb *
jdg_fallback_payload(const JdgTask *t, Jsonb *payload)
{
	JsonbParseState *st;

	if (t->fallback == NULL)
		return payload;
	jdg_json_begin(&st);
	jdg_json_jsonb(&st, "payload", payload);
	jdg_json_jsonb(&st, "error", jdg_json_get(t->fallback, "error"));
	return jdg_json_finish(&st);
}

const JdgOutcome *
jdg_fallback_outcomes(const JdgTask *tasks, const JdgOutcome *o, int n)
{
	JdgOutcome *copy = NULL;

	for (int i = 0; i < n; i++)
	{
		if (tasks[i].fallback == NULL || o[i].error == NULL)
			continue;
		if (copy == NULL)
		{
			copy = palloc(sizeof(JdgOutcome) * n);
			memcpy(copy, o, sizeof(JdgOutcome) * n);
		}
		copy[i].error = jdg_error_with_cause(o[i].error,
											 jdg_json_get(tasks[i].fallback, "error"));
	}
	return copy ? copy : o;
}

void
jdg_fallback_hooks(const JdgTask *t, const char **cleanup,
				   const char **on_error)
{
	*cleanup = jdg_json_get_text(t->fallback, "cleanup");
	*on_error = jdg_json_get_text(t->fallback, "on_error");
}

void
jdg_fallback_first(const JdgTask *t, JdgFirstCommand *first)
{
	first->text = jdg_json_get_text(t->fallback, "command");
	first->kind = jdg_json_get_text(t->fallback, "kind");
	first->standalone = jdg_json_get_bool(t->fallback, "standalone");
	first->transaction = jdg_json_get_text(t->fallback, "transaction");
	first->rows = jdg_json_get_text(t->fallback, "rows");
	first->isolate = jdg_json_get_bool(t->fallback, "isolate");
}
