/*-------------------------------------------------------------------------
 *
 * breaker_funcs.c
 *	  set_breaker(), force_breaker(), and what the view breakers shows of gates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "base/spi.h"
#include "endpoint/endpoint.h"
#include "limit/breaker_options.h"
#include "limit/limit.h"
#include "limit/limited.h"
#include "queue/queue.h"
#include "shared/gateview.h"
#include "shared/guard.h"
#include "shared/shmem.h"
#include "task/relane.h"
#include "task/wakeup.h"

static const char *const set_scopes[] = {"handler", "queue", NULL};
static const char *const force_scopes[] = {
	"handler", "queue", "endpoint", NULL
};

typedef enum Scope
{
	SCOPE_HANDLER,
	SCOPE_QUEUE,
	SCOPE_ENDPOINT
} Scope;

static const char *const state_words[] = {
	"open", "disabled", "closed", "auto", NULL
};

typedef enum State
{
	STATE_OPEN,
	STATE_DISABLED,
	STATE_CLOSED,				/* now; then as auto */
	STATE_AUTO
} State;

typedef struct SetArgs
{
	Scope		scope;
	char	   *name;
	Jsonb	   *options;		/* NULL: no breaker */
} SetArgs;

typedef struct ForceArgs
{
	char	   *name;
	State		state;
	char	   *reason;
	TimestampTz *until;
	Scope		scope;
} ForceArgs;

#define SET_FIELD(field) offsetof(SetArgs, field)
#define FORCE_FIELD(field) offsetof(ForceArgs, field)

static const JdgArg set_args[] = {
	{"scope", TEXTOID, SET_FIELD(scope), JDG_NEEDED, set_scopes},
	{"name", TEXTOID, SET_FIELD(name), JDG_NEEDED},
	{"options", JSONBOID, SET_FIELD(options)},
};

static const JdgArg force_args[] = {
	{"name", TEXTOID, FORCE_FIELD(name), JDG_NEEDED},
	{"state", TEXTOID, FORCE_FIELD(state), JDG_NEEDED, state_words},
	{"reason", TEXTOID, FORCE_FIELD(reason)},
	{"until", TIMESTAMPTZOID, FORCE_FIELD(until)},
	{"scope", TEXTOID, FORCE_FIELD(scope), JDG_DEFAULT, force_scopes,
	SCOPE_ENDPOINT},
};

static JdgQuery set_query = {
	"INSERT INTO jadugar_internal.limit_of (scope, owner, name, handler, "
	"queue_id, breaker) "
	"VALUES ($scope, 0, $name, $handler, $queue_id, $breaker) "
	"ON CONFLICT (scope, owner, name) DO UPDATE SET "
	"breaker = excluded.breaker",
	.config = true
};

/* a handler with a limit or a breaker has lanes of its own */
static JdgQuery has_lane_query = {
	"SELECT FROM jadugar_internal.limit_of "
	"WHERE scope = 'handler' AND owner = 0 AND name = $1", 1, {TEXTOID}
};

/* removes a breaker; the row goes unless it has a limit */
static JdgQuery remove_query = {
	"DELETE FROM jadugar_internal.limit_of WHERE scope = $1 AND owner = 0 "
	"AND name = $2 AND breaker IS NOT NULL "
	"AND max_concurrency IS NULL AND rate IS NULL",
	2, {TEXTOID, TEXTOID},
	.config = true
};

static JdgQuery clear_query = {
	"UPDATE jadugar_internal.limit_of SET breaker = NULL, forced = NULL, "
	"forced_until = NULL, forced_reason = NULL, forced_by = NULL "
	"WHERE scope = $1 AND owner = 0 AND name = $2 AND breaker IS NOT NULL",
	2, {TEXTOID, TEXTOID},
	.config = true
};

static JdgQuery force_query = {
	"UPDATE jadugar_internal.limit_of SET forced = $forced, "
	"forced_until = $until, forced_reason = $reason, forced_by = $by "
	"WHERE scope = $scope AND owner = 0 AND name = $name "
	"AND breaker IS NOT NULL",
	.config = true
};

static JdgQuery force_endpoint_query = {
	"UPDATE jadugar_internal.endpoint SET forced = $forced, until = $until, "
	"reason = $reason, by = $by WHERE endpoint_id = $id",
	.config = true
};

static void
raise_no_breaker(Scope scope, const char *name)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("%s \"%s\" has no breaker", force_scopes[scope], name),
			 errhint("See the view jadugar.breakers.")));
}

/* The owner of a handler or queue that the user may change; it is locked. */
static Oid
lock_thing(Scope scope, const char *name, Oid user, int32 *queue_id)
{
	*queue_id = 0;
	if (scope == SCOPE_HANDLER)
		return jdg_limit_lock_handler(name, user);
	*queue_id = jdg_queue_lock(name, user);
	return jdg_queue_owner(*queue_id);
}

/* set_breaker(scope, name, options) */
JDG_FUNCTION(jdg_set_breaker, JDG_LEVEL_USER)
{
	SetArgs		a;
	JdgBreakerOptions o;
	JdgParams	p = {0};
	JdgInternal in;
	int32		queue_id;
	Oid			owner;
	Datum		v[2];

	JDG_READ_ARGS("set_breaker", set_args, &a);
	if (a.options != NULL)
		jdg_breaker_options_read(a.options, &o);
	v[0] = CStringGetTextDatum(set_scopes[a.scope]);
	v[1] = CStringGetTextDatum(a.name);

	jdg_internal_begin(&in);
	owner = lock_thing(a.scope, a.name, in.save_user, &queue_id);
	if (a.options == NULL)
	{
		if (jdg_run(&remove_query, v, NULL, 0) == 0 &&
			jdg_run(&clear_query, v, NULL, 0) == 0)
			raise_no_breaker(a.scope, a.name);
	}
	else
	{
		/* tasks that exist are moved to lanes of their own */
		if (a.scope == SCOPE_HANDLER &&
			jdg_run(&has_lane_query, &v[1], NULL, 1) == 0)
			jdg_relane_request();
		jdg_bind_text(&p, "scope", set_scopes[a.scope]);
		jdg_bind_text(&p, "name", a.name);
		jdg_bind_text(&p, "handler", a.scope == SCOPE_HANDLER ? a.name : NULL);
		jdg_bind_int32_or_null(&p, "queue_id",
							   a.scope == SCOPE_QUEUE ? &queue_id : NULL);
		jdg_bind_jsonb(&p, "breaker", a.options);
		jdg_run_params(&set_query, &p, 0);
	}
	jdg_audit("set_breaker", set_scopes[a.scope], a.name, owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* The limit of a thing that has a breaker, for its gate. */
static bool
limit_of(Scope scope, const char *name, JdgLimit *limit)
{
	JdgQueue	queue;
	JdgEndpoint e;
	JdgLimit	limits[2];

	if (scope == SCOPE_ENDPOINT)
	{
		if (!jdg_endpoint_get(jdg_endpoint_known(name), &e) &&
			!jdg_endpoint_by_name(name, &e))
			return false;
		(void) jdg_endpoint_limits(&e, NULL, limits);
		*limit = limits[0];
		return !e.any_host && limit->breaker != NULL;
	}
	if (scope == SCOPE_HANDLER)
		return jdg_limit_get(JDG_SCOPE_HANDLER, InvalidOid, name, limit) &&
			limit->breaker != NULL;
	if (!jdg_queue_by_name(name, &queue))
		return false;
	*limit = jdg_limit_of_id(JDG_SCOPE_QUEUE, queue.queue_id, queue.owner,
							 queue.max_concurrency, &queue.rate);
	limit->breaker = jdg_limit_queue_breaker(queue.queue_id);
	return limit->breaker != NULL;
}

/* Binds what the columns of a forced breaker are to be. */
static void
bind_force(JdgParams *p, const ForceArgs *a, Oid user)
{
	bool		forced = a->state == STATE_OPEN || a->state == STATE_DISABLED;
	char	   *by = forced ? jdg_role_name(user) : NULL;

	jdg_bind_text(p, "forced", forced ? state_words[a->state] : NULL);
	jdg_bind_time(p, "until", forced && a->until ? *a->until : DT_NOBEGIN);
	jdg_bind_text(p, "reason", forced ? a->reason : NULL);
	jdg_bind_text(p, "by", by);
}

/* Forces the breaker of a handler or queue; returns its owner. */
static Oid
force_thing(const ForceArgs *a, Oid user)
{
	int32		queue_id;
	Oid			owner = lock_thing(a->scope, a->name, user, &queue_id);
	JdgParams	p = {0};
	JdgLimit	limit;

	bind_force(&p, a, user);
	jdg_bind_text(&p, "scope", force_scopes[a->scope]);
	jdg_bind_text(&p, "name", a->name);
	if (jdg_run_params(&force_query, &p, 0) == 0)
		raise_no_breaker(a->scope, a->name);
	if (a->state == STATE_CLOSED && limit_of(a->scope, a->name, &limit))
		jdg_gate_close(&limit);
	return owner;
}

/* The same of an endpoint. */
static Oid
force_endpoint(const ForceArgs *a, Oid user)
{
	JdgEndpoint e;
	JdgParams	p = {0};
	int32		id;

	if (!jdg_endpoint_by_name(a->name, &e))
		jdg_endpoint_missing(a->name);
	jdg_endpoint_require_manage(&e, user);
	id = jdg_endpoint_intern(a->name);
	bind_force(&p, a, user);
	jdg_bind_int32(&p, "id", id);
	jdg_run_params(&force_endpoint_query, &p, 0);
	if (a->state == STATE_CLOSED)
		jdg_gates_close_endpoint(id);
	return e.owner;
}

/* force_breaker(name, state, reason, until, scope) */
JDG_FUNCTION(jdg_force_breaker, JDG_LEVEL_USER)
{
	ForceArgs	a;
	JdgInternal in;
	Oid			owner;

	JDG_READ_ARGS("force_breaker", force_args, &a);
	jdg_require_shmem();
	if (a.until != NULL && (a.state == STATE_CLOSED || a.state == STATE_AUTO))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("until can only be given with state \"open\" or \"disabled\"")));
	if (a.until != NULL && *a.until <= jdg_now())
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("until must be in the future")));
	jdg_internal_begin(&in);
	owner = a.scope == SCOPE_ENDPOINT ? force_endpoint(&a, in.save_user) :
		force_thing(&a, in.save_user);
	jdg_audit_detail("force_breaker", force_scopes[a.scope], a.name, owner,
					 state_words[a.state], a.reason);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_v_breaker);

static Scope
scope_of(const char *word)
{
	Scope		scope = SCOPE_HANDLER;

	while (force_scopes[scope] != NULL && strcmp(force_scopes[scope], word) != 0)
		scope++;
	return scope;
}

/*
 * _v_breaker(scope, name): state, since, until, calls, failure_pct, slow_pct,
 * consecutive, trips, waiting
 */
Datum
jdg_v_breaker(PG_FUNCTION_ARGS)
{
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum		v[9] = {0};
	bool		isnull[9];
	JdgLimit	limit;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(isnull, true, sizeof(isnull));
	if (JdgGatesLock != NULL && jdg_has_access(GetUserId()) &&
		limit_of(scope_of(word), name, &limit))
	{
		JdgGateState s;
		const JdgBreakerView *b = &s.breaker;

		jdg_gate_state(&limit, jdg_now(), &s);
		memset(isnull, false, sizeof(isnull));
		v[0] = CStringGetTextDatum(jdg_breaker_word(b));
		v[1] = TimestampTzGetDatum(b->since);
		isnull[1] = b->trips == 0 && b->state == JDG_BREAKER_CLOSED;
		v[2] = TimestampTzGetDatum(b->until);
		isnull[2] = b->until == JDG_BREAKER_NEVER;
		v[3] = Int32GetDatum(b->calls);
		v[4] = Int32GetDatum(jdg_breaker_percent(b->failures, b->calls));
		v[5] = Int32GetDatum(jdg_breaker_percent(b->slow, b->calls));
		v[6] = Int32GetDatum(b->consecutive);
		v[7] = Int32GetDatum(b->trips);
		v[8] = BoolGetDatum(s.parked > 0 && s.why == JDG_REFUSED_BREAKER);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}
