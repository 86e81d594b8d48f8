/*-------------------------------------------------------------------------
 *
 * cached_funcs.c
 *	  SQL function cached(), and _cache_refresh() for its tasks.
 *
 * Runs in any backend and in workers, as the caller.  A transaction that
 * computes a value holds a lock on its key until it ends.  Others that want the
 * value wait for the lock, and then read it by the latest snapshot.  If the
 * first one was rolled back, the next one computes it.
 *
 * A value that is stale, but not for too long, is returned at once.  One
 * transaction makes a task that computes it anew.  The task's unique_key keeps
 * others from making a second one; a lock that they only try keeps them from
 * waiting for the first.
 *
 * In a transaction that is read-only, and on a standby, a value that is not
 * there is computed and not kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "access/access.h"
#include "access/owner.h"
#include "actor/cache.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "exec/here.h"
#include "exec/tenant.h"
#include "handler/parse.h"
#include "handler/privileges.h"
#include "shared/shmem.h"
#include "task/enqueue.h"
#include "task/prepare.h"
#include "task/room.h"
#include "task/tenant_quota.h"
#include "task/unique.h"
#include "task/wakeup.h"

/* the command of a task that computes a value anew */
#define REFRESH_COMMAND "SELECT jadugar._cache_refresh($1)"

/* what a value is, and how long it is kept */
typedef struct CachedArgs
{
	char	   *key;
	char	   *command;
	Jsonb	   *payload;
	Interval   *ttl;
	Interval   *stale_for;
} CachedArgs;

#define FIELD(field) offsetof(CachedArgs, field)

static const JdgArg cached_args[] = {
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
	{"command", TEXTOID, FIELD(command), JDG_NEEDED},
	{"payload", JSONBOID, FIELD(payload), JDG_NEEDED},
	{"ttl", INTERVALOID, FIELD(ttl), JDG_NEEDED},
	{"stale_for", INTERVALOID, FIELD(stale_for), JDG_NEEDED},
};

static const JdgArg refresh_args[] = {
	{"request", JSONBOID, 0, JDG_NEEDED},
};

/* the values that this process is computing, the innermost first */
typedef struct Computing
{
	Oid			owner;
	const char *key;
	struct Computing *outer;
} Computing;

static Computing *computing = NULL;

/* the first row of a command */
typedef struct FirstRow
{
	MemoryContext mcxt;
	Jsonb	   *row;			/* NULL: there was none */
} FirstRow;

static void
take_first(Jsonb *row, void *arg)
{
	FirstRow   *f = arg;

	f->row = MemoryContextAlloc(f->mcxt, VARSIZE(row));
	memcpy(f->row, row, VARSIZE(row));
}

/* A command that computes a value inside itself would wait for itself. */
static void
check_not_computing(Oid owner, const char *key)
{
	for (Computing *c = computing; c != NULL; c = c->outer)
	{
		if (c->owner == owner && strcmp(c->key, key) == 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("the command of cached value \"%s\" asks for that value",
							key),
					 errhint("Use another key inside of the command.")));
	}
}

/* The handler that the command names; raises an error if it cannot run here. */
static JdgHandler *
find_handler(const char *name, ErrorData *syntax_error)
{
	JdgHandler *h = jdg_handler_get(name, GetUserId());

	if (h == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("command is neither valid SQL nor the name of a handler"),
				 errdetail("The value is \"%s\". The parser says: %s.",
						   jdg_excerpt(name), syntax_error->message),
				 errhint("Check the spelling of the SQL, or register the handler first.")));
	if (h->kind == JDG_HANDLER_C || h->kind == JDG_HANDLER_HTTP || h->standalone)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.cached() cannot call handler \"%s\"", h->name),
				 errdetail("Handlers in C, HTTP handlers, and those that run outside a transaction, run in tasks only."),
				 errhint("Use a handler that is a function or SQL.")));
	jdg_handler_require_privileges(h, GetUserId());
	return h;
}

/* Runs the command as the caller; the result is its first row. */
static Jsonb *
run_command(const CachedArgs *a)
{
	FirstRow	f = {CurrentMemoryContext, NULL};
	JdgCommandKind kind;
	ErrorData  *syntax_error = NULL;
	bool		standalone;

	jdg_command_classify(a->command, JDG_COMMAND_SQL, &kind, &standalone,
						 &syntax_error);
	if (kind == JDG_COMMAND_SQL && standalone)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the command of a cached value cannot run inside a transaction"),
				 errdetail("The value is \"%s\".", jdg_excerpt(a->command)),
				 errhint("Use a query, or a handler that is a function or SQL.")));
	if (kind == JDG_COMMAND_SQL)
		jdg_here_call_sql(a->command, a->payload, take_first, &f);
	else
		jdg_here_call(find_handler(a->command, syntax_error), a->payload, true,
					  false, take_first, &f);
	return f.row;
}

/* The same; no row is JSON null. */
static Jsonb *
compute(const CachedArgs *a)
{
	Computing	c = {GetUserId(), a->key, computing};
	Jsonb	   *row = NULL;

	check_not_computing(c.owner, a->key);
	computing = &c;
	PG_TRY();
	{
		row = run_command(a);
	}
	PG_FINALLY();
	{
		computing = c.outer;
	}
	PG_END_TRY();
	if (row == NULL)
		row = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("null")));
	return row;
}

/*
 * Computes the value and keeps it, unless another transaction has done that
 * while this one waited.
 */
static Jsonb *
compute_once(const CachedArgs *a)
{
	Oid			owner = GetUserId();
	JdgCached	cached;

	check_not_computing(owner, a->key);
	jdg_cache_lock(owner, a->key);
	if (jdg_cache_read(owner, a->key, true, &cached) &&
		cached.expires_at > jdg_now())
	{
		jdg_cache_unlock(owner, a->key);
		return cached.value;
	}
	cached.value = compute(a);
	/* its time begins when it is there */
	cached.expires_at = jdg_time_after(jdg_now(), a->ttl);
	cached.stale_until = jdg_time_after(cached.expires_at, a->stale_for);
	(void) jdg_cache_write(owner, a->key, &cached);
	return cached.value;
}

/* Inserts a task of the caller that computes the value anew. */
static void
enqueue_refresh(const CachedArgs *a)
{
	JdgTaskOptions o = {.command = REFRESH_COMMAND};
	Oid			owner = jdg_resolve_owner(NULL);
	JsonbParseState *st;
	JdgTask		t = {0};
	JdgQueue	queue;
	JdgInternal in;
	bool		is_first;

	jdg_json_begin(&st);
	jdg_json_text(&st, "key", a->key);
	jdg_json_text(&st, "command", a->command);
	jdg_json_jsonb(&st, "payload", a->payload);
	jdg_json_text(&st, "ttl_us", psprintf(INT64_FORMAT, jdg_interval_us(a->ttl)));
	jdg_json_text(&st, "stale_us", psprintf(INT64_FORMAT, jdg_interval_us(a->stale_for)));
	o.payload = jdg_json_finish(&st);
	o.tenant = jdg_tenant_of_call(NULL);
	jdg_task_prepare(&o, owner, jdg_task_max_attempts, &t, &queue, NULL);
	t.unique_key = psprintf("cache/%s", a->key);
	t.created_at = t.run_at = jdg_now();
	t.on_dependency_failure = JDG_FAILURE_CANCEL;
	t.task_id = jdg_task_next_id();

	jdg_internal_begin(&in);
	is_first = jdg_unique_key_take(&t, DT_NOBEGIN) == 0;
	jdg_internal_end(&in);

	/*
	 * a refusal leaves the key to a task that is not there: who comes next
	 * takes it
	 */
	if (!is_first || !jdg_tenant_quota_try(t.tenant))
		return;

	jdg_internal_begin(&in);
	if (jdg_room_try(&queue, 1))
	{
		t.state = jdg_state_without_dependencies(&t);
		jdg_task_insert(&t);
		jdg_wake_at_commit(t.owner, &t);
		jdg_count_enqueued(1);
	}
	jdg_internal_end(&in);
}

/* cached(key, command, payload, ttl, stale_for) */
JDG_FUNCTION(jdg_cached, JDG_LEVEL_USER_READS)
{
	CachedArgs	a = {0};
	JdgCached	cached;
	bool		found;

	JDG_READ_ARGS("cached", cached_args, &a);
	jdg_cache_check_key(a.key);
	(void) jdg_check_interval("ttl", a.ttl, false);
	/* a stale value needs a task, which needs a tenant */
	if (jdg_interval_us(jdg_check_interval("stale_for", a.stale_for, true)) > 0)
		jdg_tenant_check_call();
	if (RecoveryInProgress())
		PG_RETURN_JSONB_P(compute(&a));
	found = jdg_cache_read(GetUserId(), a.key, false, &cached);
	if (found && cached.expires_at > jdg_now())
		PG_RETURN_JSONB_P(cached.value);
	found = found && cached.stale_until > jdg_now();
	if (XactReadOnly)
		PG_RETURN_JSONB_P(found ? cached.value : compute(&a));
	jdg_require_shmem();
	/* no worker could run a task of such a role */
	if (!found || jdg_role_obstacle(GetUserId()) != NULL)
		PG_RETURN_JSONB_P(compute_once(&a));
	if (jdg_cache_claim_refresh(GetUserId(), a.key))
		enqueue_refresh(&a);
	PG_RETURN_JSONB_P(cached.value);
}

/* The interval of a field that is a number of microseconds; 0: not valid. */
static Interval *
interval_of(const Jsonb *request, const char *field)
{
	Interval   *iv = palloc0(sizeof(Interval));
	char	   *us = jdg_json_get_text(request, field);

	if (us != NULL)
		iv->time = strtoll(us, NULL, 10);
	return iv;
}

/* _cache_refresh(request) */
JDG_FUNCTION(jdg_cache_refresh, JDG_LEVEL_USER)
{
	CachedArgs	a = {0};
	Jsonb	   *request = NULL;

	jdg_require_shmem();
	JDG_READ_ARGS("_cache_refresh", refresh_args, &request);
	a.key = jdg_json_get_text(request, "key");
	a.command = jdg_json_get_text(request, "command");
	a.payload = jdg_json_get(request, "payload");
	a.ttl = interval_of(request, "ttl_us");
	a.stale_for = interval_of(request, "stale_us");
	if (a.key == NULL || a.command == NULL || a.payload == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"request\" is not that of a task of jadugar.cached()"),
				 errhint("Call jadugar.cached().")));
	jdg_cache_check_key(a.key);
	(void) jdg_check_interval("ttl", a.ttl, false);
	(void) jdg_check_interval("stale_for", a.stale_for, true);
	(void) compute_once(&a);
	PG_RETURN_VOID();
}
