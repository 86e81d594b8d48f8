/*-------------------------------------------------------------------------
 *
 * subscription_funcs.c
 *	  subscribe(), unsubscribe(), pause_subscription(),
 *	  resume_subscription(), seek().
 *
 * Runs in the caller's process.  Arguments are checked as the caller, then
 * rows are written.  Functions that change a subscription lock its row, and
 * those that move it also its cursors: they wait for the transaction of a
 * worker that handles its events.  The scheduler makes the feeds when the
 * transaction has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonpath.h"

#include "access/access.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/params.h"
#include "event/subscribed.h"
#include "event/subscription.h"
#include "event/type.h"
#include "event/xidset.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "handler/parse.h"
#include "handler/privileges.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/prepare.h"
#include "task/retry.h"
#include "task/wakeup.h"

#define PATTERNS_MAX	100
#define KEYS_MAX		1000

static const char *const start_words[] = {"now", "beginning", NULL};

static const char *const on_failure_words[] = {
	"park_key", "park", "block", NULL
};

static const JdgOnFailure on_failure_codes[] = {
	JDG_ON_FAILURE_PARK_KEY, JDG_ON_FAILURE_PARK, JDG_ON_FAILURE_BLOCK
};

static const char *const delivery_words[] = {"inline", "task", NULL};

static const JdgDeliveryKind delivery_codes[] = {
	JDG_DELIVERY_INLINE, JDG_DELIVERY_TASK
};

static const char *const dead_words[] = {"restrict", "drop", NULL};

/* where a subscription begins */
typedef struct Start
{
	int			word;			/* in start_words: 0 now, 1 beginning */
	TimestampTz *time;
	int64	   *after;
} Start;

typedef struct SubscribeArgs
{
	char	   *name;
	ArrayType  *types;
	char	   *handler;
	ArrayType  *topics;
	ArrayType  *keys;
	Jsonb	   *headers;
	JsonPath   *filter;
	Start		start;
	int32		shards;
	int32	   *batch;
	int			delivery;		/* in delivery_words */
	int			on_failure;		/* in on_failure_words */
	int32		max_attempts;
	Jsonb	   *retry;
	Interval   *timeout;
	Jsonb	   *settings;
	Jsonb	   *versions;
	char	   *queue;
	int32	   *priority;
	bool		enabled;
	char	   *description;
	Jsonb	   *metadata;
	char	   *owner;
} SubscribeArgs;

#define FIELD(field) offsetof(SubscribeArgs, field)

static const JdgArg subscribe_args[] = {
	{"name", TEXTOID, FIELD(name), JDG_NEEDED},
	{"types", TEXTARRAYOID, FIELD(types), JDG_NEEDED},
	{"handler", TEXTOID, FIELD(handler), JDG_NEEDED},
	{"topics", TEXTARRAYOID, FIELD(topics)},
	{"keys", TEXTARRAYOID, FIELD(keys)},
	{"headers", JSONBOID, FIELD(headers)},
	{"filter", JSONPATHOID, FIELD(filter)},
	{"start", TEXTOID, FIELD(start.word), JDG_NEEDED, start_words},
	{"start_time", TIMESTAMPTZOID, FIELD(start.time)},
	{"start_after", INT8OID, FIELD(start.after)},
	{"shards", INT4OID, FIELD(shards), JDG_NEEDED},
	{"batch", INT4OID, FIELD(batch)},
	{"delivery", TEXTOID, FIELD(delivery), JDG_NEEDED, delivery_words},
	{"on_failure", TEXTOID, FIELD(on_failure), JDG_NEEDED, on_failure_words},
	{"max_attempts", INT4OID, FIELD(max_attempts), JDG_NEEDED},
	{"retry", JSONBOID, FIELD(retry)},
	{"timeout", INTERVALOID, FIELD(timeout)},
	{"settings", JSONBOID, FIELD(settings)},
	{"versions", JSONBOID, FIELD(versions)},
	{"queue", TEXTOID, FIELD(queue)},
	{"priority", INT4OID, FIELD(priority)},
	{"enabled", BOOLOID, FIELD(enabled), JDG_NEEDED},
	{"description", TEXTOID, FIELD(description)},
	{"metadata", JSONBOID, FIELD(metadata)},
	{"owner", TEXTOID, FIELD(owner)},
};

/* the other functions */
typedef struct NameArgs
{
	char	   *name;
	char	   *owner;
	Start		start;			/* seek() */
	int			dead_letters;	/* unsubscribe(): in dead_words */
} NameArgs;

static const JdgArg name_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg seek_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"start", TEXTOID, offsetof(NameArgs, start.word), JDG_NEEDED, start_words},
	{"start_time", TIMESTAMPTZOID, offsetof(NameArgs, start.time)},
	{"start_after", INT8OID, offsetof(NameArgs, start.after)},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static const JdgArg unsubscribe_args[] = {
	{"name", TEXTOID, offsetof(NameArgs, name), JDG_NEEDED},
	{"dead_letters", TEXTOID, offsetof(NameArgs, dead_letters), JDG_NEEDED,
	dead_words},
	{"owner", TEXTOID, offsetof(NameArgs, owner)},
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.subscription (owner, name, types, topics, "
	"keys, headers, filter, command_id, batch, delivery, on_failure, "
	"max_attempts, retry, timeout, settings, versions, queue_id, priority, "
	"shards, enabled, description, "
	"metadata, created_at) VALUES ($owner, $name, $types, $topics, $keys, "
	"$headers, $filter, $command_id, $batch, $delivery, $on_failure, "
	"$max_attempts, $retry, $timeout, $settings, $versions, $queue_id, "
	"$priority, $shards, $enabled, $description, "
	"$metadata, $now) ON CONFLICT (owner, name) DO NOTHING "
	"RETURNING subscription_id",
	.config = true
};

static JdgQuery cursor_query = {
	"INSERT INTO jadugar_internal.event_cursor (subscription_id, shard, "
	"base_xmax, base_xip, after_id) SELECT $subscription_id, s, $base_xmax, "
	"$base_xip, $after_id FROM generate_series(0, $shards - 1) s"
};

static JdgQuery seek_query = {
	"UPDATE jadugar_internal.event_cursor SET base_xmax = $base_xmax, "
	"base_xip = $base_xip, upto_xmax = NULL, upto_xip = NULL, "
	"after_id = $after_id, in_a_row = 0, retry_at = NULL, blocked_id = NULL, "
	"attempts = 0, error = NULL, charged = NULL "
	"WHERE subscription_id = $subscription_id"
};

/* Raises VALIDATION_ERROR for an integer out of its range. */
static void
check_range(const char *argument, int64 value, int64 min, int64 max)
{
	if (value < min || value > max)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must be between %lld and %lld", argument,
						(long long) min, (long long) max),
				 errdetail("The value is %lld.", (long long) value)));
}

/* Raises VALIDATION_ERROR for an array with NULL or too many elements. */
static Datum *
read_texts(const char *argument, ArrayType *array, int max, int *n)
{
	Datum	   *elems;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  n);
	if (*n > max)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("too many elements in argument \"%s\"", argument),
				 errdetail("It has %d. The maximum is %d.", *n, max)));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("argument \"%s\" must not contain null", argument),
					 errdetail("Element %d is null.", i + 1)));
	}
	return elems;
}

static void
check_types(ArrayType *types)
{
	int			n;
	Datum	   *elems = read_texts("types", types, PATTERNS_MAX, &n);

	if (n == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"types\" must not be empty"),
				 errhint("Name at least one type or pattern, for example '{order.*}'.")));
	for (int i = 0; i < n; i++)
		jdg_event_type_check_pattern("types", TextDatumGetCString(elems[i]));
}

/* The ids of the topics as an array; 0 if none are given. */
static Datum
find_topics(ArrayType *topics)
{
	int			n;
	Datum	   *elems;

	if (topics == NULL)
		return (Datum) 0;
	elems = read_texts("topics", topics, PATTERNS_MAX, &n);
	for (int i = 0; i < n; i++)
	{
		JdgTopic	topic;

		jdg_topic_need(TextDatumGetCString(elems[i]), &topic);
		elems[i] = Int32GetDatum(topic.topic_id);
	}
	return jdg_array(INT4OID, elems, NULL, n);
}

/* The command of the handler: SQL with $1, or the name of a handler. */
static int64
find_command(const SubscribeArgs *a, Oid owner)
{
	JdgCommandKind kind;
	ErrorData  *error;
	bool		standalone;
	JdgHandler *handler;
	bool		in_tasks = delivery_codes[a->delivery] == JDG_DELIVERY_TASK;

	jdg_command_classify(a->handler, &kind, &standalone, &error);
	if (kind == JDG_COMMAND_SQL && !standalone)
		return jdg_command_id(a->handler,
							  a->batch ? JDG_COMMAND_EVENTS : JDG_COMMAND_EVENT,
							  false);
	handler = kind == JDG_COMMAND_SQL ? NULL :
		jdg_handler_get(a->handler, owner);
	if (handler == NULL && kind != JDG_COMMAND_SQL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("handler is neither valid SQL nor a registered handler"),
				 error ? errdetail("As SQL: %s.", error->message) : 0,
				 errhint("Write SQL with the event as $1, for example 'SELECT app.on_order($1)'."),
				 internalerrquery(a->handler),
				 internalerrposition(error ? error->cursorpos : 0)));
	if (!in_tasks && (handler == NULL || handler->standalone ||
					  handler->transaction == JDG_XACT_STANDALONE))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("handler cannot run inside a transaction"),
				 errdetail("The effects of a handler and the position of its subscription are one commit."),
				 errhint("Pass delivery => 'task'.")));
	if (handler == NULL)
		return jdg_command_id(a->handler, JDG_COMMAND_SQL, true);
	if (a->batch)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("batch requires a handler that is SQL"),
				 errdetail("Handler \"%s\" takes one event.", a->handler)));
	jdg_handler_require_privileges(handler, owner);
	return jdg_command_id(a->handler, JDG_COMMAND_HANDLER, false);
}

/* Arguments that go with one kind of delivery only. */
static void
check_delivery(const SubscribeArgs *a)
{
	if (delivery_codes[a->delivery] == JDG_DELIVERY_TASK)
	{
		if (a->batch)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("batch requires delivery => 'inline'"),
					 errdetail("Each event becomes a task of its own.")));
		return;
	}
	if (a->queue || a->priority)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s requires delivery => 'task'",
						a->queue ? "queue" : "priority")));
}

/* Checks the arguments that need no lookup. */
static void
check_options(const SubscribeArgs *a)
{
	jdg_check_name("subscription", a->name);
	check_types(a->types);
	check_range("shards", a->shards, 1, JDG_SHARDS_MAX);
	check_range("max_attempts", a->max_attempts, 1, 1000000);
	if (a->batch)
		check_range("batch", *a->batch, 1, JDG_BATCH_MAX);
	if (a->keys)
	{
		int			n;

		(void) read_texts("keys", a->keys, KEYS_MAX, &n);
	}
	if (a->headers && !JB_ROOT_IS_OBJECT(a->headers))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("headers must be a JSON object")));
	if (a->timeout)
		jdg_check_interval("timeout", a->timeout, false);
	check_delivery(a);
	jdg_retry_check(a->retry);
	if (a->settings)
		jdg_check_settings(a->settings);
	jdg_check_metadata(a->metadata);
	jdg_check_description(a->description);
	if (a->versions && !JB_ROOT_IS_OBJECT(a->versions))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("versions must be a JSON object"),
				 errhint("Write, for example, '{\"order.created\": 1}'.")));
}

/*
 * Binds the position at which a subscription begins: after the transactions
 * that have ended now, or after an id of the log.
 */
static void
bind_start(JdgParams *p, const Start *start)
{
	JdgXidSet  *base = NULL;
	int64		after = 0;

	if ((start->time != NULL) + (start->after != NULL) + (start->word == 1) > 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("start, start_time and start_after cannot be combined"),
				 errhint("Pass one of them.")));
	if (start->after)
		after = Max(*start->after, 0);
	else if (start->time)
		after = jdg_event_before(*start->time);
	else if (start->word == 0)
		base = jdg_xidset_take();
	jdg_bind(p, "base_xmax", XID8OID, base ? jdg_xidset_xmax(base) : (Datum) 0,
			 base == NULL);
	jdg_bind(p, "base_xip", XID8ARRAYOID,
			 base ? jdg_xidset_xip(base) : (Datum) 0, base == NULL);
	jdg_bind_int64(p, "after_id", after);
}

/* subscribe(name, types, handler, ...) returns the id */
JDG_FUNCTION(jdg_subscribe, JDG_LEVEL_USER)
{
	SubscribeArgs a = {0};
	JdgParams	p = {0};
	JdgParams	c = {0};
	JdgInternal in;
	JdgQueue	queue;
	Oid			owner;
	Datum		topics;
	int64		id;

	jdg_require_shmem();
	JDG_READ_ARGS("subscribe", subscribe_args, &a);
	check_options(&a);
	owner = jdg_resolve_owner(a.owner);
	topics = find_topics(a.topics);
	if (a.queue)
		jdg_queue_for_role(a.queue, owner, &queue);
	bind_start(&c, &a.start);
	jdg_bind_oid(&p, "owner", owner);
	jdg_bind_text(&p, "name", a.name);
	jdg_bind(&p, "types", TEXTARRAYOID, PointerGetDatum(a.types), false);
	jdg_bind(&p, "topics", INT4ARRAYOID, topics, a.topics == NULL);
	jdg_bind(&p, "keys", TEXTARRAYOID, PointerGetDatum(a.keys), a.keys == NULL);
	jdg_bind_jsonb(&p, "headers", a.headers);
	jdg_bind(&p, "filter", JSONPATHOID, PointerGetDatum(a.filter),
			 a.filter == NULL);
	jdg_bind_int64(&p, "command_id", find_command(&a, owner));
	jdg_bind_int32_or_null(&p, "batch", a.batch);
	jdg_bind_char(&p, "delivery", delivery_codes[a.delivery]);
	jdg_bind_int32_or_null(&p, "queue_id", a.queue ? &queue.queue_id : NULL);
	jdg_bind_int32_or_null(&p, "priority", a.priority);
	jdg_bind_char(&p, "on_failure", on_failure_codes[a.on_failure]);
	jdg_bind_int32(&p, "max_attempts", a.max_attempts);
	jdg_bind_jsonb(&p, "retry", a.retry);
	jdg_bind_interval(&p, "timeout", a.timeout);
	jdg_bind_jsonb(&p, "settings", a.settings);
	jdg_bind_jsonb(&p, "versions", a.versions);
	jdg_bind_int32(&p, "shards", a.shards);
	jdg_bind_bool(&p, "enabled", a.enabled);
	jdg_bind_text(&p, "description", a.description);
	jdg_bind_jsonb(&p, "metadata", a.metadata);
	jdg_bind_time(&p, "now", jdg_now());

	jdg_internal_begin(&in);
	if (jdg_run_params(&insert_query, &p, 0) != 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" already exists", a.name),
				 errhint("Drop it first with jadugar.unsubscribe(), or choose another name.")));
	id = jdg_col_int64(0, 1, 0);
	jdg_bind_int64(&c, "subscription_id", id);
	jdg_bind_int32(&c, "shards", a.shards);
	jdg_run_params(&cursor_query, &c, 0);
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS | JDG_WAKE_SCHEDULES);
	jdg_internal_end(&in);
	PG_RETURN_INT64(id);
}

/* unsubscribe(name, dead_letters, owner) */
JDG_FUNCTION(jdg_unsubscribe, JDG_LEVEL_USER)
{
	static JdgQuery count = {
		"SELECT count(*) FROM jadugar_internal.parked "
		"WHERE subscription_id = $1", 1, {INT8OID}
	};
	static JdgQuery drops[] = {
		{"DELETE FROM jadugar_internal.event_cursor WHERE subscription_id = $1",
		1, {INT8OID}},
		{"DELETE FROM jadugar_internal.parked WHERE subscription_id = $1",
		1, {INT8OID}},
		{"DELETE FROM jadugar_internal.subscription WHERE subscription_id = $1",
		1, {INT8OID},.config = true},
	};
	NameArgs	a = {0};
	JdgInternal in;
	Oid			owner;
	int64		id;
	Datum		v[1];

	JDG_READ_ARGS("unsubscribe", unsubscribe_args, &a);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	id = jdg_subscription_find(a.name, owner, true);
	v[0] = Int64GetDatum(id);
	if (id != 0)
	{
		jdg_subscription_lock(id);
		jdg_run(&count, v, NULL, 1);
		if (a.dead_letters == 0 && jdg_col_int64(0, 1, 0) > 0)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("cannot drop subscription \"%s\" because it has set events aside",
							a.name),
					 errdetail("Their number is %lld.",
							   (long long) jdg_col_int64(0, 1, 0)),
					 errhint("Pass dead_letters => 'drop' to give them up.")));
		for (int i = 0; i < lengthof(drops); i++)
			jdg_run(&drops[i], v, NULL, 0);
		jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	}
	jdg_internal_end(&in);
	PG_RETURN_BOOL(id != 0);
}

/* Pauses or resumes; returns whether that changed something. */
static bool
set_paused(FunctionCallInfo fcinfo, const char *function, bool paused)
{
	static JdgQuery pause = {
		"UPDATE jadugar_internal.subscription SET paused_at = $2, "
		"paused_by = $3 WHERE subscription_id = $1 AND paused_at IS NULL",
		3, {INT8OID, TIMESTAMPTZOID, NAMEOID},
		.config = true
	};
	static JdgQuery resume = {
		"UPDATE jadugar_internal.subscription SET paused_at = NULL, "
		"paused_by = NULL WHERE subscription_id = $1 AND paused_at IS NOT NULL",
		1, {INT8OID},
		.config = true
	};
	NameArgs	a = {0};
	JdgInternal in;
	Datum		v[3];
	NameData	user;
	Oid			owner;
	bool		changed;

	JDG_READ_ARGS(function, name_args, &a);
	namestrcpy(&user, GetUserNameFromId(GetUserId(), false));
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	v[0] = Int64GetDatum(jdg_subscription_find(a.name, owner, false));
	v[1] = TimestampTzGetDatum(jdg_now());
	v[2] = NameGetDatum(&user);
	changed = jdg_run(paused ? &pause : &resume, v, NULL, 0) > 0;
	jdg_wake_scheduler_at_commit(JDG_WAKE_EVENTS);
	jdg_internal_end(&in);
	return changed;
}

/* pause_subscription(name, owner) */
JDG_FUNCTION(jdg_pause_subscription, JDG_LEVEL_USER)
{
	PG_RETURN_BOOL(set_paused(fcinfo, "pause_subscription", true));
}

/* resume_subscription(name, owner) */
JDG_FUNCTION(jdg_resume_subscription, JDG_LEVEL_USER)
{
	PG_RETURN_BOOL(set_paused(fcinfo, "resume_subscription", false));
}

/* seek(name, start, ...) */
JDG_FUNCTION(jdg_seek, JDG_LEVEL_USER)
{
	static JdgQuery active = {
		"SELECT enabled AND paused_at IS NULL FROM jadugar_internal.subscription "
		"WHERE subscription_id = $1", 1, {INT8OID}
	};
	NameArgs	a = {0};
	JdgParams	p = {0};
	JdgInternal in;
	Oid			owner;
	int64		id;
	Datum		v[1];

	JDG_READ_ARGS("seek", seek_args, &a);
	bind_start(&p, &a.start);
	owner = jdg_owner_of_call(a.owner);
	jdg_internal_begin(&in);
	id = jdg_subscription_find(a.name, owner, false);
	jdg_subscription_lock(id);
	v[0] = Int64GetDatum(id);
	jdg_run(&active, v, NULL, 1);
	if (jdg_col_bool(0, 1))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("subscription \"%s\" is not paused", a.name),
				 errhint("Pause it first with jadugar.pause_subscription().")));
	jdg_bind_int64(&p, "subscription_id", id);
	jdg_run_params(&seek_query, &p, 0);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
