/*-------------------------------------------------------------------------
 *
 * limit_funcs.c
 *	  set_limit(), reset_limit(), rate_limit(), and what the view limits shows
 *	  of gates.
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
#include "base/interval.h"
#include "base/params.h"
#include "base/spi.h"
#include "handler/handler.h"
#include "limit/limit.h"
#include "limit/limited.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "task/relane.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

static const char *const scope_words[] = {
	"queue", "key", "tenant", "handler", "owner", NULL
};

typedef enum Scope
{
	SCOPE_QUEUE,
	SCOPE_KEY,
	SCOPE_TENANT,
	SCOPE_HANDLER,
	SCOPE_OWNER
} Scope;

/* set_limit(), reset_limit() */
typedef struct LimitArgs
{
	Scope		scope;
	char	   *name;
	int32	   *max_concurrency;	/* NULL: no limit */
	int32	   *rate;
	Interval   *per;
	int32	   *burst;
	char	   *owner;
} LimitArgs;

#define FIELD(field) offsetof(LimitArgs, field)

static const JdgArg limit_args[] = {
	{"scope", TEXTOID, FIELD(scope), JDG_NEEDED, scope_words},
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"max_concurrency", INT4OID, FIELD(max_concurrency)},
	{"rate", INT4OID, FIELD(rate)},
	{"per", INTERVALOID, FIELD(per)},
	{"burst", INT4OID, FIELD(burst)},
	{"owner", TEXTOID, FIELD(owner)},
};

static const JdgArg reset_args[] = {
	{"scope", TEXTOID, FIELD(scope), JDG_NEEDED, scope_words},
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"owner", TEXTOID, FIELD(owner)},
};

#define SET_OPTIONS \
	"max_concurrency = $max_concurrency, rate = $rate, per = $per, " \
	"burst = $burst "

static JdgQuery queue_query = {
	"UPDATE jadugar_internal.queue SET " SET_OPTIONS
	"WHERE name = $name",
	.config = true
};

static JdgQuery tenant_query = {
	"UPDATE jadugar_internal.tenant SET " SET_OPTIONS
	"WHERE name = $name RETURNING owner",
	.config = true
};

static JdgQuery set_query = {
	"INSERT INTO jadugar_internal.limit_of (scope, owner, name, "
	"handler, max_concurrency, rate, per, burst) "
	"VALUES ($scope, $owner, $name, $handler, $max_concurrency, $rate, $per, "
	"$burst) "
	"ON CONFLICT (scope, owner, name) DO UPDATE SET "
	"max_concurrency = excluded.max_concurrency, rate = excluded.rate, "
	"per = excluded.per, burst = excluded.burst",
	.config = true
};

/* without a limit, a handler may still have a breaker */
static JdgQuery keep_query = {
	"UPDATE jadugar_internal.limit_of SET max_concurrency = NULL, rate = NULL, "
	"per = NULL, burst = NULL WHERE scope = $1 AND owner = $2 AND name = $3 "
	"AND breaker IS NOT NULL "
	"AND (max_concurrency IS NOT NULL OR rate IS NOT NULL)",
	3, {TEXTOID, OIDOID, TEXTOID},
	.config = true
};

/* does a limit exist that gives its tasks lanes of their own? */
static JdgQuery has_lane_query = {
	"SELECT FROM jadugar_internal.limit_of "
	"WHERE scope = $1 AND owner = $2 AND name = $3 "
	"AND (scope = 'handler' OR scope = 'key' AND rate IS NOT NULL)",
	3, {TEXTOID, OIDOID, TEXTOID}
};

static JdgQuery unset_query = {
	"DELETE FROM jadugar_internal.limit_of "
	"WHERE scope = $1 AND owner = $2 AND name = $3 AND breaker IS NULL",
	3, {TEXTOID, OIDOID, TEXTOID},
	.config = true
};

/* hint: what to do instead, or NULL */
static void
check_at_least_1(const char *what, const int32 *value, const char *hint)
{
	if (value != NULL && *value < 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", what),
				 errdetail("The value is %d.", *value),
				 hint ? errhint("%s", hint) : 0));
}

static const char *const no_limit_hint =
"Leave it out if there is to be no limit.";

static void
check_values(const LimitArgs *a)
{
	JdgRate		r = {0};

	check_at_least_1("max_concurrency", a->max_concurrency, no_limit_hint);
	check_at_least_1("rate", a->rate, no_limit_hint);
	check_at_least_1("burst", a->burst, NULL);
	if (a->per)
		jdg_check_interval("per", a->per, false);
	jdg_rate_check_given("rate", a->rate == NULL &&
						 (a->per != NULL || a->burst != NULL));
	if (a->rate == NULL)
		return;
	r.rate = *a->rate;
	r.per = a->per ? jdg_interval_us(a->per) : USECS_PER_SEC;
	r.burst = a->burst ? *a->burst : Max(r.rate / 10, 1);
	jdg_rate_check("rate", &r);
}

static void
bind_values(JdgParams *p, const LimitArgs *a, const char *name)
{
	jdg_bind_text(p, "name", name);
	jdg_bind_int32_or_null(p, "max_concurrency", a->max_concurrency);
	jdg_bind_int32_or_null(p, "rate", a->rate);
	jdg_bind_interval(p, "per", a->per);
	jdg_bind_int32_or_null(p, "burst", a->burst);
}

/* Only operators limit tenants and roles. */
static void
require_operator(const LimitArgs *a, Oid user)
{
	if (jdg_is_operator(user))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to limit %s \"%s\"",
					a->scope == SCOPE_TENANT ? "tenant" : "role", a->name),
			 errhint("Only operators may do that.")));
}

/* Has the limit no value, so that it is removed? */
static bool
is_removed(const LimitArgs *a)
{
	return a->max_concurrency == NULL && a->rate == NULL;
}

/* The row of limit_of that stands for a call. */
typedef struct Row
{
	Oid			owner;
	const char *name;
} Row;

/*
 * Checks the rights, and finds the row for scopes that have one there.  Returns
 * the owner of what is limited.
 */
static Oid
find_row(const LimitArgs *a, Oid user, Oid key_owner, Row *row)
{
	Oid			owner = key_owner;

	row->owner = InvalidOid;
	row->name = a->name;
	switch (a->scope)
	{
		case SCOPE_KEY:
			row->owner = key_owner;
			break;
		case SCOPE_HANDLER:
			owner = jdg_limit_lock_handler(a->name, user);
			break;
		case SCOPE_OWNER:
			require_operator(a, user);
			owner = row->owner = jdg_grantee(a->name);
			row->name = "";
			break;
		case SCOPE_QUEUE:
			owner = jdg_queue_owner(jdg_queue_lock(a->name, user));
			break;
		case SCOPE_TENANT:
			require_operator(a, user);
			break;
	}
	return owner;
}

static void
raise_unlimited(const LimitArgs *a)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_FOUND),
			 errmsg("%s \"%s\" has no limit of its own",
					scope_words[a->scope], a->name),
			 a->scope == SCOPE_KEY ?
			 errdetail("Tasks of one concurrency_key run one at a time.") : 0,
			 errhint("See the view jadugar.limits.")));
}

/* Sets or removes a limit that has a row in limit_of. */
static void
set_row(const LimitArgs *a, const Row *row)
{
	JdgParams	p = {0};
	Datum		v[3] = {CStringGetTextDatum(scope_words[a->scope]),
	ObjectIdGetDatum(row->owner), CStringGetTextDatum(row->name)};

	if (is_removed(a))
	{
		if (jdg_run(&keep_query, v, NULL, 0) == 0 &&
			jdg_run(&unset_query, v, NULL, 0) == 0)
			raise_unlimited(a);
		return;
	}
	if (OidIsValid(row->owner))
		jdg_remember_role(row->owner);
	bind_values(&p, a, row->name);
	jdg_bind_text(&p, "scope", scope_words[a->scope]);
	jdg_bind_oid(&p, "owner", row->owner);
	jdg_bind_text(&p, "handler", a->scope == SCOPE_HANDLER ? row->name : NULL);
	/* tasks that exist are moved to lanes of their own */
	if ((a->scope == SCOPE_HANDLER ||
		 (a->scope == SCOPE_KEY && a->rate != NULL)) &&
		jdg_run(&has_lane_query, v, NULL, 1) == 0)
		jdg_relane_request();
	jdg_run_params(&set_query, &p, 0);
}

/* Sets or removes a limit that is in the columns of its queue or tenant. */
static Oid
set_columns(const LimitArgs *a, Oid owner)
{
	JdgParams	p = {0};

	bind_values(&p, a, a->name);
	if (a->scope == SCOPE_QUEUE)
		(void) jdg_run_params(&queue_query, &p, 0);
	else if (jdg_run_params(&tenant_query, &p, 1) == 0)
		jdg_tenant_missing(a->name);
	else
		owner = jdg_col_oid(0, 1);
	return owner;
}

/* Reads scope and name; returns the owner of the key. */
static Oid
check_scope(LimitArgs *a)
{
	if (a->scope == SCOPE_KEY)
	{
		jdg_check_key("concurrency_key", a->name);
		return jdg_owner_of_call(a->owner);
	}
	if (a->owner != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("owner can only be given with scope \"key\""),
				 errhint("Other names are unique in the database.")));
	return InvalidOid;
}

/* set_limit(scope, name, max_concurrency, rate, per, burst, owner) */
JDG_FUNCTION(jdg_set_limit, JDG_LEVEL_USER)
{
	LimitArgs	a;
	Row			row;
	Oid			owner;
	JdgInternal in;

	JDG_READ_ARGS("set_limit", limit_args, &a);
	check_values(&a);
	owner = check_scope(&a);

	jdg_internal_begin(&in);
	owner = find_row(&a, in.save_user, owner, &row);
	if (a.scope == SCOPE_QUEUE || a.scope == SCOPE_TENANT)
		owner = set_columns(&a, owner);
	else
		set_row(&a, &row);
	jdg_audit("set_limit", scope_words[a.scope], a.name, owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* The limit as it is configured; false: there is none. */
static bool
configured(const LimitArgs *a, const Row *row, JdgLimit *limit)
{
	JdgQueue	queue;
	JdgTenant	tenant;

	switch (a->scope)
	{
		case SCOPE_QUEUE:
			if (!jdg_queue_by_name(a->name, &queue))
				return false;
			*limit = jdg_limit_of_id(JDG_SCOPE_QUEUE, queue.queue_id,
									 queue.owner, queue.max_concurrency, &queue.rate);
			return limit->max > 0 || limit->interval > 0;
		case SCOPE_TENANT:
			if (!jdg_tenant_by_name(a->name, &tenant))
				jdg_tenant_missing(a->name);
			*limit = jdg_limit_of_id(JDG_SCOPE_TENANT, tenant.tenant_id,
									 tenant.owner, tenant.max_concurrency, &tenant.rate);
			return limit->max > 0 || limit->interval > 0;
		case SCOPE_HANDLER:
			return jdg_limit_get(JDG_SCOPE_HANDLER, InvalidOid, row->name, limit) &&
				(limit->max > 0 || limit->interval > 0);
		case SCOPE_OWNER:
			return jdg_limit_get(JDG_SCOPE_OWNER, row->owner, row->name, limit);
		case SCOPE_KEY:
			return jdg_limit_get(JDG_SCOPE_KEY, row->owner, row->name, limit);
	}
	return false;
}

/* Resets the enqueue_rate of a tenant; false: it has none. */
static bool
reset_enqueue_rate(const LimitArgs *a)
{
	JdgTenant	tenant;
	JdgLimit	limit;

	if (a->scope != SCOPE_TENANT || !jdg_tenant_by_name(a->name, &tenant) ||
		tenant.enqueue.rate == 0)
		return false;
	limit = jdg_tenant_enqueue_limit(&tenant);
	jdg_gate_reset(&limit);
	return true;
}

/* reset_limit(scope, name, owner) */
JDG_FUNCTION(jdg_reset_limit, JDG_LEVEL_OPERATOR)
{
	LimitArgs	a = {0};
	JdgLimit	limit;
	Row			row;
	Oid			owner;
	bool		found;
	JdgInternal in;

	JDG_READ_ARGS("reset_limit", reset_args, &a);
	jdg_require_shmem();
	owner = check_scope(&a);
	jdg_internal_begin(&in);
	owner = find_row(&a, in.save_user, owner, &row);
	found = configured(&a, &row, &limit);
	if (found)
		jdg_gate_reset(&limit);
	if (!reset_enqueue_rate(&a) && !found)
		raise_unlimited(&a);
	jdg_audit("reset_limit", scope_words[a.scope], a.name, owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* rate_limit() */
typedef struct RateArgs
{
	char	   *name;
	int32		rate;
	Interval   *per;
	int32	   *burst;
	int32		cost;
	int			on_limit;
} RateArgs;

static const char *const on_limit_words[] = {"return", "error", NULL};

#undef FIELD
#define FIELD(field) offsetof(RateArgs, field)

static const JdgArg rate_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"rate", INT4OID, FIELD(rate), JDG_NEEDED},
	{"per", INTERVALOID, FIELD(per)},
	{"burst", INT4OID, FIELD(burst)},
	{"cost", INT4OID, FIELD(cost), JDG_DEFAULT, NULL, 1},
	{"on_limit", TEXTOID, FIELD(on_limit), JDG_DEFAULT, on_limit_words, 0},
};

static Datum
interval_of(int64 us)
{
	Interval   *iv = palloc0(sizeof(Interval));

	iv->time = us;
	return IntervalPGetDatum(iv);
}

/* rate_limit(name, rate, per, burst, cost, on_limit) */
JDG_FUNCTION(jdg_rate_limit, JDG_LEVEL_USER)
{
	RateArgs	a;
	JdgRate		rate;
	JdgLimit	limit;
	JdgRateResult r;
	TupleDesc	desc;
	Datum		v[4];
	bool		isnull[4] = {0};

	JDG_READ_ARGS("rate_limit", rate_args, &a);
	jdg_require_shmem();
	jdg_check_key("name", a.name);
	check_at_least_1("rate", &a.rate, NULL);
	check_at_least_1("burst", a.burst, NULL);
	check_at_least_1("cost", &a.cost, NULL);
	if (a.per)
		jdg_check_interval("per", a.per, false);
	rate.rate = a.rate;
	rate.per = a.per ? jdg_interval_us(a.per) : USECS_PER_SEC;
	rate.burst = a.burst ? *a.burst : Max(a.rate / 10, 1);
	jdg_rate_check("rate", &rate);
	if (a.cost > rate.burst)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("cost %d can never be allowed", a.cost),
				 errdetail("The burst is %d.", rate.burst),
				 errhint("Give a higher burst.")));
	limit = jdg_limit_named(JDG_SCOPE_NAME, GetUserId(), a.name);
	jdg_limit_set_rate(&limit, rate.rate, rate.per, rate.burst);
	r = jdg_gate_rate(&limit, jdg_now(), a.cost);
	if (!r.allowed && a.on_limit == 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_RATE_LIMITED),
				 errmsg("rate limit \"%s\" has been reached", a.name),
				 errdetail("The next call is allowed in %.3f seconds.",
						   r.retry_after / 1e6)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	v[0] = BoolGetDatum(r.allowed);
	v[1] = Int64GetDatum(r.remaining);
	v[2] = interval_of(r.retry_after);
	v[3] = interval_of(r.reset_after);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}
