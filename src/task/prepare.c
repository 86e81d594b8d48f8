/*-------------------------------------------------------------------------
 *
 * prepare.c
 *	  From what a user gave to the fields of a task: validation and defaults.
 *
 * Runs in the caller's backend, as the caller.  User-defined code (payload
 * types, validate hooks) is evaluated here as the user, never inside
 * jdg_internal_begin().  Defaults come from the handler, then the queue, then
 * the settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/spi.h"
#include "handler/command.h"
#include "task/enqueue.h"
#include "task/retry.h"

#define MAX_KEY_LEN 1024
#define MAX_DAYS INT64CONST(10000000)

static void
check_length(const char *what, const char *s)
{
	if (s == NULL)
		return;
	if (s[0] == '\0' || strlen(s) > MAX_KEY_LEN)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must have from 1 to %d bytes", what, MAX_KEY_LEN),
				 errdetail("The value has %zu bytes.", strlen(s))));
}

/*
 * An interval given as "what" must be finite and more than zero (or, with
 * zero_ok, not less).  Returns it.
 */
const Interval *
jdg_check_interval(const char *what, const Interval *iv, bool zero_ok)
{
	int64		days = (int64) iv->month * 30 + iv->day;
	bool		bad;
	bool		huge;

	/* so that instants can be computed from it without overflow */
	bad = huge = iv->month == INT_MAX || iv->month == INT_MIN ||
		days < -MAX_DAYS || days > MAX_DAYS ||
		iv->time > MAX_DAYS * USECS_PER_DAY ||
		iv->time < -MAX_DAYS * USECS_PER_DAY;
	if (!huge)
	{
		int64		us = days * USECS_PER_DAY + iv->time;

		bad = us < 0 || (us == 0 && !zero_ok);
	}
	if (bad)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be a finite interval %s", what,
						zero_ok ? "of zero or more" : "greater than zero"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(iv)))),
				 huge ? errhint("At most %lld days are possible.",
								(long long) MAX_DAYS) : 0));
	return iv;
}

/* Length of an interval in microseconds, months taken as 30 days. */
int64
jdg_interval_us(const Interval *iv)
{
	return ((int64) iv->month * 30 + iv->day) * USECS_PER_DAY + iv->time;
}

/*
 * settings => {"name": "value", ...}: try them as the user, so that the
 * server's own checks apply, and put everything back.
 */
static void
check_settings(Jsonb *settings)
{
	int			level;
	MemoryContext old;
	ResourceOwner owner;
	ErrorData  *volatile edata = NULL;

	if (!JB_ROOT_IS_OBJECT(settings))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("settings must be a JSON object of names and values"),
				 errhint("Write for example '{\"work_mem\": \"64MB\"}'.")));
	old = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(old);
	PG_TRY();
	{
		level = NewGUCNestLevel();
		jdg_apply_settings(settings, false);
		AtEOXact_GUC(false, level);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	if (edata == NULL)
		return;
	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		edata->sqlerrcode == JDG_ERRCODE_VALIDATION_ERROR)
		ReThrowError(edata);
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("settings are not acceptable"),
			 errdetail("%s", edata->message),
			 edata->hint ? errhint("%s", edata->hint) : 0));
}

/*
 * Apply settings for a task, as the current user: until the caller's GUC nest
 * level ends, or (session) as SET would, past the transaction's commit.
 */
void
jdg_apply_settings(Jsonb *settings, bool session)
{
	JsonbIterator *it = JsonbIteratorInit(&settings->root);
	JsonbIteratorToken tok;
	JsonbValue	v;
	char	   *name = NULL;

	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *value = NULL;

		if (tok == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		if (tok != WJB_VALUE)
			continue;
		if (v.type == jbvString)
			value = pnstrdup(v.val.string.val, v.val.string.len);
		else if (v.type == jbvNumeric)
			value = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
		else if (v.type == jbvBool)
			value = pstrdup(v.val.boolean ? "on" : "off");
		else
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("setting \"%s\" must be a string, a number or a boolean", name)));
		if (pg_strcasecmp(name, "role") == 0 ||
			pg_strcasecmp(name, "session_authorization") == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("setting \"%s\" can not be given to a task", name),
					 errhint("A task runs as its owner: use owner => instead.")));
		(void) set_config_option(name, value,
								 superuser() ? PGC_SUSET : PGC_USERSET,
								 PGC_S_SESSION,
								 session ? GUC_ACTION_SET : GUC_ACTION_SAVE,
								 true, ERROR, false);
	}
}

/* transaction => as text, to what task.transaction holds */
char
jdg_transaction_mode(const char *s)
{
	if (pg_strcasecmp(s, "default") == 0 ||
		pg_strcasecmp(s, "read committed") == 0)
		return JDG_XACT_COMMITTED;
	if (pg_strcasecmp(s, "repeatable read") == 0)
		return JDG_XACT_REPEATABLE;
	if (pg_strcasecmp(s, "serializable") == 0)
		return JDG_XACT_SERIALIZABLE;
	if (pg_strcasecmp(s, "standalone") == 0)
		return JDG_XACT_STANDALONE;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unknown transaction mode \"%s\"", s),
			 errhint("Use 'read committed', 'repeatable read', 'serializable' or 'standalone'.")));
	return JDG_XACT_COMMITTED;	/* keep compiler quiet */
}

static void
find_queue(const char *name, JdgHandler *handler, Oid role, JdgQueue *queue)
{
	bool		found;

	if (name == NULL)
	{
		int32		id = handler && handler->queue_id != 0 ?
		handler->queue_id : JDG_DEFAULT_QUEUE;

		if (!jdg_queue_use_by_id(id, queue))
			elog(ERROR, "queue %d does not exist", id);
		return;
	}
	found = jdg_queue_use_by_name(name, queue);
	if (!found)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("queue \"%s\" does not exist", name),
				 errhint("Create it: SELECT jadugar.create_queue('%s').", name)));
	if (!jdg_queue_usable(queue, role))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for queue \"%s\"", name),
				 errhint("Its owner or an operator can allow it: SELECT jadugar.grant_queue('%s', '%s', 'enqueue').",
						 name, GetUserNameFromId(role, true))));
}

JDG_NORETURN static void
raise_not_a_command(const char *text, ErrorData *err)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("command is neither valid SQL nor a registered handler"),
			 err ? errdetail("As SQL: %s. No handler \"%s\" is registered.", err->message, text) :
			 errdetail("No handler \"%s\" is registered.", text),
			 errhint("Correct the SQL, or register the handler with jadugar.register_handler()."),
			 internalerrquery(text),
			 internalerrposition(err ? err->cursorpos : 0)));
}

/* What was found acceptable before is not parsed again. */
static void
classify(const char *text, char *kind, bool *standalone, ErrorData **error)
{
	const JdgCommand *known = jdg_command_known(text, JDG_COMMAND_SQL);

	if (known == NULL)
		known = jdg_command_known(text, JDG_COMMAND_HANDLER);
	if (known == NULL)
	{
		jdg_command_classify(text, kind, standalone, error);
		return;
	}
	*kind = known->kind;
	*standalone = known->standalone;
}

/*
 * See enqueue.h.  The order matters: cheap checks of form first, then the
 * command, then what may run user code.
 */
void
jdg_task_prepare(const JdgTaskOptions *o, Oid owner, int32 default_attempts,
				 JdgTask *t, JdgQueue *queue, JdgHandler **handler)
{
	char		kind;
	bool		standalone;
	ErrorData  *syntax_error = NULL;
	const char *command = o->command;
	JdgHandler *h = NULL;

	Assert(!jdg_is_bookkeeping());
	check_length("concurrency_key", o->concurrency_key);
	check_length("tenant", o->tenant);
	check_length("trace", o->trace);
	if (o->timeout)
		jdg_check_interval("timeout", o->timeout, false);
	if (o->retry)
		jdg_retry_check(o->retry);
	if (o->settings)
		check_settings(o->settings);
	if (o->metadata && !JB_ROOT_IS_OBJECT(o->metadata))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("metadata must be a JSON object")));
	classify(o->command, &kind, &standalone, &syntax_error);
	if (kind == JDG_COMMAND_HANDLER)
	{
		h = jdg_handler_get(o->command, owner);
		if (h != NULL)
			standalone = h->standalone;
		else if ((command = jdg_command_resolve_name(owner, o->command)) != NULL)
		{
			kind = JDG_COMMAND_SQL;
			standalone = false;
		}
		else
		{
			/* not parsed, if it was a handler's name before */
			jdg_command_classify(o->command, &kind, &standalone,
								 &syntax_error);
			raise_not_a_command(o->command, syntax_error);
		}
	}
	find_queue(o->queue, h, GetUserId(), queue);
	t->command_id = o->check_only ? 0 :
		jdg_command_id(command, kind, standalone);

	t->owner = owner;
	t->queue_id = queue->queue_id;
	t->bounded = queue->max_depth > 0;
	t->priority = o->has_priority ? o->priority :
		(h && h->has_priority ? h->priority : 0);
	t->transaction = o->transaction ? jdg_transaction_mode(o->transaction) :
		(h && h->transaction ? h->transaction : JDG_XACT_COMMITTED);
	if (standalone)
		t->transaction = JDG_XACT_STANDALONE;
	t->isolate = o->has_isolate ? o->isolate :
		((h && h->isolate) || queue->isolate);
	t->timeout = o->timeout ? o->timeout : (h ? h->timeout : NULL);
	if (t->timeout == NULL && jdg_task_timeout > 0)
	{
		t->timeout = palloc0(sizeof(Interval));
		t->timeout->time = (int64) jdg_task_timeout * 1000;
	}
	t->retry = o->retry ? o->retry : (h ? h->retry : NULL);
	t->max_attempts = jdg_retry_max_attempts(t->retry, default_attempts);
	t->settings = o->settings;
	t->metadata = o->metadata;
	t->concurrency_key = o->concurrency_key ? pstrdup(o->concurrency_key) : NULL;
	t->tenant = o->tenant ? pstrdup(o->tenant) : NULL;
	t->trace = o->trace ? pstrdup(o->trace) : NULL;
	t->payload = o->payload;
	t->attempt = 0;
	t->crashes = 0;
	t->started_at = DT_NOBEGIN;
	t->scheduled_for = DT_NOBEGIN;
	if (h && o->payload)
		jdg_handler_check_payload(h, o->payload);
	if (handler)
		*handler = h;
}
