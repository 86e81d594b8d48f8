/*-------------------------------------------------------------------------
 *
 * hook.c
 *	  Hooks of handlers, cleanup and on_error, when a task has ended.
 *
 * Runs where tasks are settled, in that transaction.
 *
 * The outcome names the hooks of the handler that ran last.  A task in its
 * fallback has had a handler before: its hooks run too, since the task of that
 * handler has ended only now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/fault.h"
#include "base/json.h"
#include "base/settings.h"
#include "handler/command.h"
#include "task/count.h"
#include "task/fallback.h"
#include "task/hook.h"
#include "task/history.h"
#include "task/wakeup.h"

/* Enqueues the hook "function", as the same owner. */
static void
enqueue_hook(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d,
			 const char *function)
{
	JsonbParseState *st;
	JdgTask		hook;
	char	   *name = pstrdup(function);
	char	   *paren = strrchr(name, '(');
	char	   *sql;

	if (paren)
		*paren = '\0';
	sql = psprintf("SELECT %s($1)", name);
	jdg_json_begin(&st);
	jdg_json_int64(&st, "task_id", t->task_id);
	jdg_json_int64(&st, "attempt", t->attempt);
	jdg_json_text(&st, "status", jdg_status_name(d->status));
	jdg_json_text(&st, "error_code", d->error_code);
	jdg_json_jsonb(&st, "payload", t->payload);
	jdg_json_jsonb(&st, "result", o->result);
	jdg_json_jsonb(&st, "error", o->error);
	memset(&hook, 0, sizeof(hook));
	hook.payload = jdg_json_finish(&st);
	hook.task_id = jdg_task_next_id();
	hook.owner = t->owner;
	hook.queue_id = t->queue_id;
	hook.priority = t->priority;
	hook.transaction = JDG_XACT_COMMITTED;
	hook.bounded = t->bounded;
	hook.max_attempts = jdg_task_max_attempts;
	hook.command_id = jdg_command_id(sql, JDG_COMMAND_SQL, false);
	hook.run_at = hook.created_at = o->finished_at;
	hook.scheduled_for = hook.started_at = DT_NOBEGIN;
	hook.tenant = t->tenant;
	hook.trace = t->trace;
	hook.state = jdg_ready_state(&hook);
	hook.event = jdg_task_is_quiet(t) ? jdg_task_quiet_event() : NULL;
	jdg_task_insert(&hook);
	JDG_FAULT("hook-enqueued");
	jdg_wake_at_commit(hook.owner, &hook);
	jdg_count_enqueued(1);
}

bool
jdg_hooks_may_run(const JdgTask *t, const JdgOutcome *o)
{
	return o->cleanup != NULL || o->on_error != NULL || t->fallback != NULL;
}

/* Enqueues the hook of the handler that ran last, and that of the first one. */
static void
enqueue_both(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d,
			 const char *last, const char *first)
{
	if (last != NULL)
		enqueue_hook(t, o, d, last);
	if (first != NULL && (last == NULL || strcmp(first, last) != 0))
		enqueue_hook(t, o, d, first);
}

void
jdg_hooks_enqueue(const JdgTask *t, const JdgOutcome *o, const JdgDecision *d)
{
	const char *cleanup = NULL;
	const char *on_error = NULL;

	if (d->stays)
		return;
	if (t->fallback != NULL)
		jdg_fallback_hooks(t, &cleanup, &on_error);
	if (d->status == JDG_STATUS_FAILED)
		enqueue_both(t, o, d, o->on_error, on_error);
	enqueue_both(t, o, d, o->cleanup, cleanup);
}
