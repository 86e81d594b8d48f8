/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  Changing subscriptions, see alter.h.
 *
 * Runs in the caller's process and transaction.  The worker that handles events
 * next goes by the new options.  Positions and events that were set aside stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/json.h"
#include "event/alter.h"
#include "event/cursor.h"
#include "event/lifecycle.h"
#include "event/reshard.h"
#include "event/subscribed.h"
#include "event/subscription.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/wakeup.h"

static const JdgArg option_args[] = {
	JDG_SUBSCRIPTION_WHICH_ARGS(JDG_OPTIONAL),
	JDG_SUBSCRIPTION_HOW_ARGS,
};

/* $reset: names of options that go back to their defaults, or NULL */
#define OR_NULL(column, option) \
	column " = CASE WHEN '" option "' = ANY ($reset) THEN NULL " \
	"ELSE coalesce($" column ", " column ") END, "
#define OR_DEFAULT(column, value) \
	column " = CASE WHEN '" column "' = ANY ($reset) THEN " value " " \
	"ELSE coalesce($" column ", " column ") END, "

static JdgQuery alter_query = {
	"UPDATE jadugar_internal.subscription SET "
	OR_NULL("topics", "topics") OR_NULL("keys", "keys")
	OR_NULL("headers", "headers") OR_NULL("filter", "filter")
	OR_NULL("batch", "batch") OR_DEFAULT("delivery", "'i'")
	OR_DEFAULT("on_failure", "'k'") OR_DEFAULT("max_attempts", "10")
	OR_NULL("retry", "retry") OR_NULL("timeout", "timeout")
	OR_NULL("isolate", "isolate")
	OR_NULL("settings", "settings") OR_NULL("versions", "versions")
	OR_NULL("queue_id", "queue") OR_NULL("priority", "priority")
	OR_DEFAULT("enabled", "true") OR_NULL("description", "description")
	OR_NULL("metadata", "metadata")
	"types = coalesce($types, types), "
	"command_id = CASE WHEN $fetched THEN NULL "
	"ELSE coalesce($command_id, command_id) END, "
	"name = coalesce($new_name, name) "
	"WHERE subscription_id = $subscription_id AND $name IS NOT NULL",
	.config = true
};

/* a subscription as it is; pointers are NULL for null */
typedef struct Present
{
	char	   *handler;
	int32		batch;			/* 0: none */
	char		delivery;
	bool		has_queue;
	bool		has_priority;
	bool		replay;
	bool		has_settings;
	bool		has_isolate;
	Interval   *timeout;
} Present;

/* Reads and locks it.  Returns its id; 0: it does not exist. */
static int64
lock(const char *name, Oid owner, bool missing_ok, Present *present)
{
	static JdgQuery q = {
		"SELECT m.text, s.batch, s.delivery, s.queue_id IS NOT NULL, "
		"s.priority IS NOT NULL, s.settings IS NOT NULL, s.timeout, s.replay, "
		"s.isolate IS NOT NULL "
		"FROM jadugar_internal.subscription s "
		"LEFT JOIN jadugar_internal.command m ON m.command_id = s.command_id "
		"WHERE s.subscription_id = $1", 1, {INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	JdgInternal in;
	Datum		v[1];
	int64		id;

	jdg_internal_begin(&in);
	id = jdg_subscription_find(name, owner, missing_ok);
	if (id != 0)
	{
		jdg_subscription_lock(id);
		v[0] = Int64GetDatum(id);
		jdg_run_latest(&q, v, NULL);
		present->handler = jdg_col_text(0, 1, mcxt);
		present->batch = jdg_col_int32(0, 2, 0);
		present->delivery = jdg_col_char(0, 3);
		present->has_queue = jdg_col_bool(0, 4);
		present->has_priority = jdg_col_bool(0, 5);
		present->has_settings = jdg_col_bool(0, 6);
		present->timeout = jdg_col_interval(0, 7, mcxt);
		present->replay = jdg_col_bool(0, 8);
		present->has_isolate = jdg_col_bool(0, 9);
	}
	jdg_internal_end(&in);
	return id;
}

static void
raise_name_taken(const char *name)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("subscription \"%s\" already exists", name),
			 errhint("Choose another name.")));
}

/* Raises CONFLICT if the owner has another subscription of the new name. */
static void
check_new_name(const char *name, Oid owner, int64 id)
{
	static JdgQuery q = {
		"SELECT FROM jadugar_internal.subscription "
		"WHERE owner = $1 AND name = $2 AND subscription_id <> $3",
		3, {OIDOID, TEXTOID, INT8OID}
	};
	Datum		v[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name),
	Int64GetDatum(id)};

	if (jdg_run_latest(&q, v, NULL) > 0)
		raise_name_taken(name);
}

/*
 * Changes the row.  Another session may have taken the new name in a
 * transaction that this has waited for.
 */
static void
change_row(JdgParams *p, const char *new_name)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		jdg_run_params(&alter_query, p, 0);
	}
	PG_CATCH();
	{
		jdg_discard_duplicate(mcxt);
		raise_name_taken(new_name);
	}
	PG_END_TRY();
}

static bool
is_reset(ArrayType *reset, const char *name)
{
	Datum	   *names;
	int			n = 0;

	if (reset != NULL)
		deconstruct_array(reset, TEXTOID, -1, false, TYPALIGN_INT, &names,
						  NULL, &n);
	while (n > 0 && strcmp(TextDatumGetCString(names[n - 1]), name) != 0)
		n--;
	return n > 0;
}

/*
 * The options that depend on one another, as they will be.  "*changed": the
 * command does not stay as it is.
 */
static JdgSubscriptionOptions
merge(const JdgSubscriptionOptions *o, ArrayType *reset, Present *present,
	  bool *changed)
{
	static int	delivery;
	JdgSubscriptionOptions m = *o;
	bool		resets_batch = is_reset(reset, "batch");
	bool		resets_delivery = is_reset(reset, "delivery");

	*changed = o->handler || o->batch || o->delivery || resets_batch ||
		resets_delivery;
	if (o->handler == NULL && !is_reset(reset, "handler"))
		m.handler = present->handler;
	if (o->batch == NULL && present->batch != 0 && !resets_batch)
		m.batch = &present->batch;
	if (o->delivery == NULL && !resets_delivery)
	{
		delivery = jdg_delivery_word(present->delivery);
		m.delivery = &delivery;
	}
	if (o->timeout == NULL && !is_reset(reset, "timeout"))
		m.timeout = present->timeout;
	if (o->queue == NULL && present->has_queue && !is_reset(reset, "queue"))
		m.queue = "";
	if (o->priority == NULL && present->has_priority &&
		!is_reset(reset, "priority"))
		m.priority = &present->batch;
	if (o->settings == NULL && present->has_settings &&
		!is_reset(reset, "settings"))
		m.settings = jdg_json_empty();
	if (o->isolate == NULL && present->has_isolate &&
		!is_reset(reset, "isolate"))
		m.isolate = &present->has_isolate;
	return m;
}

/* Leases end when the delivery changes. */
static void
end_leases(int64 id)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.event_cursor SET " JDG_CURSOR_NO_LEASE " "
		"WHERE subscription_id = $1 AND given IS NOT NULL", 1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(id)};

	jdg_run(&q, v, NULL, 0);
}

/* Changes the subscription, which is locked. */
static void
change(int64 id, const JdgSubscriptionOptions *o, Oid owner, ArrayType *reset,
	   const char *new_name, Present *present)
{
	JdgSubscriptionOptions merged;
	JdgParams	p = {0};
	JdgInternal in;
	bool		changed;
	int64		command_id = 0;

	merged = merge(o, reset, present, &changed);
	jdg_subscription_check_delivery(&merged);
	jdg_check_fallback(o->retry, owner);
	if (changed)
		command_id = jdg_subscription_command(&merged, owner);
	jdg_subscription_bind(&p, o, owner);
	jdg_bind_int64_or_null(&p, "command_id", command_id ? &command_id : NULL);
	jdg_bind_bool(&p, "fetched", changed && command_id == 0);
	jdg_bind_text(&p, "new_name", new_name);
	jdg_bind(&p, "reset", TEXTARRAYOID, PointerGetDatum(reset), reset == NULL);
	jdg_bind_int64(&p, "subscription_id", id);

	jdg_internal_begin(&in);
	if (new_name)
		check_new_name(new_name, owner, id);
	change_row(&p, new_name);
	jdg_lifecycle_subscribed(id, o->types || o->topics ||
							 is_reset(reset, "topics"));
	if (o->shards)
		jdg_reshard_begin(id, *o->shards);
	if ((merged.delivery ? *merged.delivery : 0) !=
		jdg_delivery_word(present->delivery))
		end_leases(id);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS | JDG_WAKE_SCHEDULES);
	jdg_internal_end(&in);
}

void
jdg_subscription_alter(const JdgSubscriptionOptions *o, Oid owner,
					   ArrayType *reset, const char *new_name)
{
	Present		present;
	int64		id = lock(o->name, owner, false, &present);

	if (o->shards && present.replay)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot change the number of shards of replay \"%s\"",
						o->name),
				 errhint("Begin another one with jadugar.replay().")));
	change(id, o, owner, reset, new_name, &present);
}

/* The names of the options that can be reset and are not given. */
static ArrayType *
others(const JdgSubscriptionOptions *o)
{
	Datum		names[lengthof(option_args)];
	int			n = 0;

	for (int i = 0; i < lengthof(option_args); i++)
	{
		const JdgArg *arg = &option_args[i];

		if (arg->rule == JDG_RESETTABLE &&
			*(void *const *) ((const char *) o + arg->offset) == NULL)
			names[n++] = CStringGetTextDatum(arg->name);
	}
	return DatumGetArrayTypeP(jdg_array(TEXTOID, names, NULL, n));
}

int64
jdg_subscription_replace(const JdgSubscriptionOptions *given, Oid owner)
{
	JdgSubscriptionOptions o = *given;
	int32		shards = 1;
	Present		present;
	int64		id = lock(o.name, owner, true, &present);

	if (id == 0)
		return 0;
	if (present.replay)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot replace replay \"%s\"", o.name),
				 errhint("Drop it first with jadugar.unsubscribe(), or choose another name.")));
	if (o.shards == NULL)
		o.shards = &shards;
	change(id, &o, owner, others(&o), NULL, &present);
	return id;
}
