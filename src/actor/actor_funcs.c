/*-------------------------------------------------------------------------
 *
 * actor_funcs.c
 *	  SQL functions register_actor() and drop_actor().
 *
 * Runs in the caller's backend.  Both exclude the use of the actor until their
 * transaction ends: they wait for transactions that send to it or run one of
 * its messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "access/row_access.h"
#include "actor/actor.h"
#include "actor/messages.h"
#include "actor/state.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "handler/function.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "task/locktask.h"
#include "task/prepare.h"
#include "task/retry.h"
#include "task/settle.h"

static const char *const failure_words[] = {"skip", "stop", NULL};

/* there are no built-in actors */
static const char *const reserved[] = {NULL};

typedef struct RegisterArgs
{
	char	   *name;
	char	   *function;
	Jsonb	   *initial;
	char	   *queue;
	Jsonb	   *retry;
	int			on_failure;		/* in failure_words */
	Interval   *idle_ttl;
	bool		or_replace;
} RegisterArgs;

#define FIELD(field) offsetof(RegisterArgs, field)

static const JdgArg register_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"function", TEXTOID, FIELD(function), JDG_NEEDED},
	{"initial", JSONBOID, FIELD(initial), JDG_NEEDED},
	{"queue", TEXTOID, FIELD(queue)},
	{"retry", JSONBOID, FIELD(retry)},
	{"on_failure", TEXTOID, FIELD(on_failure), JDG_NEEDED, failure_words},
	{"idle_ttl", INTERVALOID, FIELD(idle_ttl)},
	{"or_replace", BOOLOID, FIELD(or_replace), JDG_NEEDED},
};

static const JdgArg drop_args[] = {
	{"actor", TEXTOID, 0, JDG_NEEDED},
};

static Oid
lookup_function(const char *given)
{
	const char *why;
	Oid			oid = jdg_function_lookup(given, &why);

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("function \"%s\" does not exist, or its name is not unique",
						jdg_excerpt(given)),
				 errhint("Write the schema, and the types of its arguments: schema.name(jsonb, jsonb).")));
	return oid;
}

/* Has it the arguments (state, message) and the results (state, reply)? */
static bool
has_shape(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			n = get_func_arg_info(tuple, &types, &names, &modes);

	if (proc->prokind != PROKIND_FUNCTION || proc->proretset || n != 3 ||
		modes == NULL || names == NULL)
		return false;
	return types[0] == JSONBOID && types[1] == JSONBOID &&
		types[2] == JSONBOID && modes[0] == PROARGMODE_INOUT &&
		modes[1] == PROARGMODE_IN && modes[2] == PROARGMODE_OUT &&
		strcmp(names[0], "state") == 0 && strcmp(names[2], "reply") == 0;
}

/* The signature of the function; raises an error unless it can be an actor. */
static char *
resolve_function(const char *given)
{
	Oid			oid = lookup_function(given);
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	fits = has_shape(tuple);
	ReleaseSysCache(tuple);
	if (!fits)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("function \"%s\" cannot be an actor", jdg_excerpt(given)),
				 errhint("Create it as FUNCTION name(INOUT state jsonb, message jsonb, OUT reply jsonb).")));
	if (!jdg_proc_acl_ok(oid, GetUserId()))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for function \"%s\"", jdg_excerpt(given)),
				 errhint("Its owner can allow it: GRANT EXECUTE ON FUNCTION %s TO %s.",
						 jdg_function_signature(oid),
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	return jdg_function_signature(oid);
}

/* May this registration take the place of an actor that is there? */
static void
check_replace(const RegisterArgs *a, const JdgActor *old, Oid user)
{
	if (!a->or_replace)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("actor \"%s\" already exists", a->name),
				 errhint("Pass or_replace => true to replace it, or choose another name: names of actors are unique in the database.")));
	if (!jdg_owns(user, old->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to replace actor \"%s\"", a->name),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(old->owner)),
				 errhint("Choose another name, or act as a member of that role.")));
	if (!jdg_may_replace(user, old->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to replace actor \"%s\"", a->name),
				 errdetail("It belongs to role \"%s\", which is not confined to your tenants.",
						   jdg_role_name(old->owner)),
				 errhint("Choose another name, or ask that role to replace it.")));
}

/* Inserts the actor, or changes it all but for its owner. */
static void
write_actor(const RegisterArgs *a, const char *function, int32 queue_id, Oid owner)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.actor AS t (name, owner, function, initial, "
		"queue_id, retry, on_failure, idle_ttl, created_at) "
		"VALUES ($name, $owner, $function, $initial, $queue_id, $retry, "
		"$on_failure, $idle_ttl, $now) ON CONFLICT (name) DO UPDATE SET "
		"function = excluded.function, initial = excluded.initial, "
		"queue_id = excluded.queue_id, retry = excluded.retry, "
		"on_failure = excluded.on_failure, idle_ttl = excluded.idle_ttl"
	};
	JdgParams	p = {0};

	jdg_bind_text(&p, "name", a->name);
	jdg_bind_oid(&p, "owner", owner);
	jdg_bind_text(&p, "function", function);
	jdg_bind_jsonb(&p, "initial", a->initial);
	jdg_bind_int32_or_null(&p, "queue_id", queue_id ? &queue_id : NULL);
	jdg_bind_jsonb(&p, "retry", a->retry);
	jdg_bind_text(&p, "on_failure", failure_words[a->on_failure]);
	jdg_bind_interval(&p, "idle_ttl", a->idle_ttl);
	jdg_bind_time(&p, "now", jdg_now());
	jdg_run_params(&q, &p, 0);
}

/* register_actor(name, function, ...) */
JDG_FUNCTION(jdg_register_actor, JDG_LEVEL_USER)
{
	RegisterArgs a = {0};
	Oid			owner;
	char	   *function;
	JdgQueue	queue = {0};
	JdgActor	old;
	JdgInternal in;

	jdg_require_shmem();
	JDG_READ_ARGS("register_actor", register_args, &a);
	jdg_actor_check_name(a.name);
	jdg_check_not_reserved("actor", a.name, reserved);
	jdg_retry_check(a.retry);
	if (a.idle_ttl)
		(void) jdg_check_interval("idle_ttl", a.idle_ttl, false);
	function = resolve_function(a.function);
	owner = jdg_resolve_owner(NULL);
	jdg_check_fallback(a.retry, owner);
	if (a.queue)
		jdg_queue_for_role(a.queue, owner, &queue);
	jdg_actor_lock_change(a.name);
	jdg_internal_begin(&in);
	if (jdg_actor_find(a.name, &old, CurrentMemoryContext))
	{
		check_replace(&a, &old, owner);
		owner = old.owner;
	}
	write_actor(&a, function, queue.queue_id, owner);
	jdg_audit("register_actor", "actor", a.name, owner);
	jdg_internal_end(&in);
	return CStringGetTextDatum(a.name);
}

/* Raises CONFLICT if a confined caller does not act on all keys of an actor. */
static void
refuse_hidden_keys(const JdgActor *actor)
{
	static JdgQuery q = {
		"SELECT s.tenant FROM jadugar_internal.actor_state s WHERE s.actor = $1 "
		"UNION SELECT t.tenant FROM jadugar_internal.task t WHERE t.owner = $2 "
		"AND t.concurrency_key IS NOT NULL "
		"AND starts_with(t.concurrency_key, $3)", 3, {TEXTOID, OIDOID, TEXTOID}
	};
	Datum		v[3] = {CStringGetTextDatum(actor->name),
		ObjectIdGetDatum(actor->owner),
	CStringGetTextDatum(jdg_actor_concurrency_key(actor->name, ""))};
	Oid			caller = jdg_section_caller();
	char	  **tenants;
	int64		n;

	if (jdg_confined(caller) == NULL)
		return;
	n = jdg_run_latest(&q, v, NULL);
	tenants = palloc(sizeof(char *) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
		tenants[i] = jdg_col_text(i, 1, CurrentMemoryContext);
	for (int64 i = 0; i < n; i++)
	{
		if (!jdg_may_manage_row(caller, actor->owner, tenants[i]))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("cannot drop actor \"%s\" because it is in use",
							actor->name),
					 errdetail("Some of its keys are of other tenants."),
					 errhint("Ask an operator to drop it.")));
	}
}

/* drop_actor(actor) */
JDG_FUNCTION(jdg_drop_actor, JDG_LEVEL_USER)
{
	static JdgQuery states = {
		"DELETE FROM jadugar_internal.actor_state s WHERE s.actor = $1", 1,
		{TEXTOID}
	};
	static JdgQuery actors = {
		"DELETE FROM jadugar_internal.actor a WHERE a.name = $1", 1, {TEXTOID}
	};
	char	   *name = NULL;
	JdgActor	actor;
	JdgInternal in;
	Datum		v[1];

	jdg_require_shmem();
	JDG_READ_ARGS("drop_actor", drop_args, &name);
	jdg_actor_check_name(name);
	v[0] = CStringGetTextDatum(name);
	jdg_actor_lock_change(name);
	jdg_internal_begin(&in);
	jdg_actor_read(name, &actor, CurrentMemoryContext);
	if (!jdg_may_manage(in.save_user, actor.owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to drop actor \"%s\"", name),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(actor.owner)),
				 errhint("An actor can be dropped by its owner and by operators.")));
	refuse_hidden_keys(&actor);
	jdg_messages_cancel(actor.name, actor.owner, in.save_user, NULL, NULL);
	jdg_run(&states, v, NULL, 0);
	jdg_run(&actors, v, NULL, 0);
	jdg_actor_state_dropped(name);
	jdg_audit("drop_actor", "actor", name, actor.owner);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
