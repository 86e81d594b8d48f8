/*-------------------------------------------------------------------------
 *
 * message_funcs.c
 *	  SQL functions send(), actor_state() and reset_actor(), and those that
 *	  the command of a message calls: _actor_load(), _actor_store().
 *
 * A message is a task of the actor's owner.  Its command loads the state, which
 * locks the row of the key, calls the function, and stores the new state.  All
 * of that, the effects of the function and the end of the task are one commit.
 * The functions check that the task is such a message, because its
 * concurrency_key is what keeps two messages of a key apart.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/audit.h"
#include "access/owner.h"
#include "access/row_access.h"
#include "actor/actor.h"
#include "actor/state.h"
#include "actor/stop.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/spi.h"
#include "exec/exec.h"
#include "exec/tenant.h"
#include "handler/function.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "task/enqueue.h"
#include "task/prepare.h"
#include "task/room.h"
#include "task/tenant_quota.h"
#include "task/unique.h"
#include "task/wakeup.h"

typedef struct SendArgs
{
	char	   *actor;
	char	   *key;
	Jsonb	   *message;
	Interval   *delay;
	int32	   *priority;
	char	   *unique_key;
	Jsonb	   *state;
} SendArgs;

#define FIELD(field) offsetof(SendArgs, field)

static const JdgArg send_args[] = {
	{"actor", TEXTOID, FIELD(actor), JDG_NEEDED},
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
	{"message", JSONBOID, FIELD(message), JDG_NEEDED},
	{"delay", INTERVALOID, FIELD(delay)},
	{"priority", INT4OID, FIELD(priority)},
	{"unique_key", TEXTOID, FIELD(unique_key)},
};

static const JdgArg state_args[] = {
	{"actor", TEXTOID, FIELD(actor), JDG_NEEDED},
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
};

static const JdgArg reset_args[] = {
	{"actor", TEXTOID, FIELD(actor), JDG_NEEDED},
	{"key", TEXTOID, FIELD(key), JDG_NEEDED},
	{"state", JSONBOID, FIELD(state)},
};

static const JdgArg load_args[] = {
	{"payload", JSONBOID, 0, JDG_NEEDED},
};

/* the message whose state this process has loaded last; and that state */
static int64 loaded_task = 0;
static TimestampTz loaded_registered;

static void
check_names(const SendArgs *a)
{
	jdg_actor_check_name(a->actor);
	jdg_actor_check_key(a->key);
}

/*
 * Raises FORBIDDEN unless the role may send: owner, members, operators, and
 * roles that may enqueue into the actor's own queue.  That of all roles gives
 * no right.
 */
static void
check_may_send(const JdgActor *actor, Oid role)
{
	JdgQueue	queue;

	if (jdg_may_manage(role, actor->owner))
		return;
	if (actor->queue_id != 0 && actor->queue_id != JDG_DEFAULT_QUEUE &&
		jdg_queue_by_id(actor->queue_id, &queue) && jdg_queue_usable(&queue, role))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied to send to actor \"%s\"", actor->name),
			 errdetail("It belongs to role \"%s\".", jdg_role_name(actor->owner)),
			 errhint("The owner can register the actor with a queue of its own, and grant that queue with jadugar.grant_queue().")));
}

/* The SQL that handles a message; its payload is $1. */
static char *
command_of(const JdgActor *actor)
{
	char	   *name = pstrdup(actor->function);
	char	   *paren = strrchr(name, '(');

	if (paren)
		*paren = '\0';
	return psprintf("SELECT r.reply FROM %s(jadugar._actor_load($1), $1->'message') r, "
					"LATERAL jadugar._actor_store($1, r.state)", name);
}

/*
 * The payload of a message.  That of a confined sender names the tenant: the
 * message may find the key in use by another one.
 */
static Jsonb *
payload_of(const SendArgs *a, const char *tenant)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "actor", a->actor);
	jdg_json_text(&st, "key", a->key);
	jdg_json_jsonb(&st, "message", a->message);
	if (jdg_confined(GetUserId()) != NULL)
		jdg_json_text(&st, "tenant", tenant);
	return jdg_json_finish(&st);
}

/* The fields of the task of a message, but for its id. */
static void
prepare_message(const SendArgs *a, const JdgActor *actor, JdgTask *t, JdgQueue *queue)
{
	JdgTaskOptions o = {0};
	JdgQueue	own;

	o.command = command_of(actor);
	o.priority = a->priority;
	o.retry = actor->retry;
	o.concurrency_key = jdg_actor_concurrency_key(a->actor, a->key);
	o.tenant = jdg_tenant_of_call(NULL);
	o.payload = payload_of(a, o.tenant);
	if (actor->queue_id != 0)
	{
		if (!jdg_queue_use_by_id(actor->queue_id, &own))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_NOT_FOUND),
					 errmsg("the queue of actor \"%s\" does not exist", a->actor),
					 errhint("Register the actor again with or_replace => true and another queue.")));
		o.queue = own.name;
	}
	jdg_task_prepare(&o, actor->owner, jdg_task_max_attempts, t, queue, NULL);
	jdg_tenant_quota_check(t->tenant, 1);
	t->created_at = t->run_at = jdg_now();
	if (a->delay)
		t->run_at = jdg_time_after(t->run_at, jdg_check_interval("delay", a->delay, true));
	t->on_dependency_failure = JDG_FAILURE_CANCEL;
	if (a->unique_key)
		t->unique_key = psprintf(JDG_ACTOR_KEY_PREFIX "%s/%s", a->actor, a->unique_key);
	jdg_check_key("unique_key", t->unique_key);
}

/* send(actor, key, message, delay, priority, unique_key) */
JDG_FUNCTION(jdg_send, JDG_LEVEL_USER)
{
	SendArgs	a = {0};
	JdgActor	actor;
	JdgTask		t = {0};
	JdgQueue	queue;
	JdgInternal in;
	MemoryContext mcxt = CurrentMemoryContext;
	int64		id = 0;

	jdg_require_shmem();
	JDG_READ_ARGS("send", send_args, &a);
	check_names(&a);
	jdg_actor_lock_use(a.actor);
	jdg_internal_begin(&in);
	jdg_actor_read(a.actor, &actor, mcxt);
	jdg_internal_end(&in);
	check_may_send(&actor, GetUserId());
	jdg_require_may_work(actor.owner);
	prepare_message(&a, &actor, &t, &queue);
	t.task_id = jdg_task_next_id();

	jdg_internal_begin(&in);
	jdg_actor_check_key_tenant(&actor, a.key, t.tenant);
	if (t.unique_key)
		id = jdg_unique_key_take(&t, DT_NOBEGIN);
	if (id != 0)
		jdg_unique_key_check(&t, id, false);
	else
	{
		jdg_room_make(&queue, 1);
		t.state = jdg_state_without_dependencies(&t);
		jdg_task_insert(&t);
		jdg_wake_at_commit(t.owner, &t);
		jdg_count_enqueued(1);
		id = t.task_id;
	}
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}

/* actor_state(actor, key) */
JDG_FUNCTION(jdg_actor_state, JDG_LEVEL_USER_READS)
{
	static JdgQuery q = {
		"SELECT s.state, s.tenant FROM jadugar_internal.actor_state s "
		"WHERE s.actor = $1 AND s.key = $2", 2, {TEXTOID, TEXTOID}
	};
	SendArgs	a = {0};
	JdgActor	actor;
	Jsonb	   *state = NULL;
	char	   *tenant = NULL;
	JdgInternal in;
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[2];

	JDG_READ_ARGS("actor_state", state_args, &a);
	check_names(&a);
	v[0] = CStringGetTextDatum(a.actor);
	v[1] = CStringGetTextDatum(a.key);
	jdg_internal_begin(&in);
	jdg_actor_state_flush();
	jdg_actor_read(a.actor, &actor, CurrentMemoryContext);
	if (jdg_run(&q, v, NULL, 1) > 0)
	{
		state = jdg_col_jsonb(0, 1, mcxt);
		tenant = jdg_col_text(0, 2, mcxt);
	}
	jdg_internal_end(&in);
	if (jdg_row_access(GetUserId(), actor.owner, tenant) != JDG_ROW_WHOLE)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for actor \"%s\"", a.actor),
				 errhint("Its owner, members of that role and operators can read its state.")));
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(state);
}

/* reset_actor(actor, key, state) */
JDG_FUNCTION(jdg_reset_actor, JDG_LEVEL_USER)
{
	SendArgs	a = {0};
	JdgActor	actor;
	JdgInternal in;
	char	   *tenant;

	jdg_require_shmem();
	JDG_READ_ARGS("reset_actor", reset_args, &a);
	check_names(&a);
	tenant = jdg_tenant_of_call(NULL);
	jdg_actor_lock_use(a.actor);
	jdg_internal_begin(&in);
	jdg_actor_read(a.actor, &actor, CurrentMemoryContext);
	if (!jdg_may_manage_row(in.save_user, actor.owner, tenant))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to reset actor \"%s\"", a.actor),
				 errdetail("It belongs to role \"%s\".", jdg_role_name(actor.owner)),
				 errhint("An actor can be reset by its owner and by operators.")));
	jdg_actor_state_reset(&actor, a.key, tenant, a.state);
	jdg_actor_check_key_tenant(&actor, a.key, tenant);
	(void) jdg_actor_release(actor.owner, jdg_actor_concurrency_key(a.actor, a.key),
							 0, in.save_user);
	jdg_audit_detail("reset_actor", "actor", a.actor, actor.owner,
					 psprintf("key \"%s\"", jdg_excerpt(a.key)), NULL);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/*
 * Is the task that this process runs a message with this payload?  Raises
 * CONFLICT if not.  Reads actor and key.
 */
static void
read_message(const char *function, Jsonb *payload, SendArgs *a)
{
	const JdgCurrentTask *t = jdg_current_task;

	a->actor = jdg_json_get_text(payload, "actor");
	a->key = jdg_json_get_text(payload, "key");
	if (t != NULL && t->task_id != 0 && !t->is_call && t->concurrency_key != NULL &&
		a->actor != NULL && a->key != NULL && t->owner == GetUserId() &&
		strcmp(t->concurrency_key, jdg_actor_concurrency_key(a->actor, a->key)) == 0)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("jadugar.%s() can be called only by the command of a message",
					function),
			 errhint("Send messages with jadugar.send(). Read a state with jadugar.actor_state().")));
}

/* Discards a message of a confined sender to a key of another tenant. */
static void
check_tenant(Jsonb *payload, const char *of)
{
	const char *own = jdg_json_get_text(payload, "tenant");

	if (own == NULL || jdg_actor_is_of_tenant(of, own))
		return;
	jdg_current_task->discard_reason = "another tenant uses the key";
	ereport(ERROR,
			(errcode(JDG_ERRCODE_DISCARD),
			 errmsg("the message was discarded: another tenant uses the key")));
}

/* _actor_load(payload) */
JDG_FUNCTION(jdg_actor_load, JDG_LEVEL_USER)
{
	Jsonb	   *payload = NULL;
	SendArgs	a = {0};
	JdgInternal in;
	JdgActorState loaded;
	Jsonb	   *copy;

	JDG_READ_ARGS("_actor_load", load_args, &payload);
	read_message("_actor_load", payload, &a);
	jdg_actor_lock_use(a.actor);
	jdg_internal_begin(&in);
	jdg_actor_state_load(a.actor, a.key, jdg_current_task->tenant,
						 in.save_user, &loaded);
	check_tenant(payload, loaded.tenant);
	copy = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, VARSIZE(loaded.state));
	memcpy(copy, loaded.state, VARSIZE(loaded.state));
	jdg_internal_end(&in);
	loaded_task = jdg_current_task->task_id;
	loaded_registered = loaded.registered;
	PG_RETURN_JSONB_P(copy);
}

/* _actor_store(payload, state) */
JDG_FUNCTION(jdg_actor_store, JDG_LEVEL_USER)
{
	SendArgs	a = {0};
	JdgActorState of = {0};
	JdgInternal in;

	if (PG_ARGISNULL(0))
		jdg_null_argument("payload", "_actor_store");
	read_message("_actor_store", PG_GETARG_JSONB_P(0), &a);
	if (loaded_task != jdg_current_task->task_id)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("the message has not loaded the state that it stores"),
				 errhint("Send messages with jadugar.send().")));
	loaded_task = 0;
	of.tenant = jdg_current_task->tenant;
	of.registered = loaded_registered;
	jdg_internal_begin(&in);
	jdg_actor_state_store(a.actor, a.key, &of, jdg_arg_jsonb(fcinfo, 1));
	JDG_FAULT("actor-stored");
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
