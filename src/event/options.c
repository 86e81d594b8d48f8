/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options of a subscription, see options.h.
 *
 * Runs in the caller's process, as the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/errors.h"
#include "base/interval.h"
#include "event/options.h"
#include "event/subscription.h"
#include "event/versions.h"
#include "handler/command.h"
#include "handler/handler.h"
#include "handler/parse.h"
#include "handler/privileges.h"
#include "queue/queue.h"
#include "task/prepare.h"
#include "task/retry.h"

#define PATTERNS_MAX	100
#define KEYS_MAX		1000

const char *const jdg_on_failure_words[] = {
	"park_key", "park", "block", NULL
};

static const JdgOnFailure on_failure_codes[] = {
	JDG_ON_FAILURE_PARK_KEY, JDG_ON_FAILURE_PARK, JDG_ON_FAILURE_BLOCK
};

const char *const jdg_delivery_words[] = {"inline", "task", "fetch", NULL};

static const JdgDeliveryKind delivery_codes[] = {
	JDG_DELIVERY_INLINE, JDG_DELIVERY_TASK, JDG_DELIVERY_FETCH
};

static const char leave_out_hint[] =
"Leave it out, or name it in \"reset\" of jadugar.alter_subscription().";

static bool
is_delivery(const JdgSubscriptionOptions *o, JdgDeliveryKind kind)
{
	return (o->delivery ? delivery_codes[*o->delivery] :
			JDG_DELIVERY_INLINE) == kind;
}

int
jdg_delivery_word(char letter)
{
	int			word = 0;

	while (delivery_codes[word] != (JdgDeliveryKind) letter)
		word++;
	return word;
}

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

/*
 * Raises VALIDATION_ERROR for an array with NULL, too many elements or none,
 * with a hint for the last case.
 */
static Datum *
read_texts(const char *argument, ArrayType *array, int max, const char *hint,
		   int *n)
{
	Datum	   *elems;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  n);
	if (*n == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" must not be empty", argument),
				 errdetail("No event would be delivered."),
				 errhint("%s", hint)));
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
	Datum	   *elems = read_texts("types", types, PATTERNS_MAX,
								   "Name at least one type or pattern, for example '{order.*}'.",
								   &n);

	for (int i = 0; i < n; i++)
		jdg_event_type_check_pattern("types", TextDatumGetCString(elems[i]));
}

/* No event has another key. */
static void
check_keys(ArrayType *keys)
{
	int			n;
	Datum	   *elems = read_texts("keys", keys, KEYS_MAX, leave_out_hint,
								   &n);

	for (int i = 0; i < n; i++)
	{
		size_t		len = strlen(TextDatumGetCString(elems[i]));

		if (len == 0 || len > JDG_EVENT_KEY_MAX)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("keys must have between 1 and %d bytes",
							JDG_EVENT_KEY_MAX),
					 errdetail("Element %d has %zu bytes.", i + 1, len)));
	}
}

/* An empty object would leave out events without headers only. */
static void
check_headers(Jsonb *headers)
{
	if (!JB_ROOT_IS_OBJECT(headers))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("headers must be a JSON object")));
	if (JB_ROOT_COUNT(headers) == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"headers\" must not be empty"),
				 errhint("Name a header with its value, for example '{\"region\": \"eu\"}', or leave it out.")));
}

/* The ids of the topics as an array; 0 if none are given. */
static Datum
find_topics(ArrayType *topics)
{
	int			n;
	Datum	   *elems;

	if (topics == NULL)
		return (Datum) 0;
	elems = read_texts("topics", topics, PATTERNS_MAX, leave_out_hint, &n);
	for (int i = 0; i < n; i++)
	{
		JdgTopic	topic;

		jdg_topic_need(TextDatumGetCString(elems[i]), &topic);
		elems[i] = Int32GetDatum(topic.topic_id);
	}
	return jdg_array(INT4OID, elems, NULL, n);
}

/* Raises VALIDATION_ERROR for an option that a request cannot have. */
static void
check_http(const JdgSubscriptionOptions *o)
{
	const char *option = o->isolate && *o->isolate ? "isolate" :
	o->settings ? "settings" : NULL;

	if (option != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a subscription whose handler sends a request cannot have %s",
						option),
				 errdetail("The request runs outside any transaction and session."),
				 errhint("Leave %s out.", option)));
}

int64
jdg_subscription_command(const JdgSubscriptionOptions *o, Oid owner)
{
	JdgCommandKind of_events = o->batch ? JDG_COMMAND_EVENTS : JDG_COMMAND_EVENT;
	JdgCommandKind kind;
	ErrorData  *error;
	bool		standalone;
	JdgHandler *handler;
	bool		in_tasks = is_delivery(o, JDG_DELIVERY_TASK);

	if (is_delivery(o, JDG_DELIVERY_FETCH))
		return 0;
	jdg_command_classify(o->handler, of_events, &kind, &standalone, &error);
	if (kind == JDG_COMMAND_SQL && !standalone)
		return jdg_command_id(o->handler, of_events, false);
	handler = kind == JDG_COMMAND_SQL ? NULL :
		jdg_handler_get(o->handler, owner);
	if (handler == NULL && kind != JDG_COMMAND_SQL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("handler is neither valid SQL nor a registered handler"),
				 error ? errdetail("As SQL: %s.", error->message) : 0,
				 o->batch ?
				 errhint("Write SQL with an array of events as $1, for example 'SELECT app.on_order(e) FROM unnest($1) e'.") :
				 errhint("Write SQL with the event as $1, for example 'SELECT app.on_order($1)'."),
				 internalerrquery(o->handler),
				 internalerrposition(error ? error->cursorpos : 0)));
	if (!in_tasks && (handler == NULL || handler->standalone ||
					  handler->transaction == JDG_XACT_STANDALONE ||
					  handler->kind == JDG_HANDLER_HTTP))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("handler cannot run inside a transaction"),
				 errdetail("The effects of a handler and the position of its subscription are one commit."),
				 errhint("Pass delivery => 'task'.")));
	if (handler == NULL)
		return jdg_command_id(o->handler, JDG_COMMAND_SQL, true);
	if (handler->kind == JDG_HANDLER_HTTP)
		check_http(o);
	if (o->batch)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("batch requires a handler that is SQL"),
				 errdetail("Handler \"%s\" takes one event.", o->handler)));
	jdg_handler_require_privileges(handler, owner);
	return jdg_command_id(o->handler, JDG_COMMAND_HANDLER, false);
}

/* Raises VALIDATION_ERROR for an option of handlers. */
static void
check_fetched(const JdgSubscriptionOptions *o)
{
	const char *option = o->handler ? "handler" : o->batch ? "batch" :
	o->timeout ? "timeout" : o->isolate ? "isolate" :
	o->settings ? "settings" : o->queue ? "queue" :
	o->priority ? "priority" : NULL;

	if (option != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s cannot be combined with delivery => 'fetch'",
						option),
				 errdetail("Consumers outside the server handle the events."),
				 errhint("%s", leave_out_hint)));
}

void
jdg_subscription_check_delivery(const JdgSubscriptionOptions *o)
{
	if (is_delivery(o, JDG_DELIVERY_FETCH))
		check_fetched(o);
	else if (o->handler == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"handler\" must not be null"),
				 errhint("Pass delivery => 'fetch' if consumers outside the server handle the events.")));
	if (is_delivery(o, JDG_DELIVERY_TASK))
	{
		if (o->batch)
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("batch requires delivery => 'inline'"),
					 errdetail("Each event becomes a task of its own.")));
		return;
	}
	if (jdg_retry_fallback(o->retry) != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a fallback requires delivery => 'task'"),
				 errdetail("An event whose call has failed for good is set aside as a dead letter.")));
	if (o->queue || o->priority)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s requires delivery => 'task'",
						o->queue ? "queue" : "priority")));
}

void
jdg_subscription_check(const JdgSubscriptionOptions *o)
{
	if (o->types)
		check_types(o->types);
	if (o->shards)
		check_range("shards", *o->shards, 1, JDG_SHARDS_MAX);
	if (o->max_attempts)
		check_range("max_attempts", *o->max_attempts, 1, 1000000);
	if (o->batch)
		check_range("batch", *o->batch, 1, JDG_BATCH_MAX);
	if (o->keys)
		check_keys(o->keys);
	if (o->headers)
		check_headers(o->headers);
	if (o->filter)
		jdg_event_check_filter(o->filter);
	if (o->timeout)
		jdg_check_interval("timeout", o->timeout, false);
	jdg_retry_check(o->retry);
	if (o->settings)
		jdg_check_settings(o->settings);
	jdg_check_metadata(o->metadata);
	jdg_check_description(o->description);
	jdg_event_check_versions(o->versions);
}

void
jdg_subscription_bind(JdgParams *p, const JdgSubscriptionOptions *o, Oid owner)
{
	Datum		topics = find_topics(o->topics);
	JdgQueue	queue;

	if (o->queue)
		jdg_queue_for_role(o->queue, owner, &queue);
	jdg_bind_text(p, "name", o->name);
	jdg_bind(p, "types", TEXTARRAYOID, PointerGetDatum(o->types),
			 o->types == NULL);
	jdg_bind(p, "topics", INT4ARRAYOID, topics, o->topics == NULL);
	jdg_bind(p, "keys", TEXTARRAYOID, PointerGetDatum(o->keys),
			 o->keys == NULL);
	jdg_bind_jsonb(p, "headers", o->headers);
	jdg_bind(p, "filter", JSONPATHOID, PointerGetDatum(o->filter),
			 o->filter == NULL);
	jdg_bind_int32_or_null(p, "batch", o->batch);
	jdg_bind_char_or_null(p, "delivery",
						  o->delivery ? delivery_codes[*o->delivery] : 0);
	jdg_bind_char_or_null(p, "on_failure",
						  o->on_failure ? on_failure_codes[*o->on_failure] : 0);
	jdg_bind_int32_or_null(p, "max_attempts", o->max_attempts);
	jdg_bind_jsonb(p, "retry", o->retry);
	jdg_bind_interval(p, "timeout", o->timeout);
	jdg_bind_bool_or_null(p, "isolate", o->isolate);
	jdg_bind_jsonb(p, "settings", o->settings);
	jdg_bind_jsonb(p, "versions", o->versions);
	jdg_bind_int32_or_null(p, "queue_id", o->queue ? &queue.queue_id : NULL);
	jdg_bind_int32_or_null(p, "priority", o->priority);
	jdg_bind_bool_or_null(p, "enabled", o->enabled);
	jdg_bind_text(p, "description", o->description);
	jdg_bind_jsonb(p, "metadata", o->metadata);
}
