/*-------------------------------------------------------------------------
 *
 * tenant_funcs.c
 *	  create_tenant(), alter_tenant().
 *
 * Runs in the caller's backend, for operators.  Both change one row of tenant,
 * which they lock by that, and look at the row as it then is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "task/relane.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

static const char *const history_words[] = {"all", "failures", "none", NULL};

/* create_tenant(), alter_tenant() */
typedef struct TenantArgs
{
	char	   *name;
	int32	   *weight;
	int32	   *max_concurrency;
	int32	   *rate;
	Interval   *per;
	int32	   *burst;
	int32	   *max_priority;
	int64	   *max_tasks;
	int32	   *enqueue_rate;
	Interval   *enqueue_per;
	int32	   *enqueue_burst;
	int		   *history;		/* in history_words */
	Interval   *retention;
	int64	   *max_history;
	char	   *description;
	Jsonb	   *metadata;
	/* alter_tenant() only */
	ArrayType  *reset;
} TenantArgs;

#define FIELD(field) offsetof(TenantArgs, field)

#define TENANT_ARGS \
	{"name", TEXTOID, FIELD(name), JDG_NEEDED}, \
	{"weight", INT4OID, FIELD(weight), JDG_RESETTABLE}, \
	{"max_concurrency", INT4OID, FIELD(max_concurrency), JDG_RESETTABLE}, \
	{"rate", INT4OID, FIELD(rate), JDG_RESETTABLE}, \
	{"per", INTERVALOID, FIELD(per), JDG_RESETTABLE}, \
	{"burst", INT4OID, FIELD(burst), JDG_RESETTABLE}, \
	{"max_priority", INT4OID, FIELD(max_priority), JDG_RESETTABLE}, \
	{"max_tasks", INT8OID, FIELD(max_tasks), JDG_RESETTABLE}, \
	{"enqueue_rate", INT4OID, FIELD(enqueue_rate), JDG_RESETTABLE}, \
	{"enqueue_per", INTERVALOID, FIELD(enqueue_per), JDG_RESETTABLE}, \
	{"enqueue_burst", INT4OID, FIELD(enqueue_burst), JDG_RESETTABLE}, \
	{"history", TEXTOID, FIELD(history), JDG_RESETTABLE, history_words}, \
	{"retention", INTERVALOID, FIELD(retention), JDG_RESETTABLE}, \
	{"max_history", INT8OID, FIELD(max_history), JDG_RESETTABLE}, \
	{"description", TEXTOID, FIELD(description), JDG_RESETTABLE}, \
	{"metadata", JSONBOID, FIELD(metadata), JDG_RESETTABLE}

static const JdgArg create_args[] = {
	TENANT_ARGS
};

static const JdgArg alter_args[] = {
	TENANT_ARGS,
	{"reset", TEXTARRAYOID, FIELD(reset)},
};

/* are "per" or "burst" given where there is no rate? */
#define RATE_IS_LACKING \
	"rate IS NULL AND (per IS NOT NULL OR burst IS NOT NULL), " \
	"enqueue_rate IS NULL AND " \
	"(enqueue_per IS NOT NULL OR enqueue_burst IS NOT NULL)"

#define RATE_LACKS 17
#define ENQUEUE_RATE_LACKS 18

static JdgQuery create_query = {
	"INSERT INTO jadugar_internal.tenant (name, owner, weight, "
	"max_concurrency, rate, per, burst, max_priority, max_tasks, "
	"enqueue_rate, enqueue_per, enqueue_burst, history, retention, "
	"max_history, description, metadata, created_at) "
	"VALUES ($name, $owner, coalesce($weight, 1), "
	"$max_concurrency, $rate, $per, $burst, $max_priority, $max_tasks, "
	"$enqueue_rate, $enqueue_per, $enqueue_burst, "
	"coalesce($history, 'all'), $retention, "
	"$max_history, $description, $metadata, $created_at) "
	"ON CONFLICT (name) DO NOTHING "
	"RETURNING " JDG_TENANT_COLUMNS ", " RATE_IS_LACKING,
	.config = true
};

/* $reset: names of options that go back to their defaults */
#define CHANGED(column, at_first) \
	column " = CASE WHEN '" column "' = ANY ($reset) THEN " at_first " " \
	"ELSE coalesce($" column ", " column ") END, "

/* what belongs to a rate goes with it, unless it is given */
#define CHANGED_WITH(rate, column) \
	column " = CASE WHEN '" column "' = ANY ($reset) THEN NULL " \
	"WHEN '" rate "' = ANY ($reset) THEN $" column " " \
	"ELSE coalesce($" column ", " column ") END, "

static JdgQuery alter_query = {
	"UPDATE jadugar_internal.tenant SET "
	CHANGED("weight", "1")
	CHANGED("max_concurrency", "NULL")
	CHANGED("rate", "NULL")
	CHANGED_WITH("rate", "per")
	CHANGED_WITH("rate", "burst")
	CHANGED("max_priority", "NULL")
	CHANGED("max_tasks", "NULL")
	CHANGED("enqueue_rate", "NULL")
	CHANGED_WITH("enqueue_rate", "enqueue_per")
	CHANGED_WITH("enqueue_rate", "enqueue_burst")
	CHANGED("history", "'all'")
	CHANGED("retention", "NULL")
	CHANGED("max_history", "NULL")
	CHANGED("description", "NULL")
	CHANGED("metadata", "NULL")
	"name = name WHERE name = $name "
	"RETURNING " JDG_TENANT_COLUMNS ", " RATE_IS_LACKING,
	.config = true
};

/* hint: what to do instead, or NULL */
static void
check_at_least_1(const char *what, int64 value, const char *hint)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be at least 1", what),
				 errdetail("The value is %lld.", (long long) value),
				 hint ? errhint("%s", hint) : 0));
}

static const char *const pause_hint =
"To stop the work of a tenant, use jadugar.pause_tenant().";

/* Checks what the arguments say each by itself. */
static void
check_options(const TenantArgs *a)
{
	const struct
	{
		const char *name;
		const int32 *value;
		const char *hint;
	}			numbers[] = {
		{"weight", a->weight, pause_hint},
		{"max_concurrency", a->max_concurrency, pause_hint},
		{"rate", a->rate, pause_hint},
		{"burst", a->burst},
		{"enqueue_rate", a->enqueue_rate, pause_hint},
		{"enqueue_burst", a->enqueue_burst},
	};

	for (int i = 0; i < lengthof(numbers); i++)
	{
		if (numbers[i].value)
			check_at_least_1(numbers[i].name, *numbers[i].value,
							 numbers[i].hint);
	}
	if (a->max_tasks)
		check_at_least_1("max_tasks", *a->max_tasks, pause_hint);
	if (a->max_history)
		check_at_least_1("max_history", *a->max_history,
						 "To keep no history, use history => 'none'.");
	if (a->per)
		jdg_check_interval("per", a->per, false);
	if (a->enqueue_per)
		jdg_check_interval("enqueue_per", a->enqueue_per, false);
	if (a->retention)
		jdg_check_interval("retention", a->retention, false);
	jdg_check_description(a->description);
	jdg_check_metadata(a->metadata);
}

/* Binds the options that create_tenant() and alter_tenant() share. */
static void
bind_options(JdgParams *p, const TenantArgs *a)
{
	jdg_bind_text(p, "name", a->name);
	jdg_bind_int32_or_null(p, "weight", a->weight);
	jdg_bind_int32_or_null(p, "max_concurrency", a->max_concurrency);
	jdg_bind_int32_or_null(p, "rate", a->rate);
	jdg_bind_interval(p, "per", a->per);
	jdg_bind_int32_or_null(p, "burst", a->burst);
	jdg_bind_int32_or_null(p, "max_priority", a->max_priority);
	jdg_bind_int64_or_null(p, "max_tasks", a->max_tasks);
	jdg_bind_int32_or_null(p, "enqueue_rate", a->enqueue_rate);
	jdg_bind_interval(p, "enqueue_per", a->enqueue_per);
	jdg_bind_int32_or_null(p, "enqueue_burst", a->enqueue_burst);
	jdg_bind_text(p, "history", a->history ? history_words[*a->history] : NULL);
	jdg_bind_interval(p, "retention", a->retention);
	jdg_bind_int64_or_null(p, "max_history", a->max_history);
	jdg_bind_text(p, "description", a->description);
	jdg_bind_jsonb(p, "metadata", a->metadata);
}

/* Reads and checks the row that a query returns. */
static void
take_row(JdgTenant *tenant)
{
	jdg_tenant_read(0, tenant);
	jdg_rate_check_given("rate", jdg_col_bool(0, RATE_LACKS));
	jdg_rate_check_given("enqueue_rate", jdg_col_bool(0, ENQUEUE_RATE_LACKS));
	jdg_tenant_check(tenant);
}

static void
raise_exists(const char *name)
{
	JdgTenant	tenant;
	bool		dropping = jdg_tenant_by_name(name, &tenant) && tenant.dropping;

	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("tenant \"%s\" already exists", name),
			 dropping ? errdetail("It is being dropped.") : 0,
			 dropping ? errhint("Call jadugar.drop_tenant() again if that was interrupted.") :
			 errhint("Change it with jadugar.alter_tenant(), or choose another name.")));
}

/* create_tenant(name, ...) returns its id */
JDG_FUNCTION(jdg_create_tenant, JDG_LEVEL_OPERATOR)
{
	TenantArgs	a;
	JdgTenant	tenant;
	JdgParams	p = {0};
	Oid			user = GetUserId();
	JdgInternal in;

	JDG_READ_ARGS("create_tenant", create_args, &a);
	jdg_check_tenant("name", a.name);
	check_options(&a);
	bind_options(&p, &a);
	jdg_bind_oid(&p, "owner", user);
	jdg_bind_time(&p, "created_at", jdg_now());

	jdg_internal_begin(&in);
	jdg_remember_role(user);
	if (jdg_run_params(&create_query, &p, 0) != 1)
		raise_exists(a.name);
	take_row(&tenant);
	jdg_tenant_need_quota(&tenant);
	jdg_relane_request();
	jdg_audit("create_tenant", "tenant", a.name, user);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_INT32(tenant.tenant_id);
}

/* alter_tenant(name, ..., reset) */
JDG_FUNCTION(jdg_alter_tenant, JDG_LEVEL_OPERATOR)
{
	TenantArgs	a;
	JdgTenant	tenant;
	bool		reset[lengthof(alter_args)] = {0};
	JdgParams	p = {0};
	JdgInternal in;

	JDG_READ_ARGS("alter_tenant", alter_args, &a);
	check_options(&a);
	if (a.reset)
		jdg_args_reset(fcinfo, alter_args, lengthof(alter_args), a.reset,
					   reset);
	else
		a.reset = construct_empty_array(TEXTOID);
	bind_options(&p, &a);
	jdg_bind(&p, "reset", TEXTARRAYOID, PointerGetDatum(a.reset), false);

	jdg_internal_begin(&in);
	if (jdg_run_params(&alter_query, &p, 0) != 1)
		jdg_tenant_missing(a.name);
	take_row(&tenant);
	jdg_tenant_need_quota(&tenant);
	jdg_audit("alter_tenant", "tenant", a.name, tenant.owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
