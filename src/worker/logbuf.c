/*-------------------------------------------------------------------------
 *
 * logbuf.c
 *	  Log entries of tasks: jadugar.log(), their INFO and their WARNINGs.
 *
 * Entries are kept in memory while a task runs, because its subtransaction may
 * roll back, and are written with the group's settling.  INFO, which VACUUM
 * VERBOSE and others raise for whoever called them, and WARNINGs come through
 * emit_log_hook, which also names the task in the server's log.  A higher
 * log_min_messages would keep them from the hook.  Therefore a worker lowers
 * that setting to INFO for itself, and the hook keeps out of the server log
 * the messages that the original setting would have kept out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "task/log.h"
#include "worker/worker.h"

/* maximum of one group; further entries are counted and dropped */
#define MAX_ENTRIES 1000

typedef struct LogEntry
{
	int64		task_id;
	int32		attempt;
	Oid			owner;
	TimestampTz at;
	char	   *level;
	char	   *message;
	Jsonb	   *fields;
	char	   *tenant;
} LogEntry;

static MemoryContext log_context = NULL;
static List *entries = NIL;
static int64 dropped = 0;
static const JdgTask *current = NULL;

/* the state of the list when the last task began */
static int	entries_before = 0;
static int64 dropped_before = 0;
static int	original_level = WARNING;	/* log_min_messages */
static emit_log_hook_type prev_emit_log_hook = NULL;

/*
 * Adds an entry to those of the group, with copies of its texts.  Also the
 * callback for jadugar.log().  Has no effect outside a task.
 */
static void
add_entry(const char *level, const char *message, Jsonb *fields)
{
	MemoryContext old;
	LogEntry   *e;

	if (current == NULL)
		return;
	if (list_length(entries) >= MAX_ENTRIES)
	{
		dropped++;
		return;
	}
	old = MemoryContextSwitchTo(log_context);
	e = palloc0(sizeof(LogEntry));
	e->task_id = current->task_id;
	e->attempt = current->attempt + 1;
	e->owner = current->owner;
	e->at = jdg_now();
	e->tenant = current->tenant ? pstrdup(current->tenant) : NULL;
	e->level = pstrdup(level);
	e->message = pstrdup(jdg_clip(message, JDG_LOG_MESSAGE_MAX));
	fields = jdg_json_cap(fields);
	if (fields)
	{
		e->fields = palloc(VARSIZE(fields));
		memcpy(e->fields, fields, VARSIZE(fields));
	}
	entries = lappend(entries, e);
	MemoryContextSwitchTo(old);
}

/*
 * Would the original log_min_messages have kept this out of the server's log?
 * LOG ranks between ERROR and FATAL there.  A task that has changed the setting
 * gets what it asked for.
 */
static bool
is_kept_out(int elevel)
{
	int			least = original_level == LOG ? FATAL : original_level;

	if (log_min_messages != INFO)
		return false;
	if (elevel == LOG || elevel == COMMERROR)
		return original_level > ERROR;
	return elevel < least;
}

/*
 * Appends the task to the context of a message, in the memory of the message.
 * The server frees a context, so it must be a copy of its own.
 */
static void
add_context(ErrorData *edata)
{
	char	   *before = edata->context;
	char	   *task;

	if (current->schedule != NULL)
		task = psprintf("task %lld of schedule \"%s\"",
						(long long) current->task_id, current->schedule);
	else
		task = psprintf("task %lld", (long long) current->task_id);
	if (before == NULL)
		edata->context = task;
	else
	{
		edata->context = psprintf("%s\n%s", before, task);
		pfree(before);
		pfree(task);
	}
}

/*
 * emit_log_hook: adds INFO and WARNINGs of a task to the entries, and names the
 * task in all messages of its that the server logs.
 */
static void
emit_log(ErrorData *edata)
{
	if (current != NULL &&
		(edata->elevel == WARNING || edata->elevel == INFO))
		add_entry(edata->elevel == INFO ? "info" : "warning",
				  edata->message ? edata->message : "", NULL);
	if (is_kept_out(edata->elevel))
		edata->output_to_server = false;
	else if (current != NULL && edata->elevel >= LOG)
		add_context(edata);
	if (prev_emit_log_hook)
		prev_emit_log_hook(edata);
}

void
jdg_log_init(void)
{
	log_context = AllocSetContextCreate(TopMemoryContext, "jadugar task logs",
										ALLOCSET_DEFAULT_SIZES);
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = emit_log;
	jdg_exec_hooks.log = add_entry;
	original_level = log_min_messages;
	if (log_min_messages > INFO || log_min_messages == LOG)
	{
		SetConfigOption("log_min_messages", "info", PGC_SUSET,
						PGC_S_OVERRIDE);
	}
}

void
jdg_log_begin(const JdgTask *task)
{
	current = task;
	entries_before = list_length(entries);
	dropped_before = dropped;
}

void
jdg_log_end(void)
{
	current = NULL;
}

void
jdg_log_flush(void)
{
	JdgInternal in;
	ListCell   *lc;

	if (entries == NIL && dropped == 0)
		return;
	jdg_internal_begin(&in);
	foreach(lc, entries)
	{
		LogEntry   *e = lfirst(lc);

		jdg_log_insert(e->task_id, e->attempt, e->owner, e->at, e->level,
					   e->message, e->fields, e->tenant);
	}
	if (dropped > 0)
		ereport(LOG,
				(errmsg("jadugar dropped %lld log entries of a group of tasks that logged too much",
						(long long) dropped)));
	jdg_internal_end(&in);
}

void
jdg_log_forget_task(void)
{
	entries = list_truncate(entries, entries_before);
	dropped = dropped_before;
}

void
jdg_log_forget(void)
{
	entries = NIL;
	dropped = 0;
	entries_before = 0;
	dropped_before = 0;
	MemoryContextReset(log_context);
}
