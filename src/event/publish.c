/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  Publishing events, see publish.h.
 *
 * Runs in the caller's process and transaction: a rollback leaves nothing.
 * Rows go straight to the leaf.  There is nothing that publishers wait for
 * from one another, but for twins of a message_id.
 *
 * Locks: the leaf in RowExclusive mode, until the transaction ends (leaf.c);
 * rows of jadugar_internal.event_message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access/owner.h"
#include "access/row_access.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/settings.h"
#include "event/convert.h"
#include "event/current.h"
#include "event/grant.h"
#include "event/leaf.h"
#include "event/message.h"
#include "event/notice.h"
#include "event/publish.h"
#include "event/read.h"
#include "exec/exec.h"
#include "exec/tenant.h"

#define HEADERS_MAX			64
#define HEADERS_BYTES_MAX	8192

/* Finds the topic of the events, and checks that the name given agrees. */
static void
find_topic(JdgPublisher *p)
{
	const char *given = p->topic_name;

	if (p->registered == NULL)
	{
		if (given == NULL)
			(void) jdg_topic_by_id(JDG_TOPIC_DEFAULT, &p->topic);
		else
			jdg_topic_need(given, &p->topic);
		return;
	}
	if (!jdg_topic_by_id(p->registered->topic_id, &p->topic))
		elog(ERROR, "the topic of event type \"%s\" does not exist", p->type);
	if (given != NULL && strcmp(given, p->topic.name) != 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("event type \"%s\" belongs to topic \"%s\"", p->type,
						p->topic.name),
				 errdetail("The topic given is \"%s\".", jdg_excerpt(given)),
				 errhint("Leave topic out.")));
}

/* Raises an error if the topic does not take such events. */
static void
check_topic(const JdgPublisher *p)
{
	if (p->topic.topic_id == JDG_TOPIC_JADUGAR)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to publish in topic \"jadugar\""),
				 errdetail("Only jadugar itself publishes there."),
				 errhint("Leave topic out, or name another one.")));
	if (p->topic.topic_id == JDG_TOPIC_STREAMS)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("cannot publish in topic \"streams\""),
				 errdetail("It holds events of streams only."),
				 errhint("Leave topic out, or name another one.")));
	if (p->registered == NULL && p->topic.registered_only)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("event type \"%s\" is not registered", p->type),
				 errdetail("Topic \"%s\" takes registered types only.",
						   p->topic.name),
				 errhint("Register the type with jadugar.register_event_type().")));
	if (!jdg_event_may_publish(p->role, &p->topic, p->registered, p->type))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied to publish event type \"%s\" in topic \"%s\"",
						p->type, p->topic.name),
				 p->registered ?
				 errdetail("The type belongs to role \"%s\".",
						   jdg_role_name(p->registered->owner)) :
				 errdetail("The topic belongs to role \"%s\".",
						   jdg_role_name(p->topic.owner)),
				 errhint("The owner can allow it with jadugar.grant_event_type() or jadugar.grant_topic().")));
	if (p->topic.full)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_QUEUE_FULL),
				 errmsg("topic \"%s\" is full", p->topic.name),
				 errdetail("A subscription has max_backlog (%lld) events or more to come.",
						   (long long) p->topic.max_backlog),
				 errhint("Publish later. The owner of the topic finds the subscription in jadugar.topics, and can raise max_backlog with jadugar.alter_topic().")));
}

/* Sets the version; raises VALIDATION_ERROR if the type does not have it. */
static void
check_version(JdgPublisher *p)
{
	int			latest = p->registered ? p->registered->latest : 0;

	if (p->version < 0 || p->version > latest)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("event type \"%s\" has no version %d", p->type,
						p->version),
				 latest ? errdetail("Its latest version is %d.", latest) :
				 errdetail("The type is not registered."),
				 errhint("Leave version out to publish the latest.")));
	if (p->version == 0)
		p->version = latest;
}

/*
 * The event that is handled, if it has the tenant of the event to publish:
 * readers of one tenant do not see the ids of another one.  0: it has not.
 */
static int64
cause_for(const char *tenant)
{
	const char *label = jdg_current_task->tenant;

	if (tenant == NULL || label == NULL ? tenant != label :
		strcmp(tenant, label) != 0)
		return 0;
	return jdg_current_task->event->event_id;
}

/*
 * An event that a handler publishes follows from the one that it handles.
 * Raises VALIDATION_ERROR if too many have followed from one another.
 */
static void
find_cause(JdgPublisher *p)
{
	const JdgCurrentEvent *current = jdg_current_task ?
	jdg_current_task->event : NULL;
	JsonbParseState *st = NULL;

	p->cause = 0;
	p->hops = 0;
	p->inherited = NULL;
	if (current == NULL)
		return;
	p->cause = cause_for(p->tenant);
	p->hops = current->hops + 1;
	if (p->hops > jdg_event_max_hops)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("too many events have followed from one another"),
				 errdetail("Event type \"%s\" would be published with %d hops. The maximum is %d.",
						   p->type, p->hops, jdg_event_max_hops),
				 errhint("Look for handlers that publish in a loop, or raise jadugar.event_max_hops.")));
	if (current->correlation_id == NULL)
		return;
	jdg_json_begin(&st);
	jdg_json_jsonb(&st, JDG_CORRELATION_ID, current->correlation_id);
	p->inherited = jdg_json_finish(&st);
}

void
jdg_publish_begin(JdgPublisher *p)
{
	NameData	name;
	bool		can_login;

	jdg_event_type_check_name("type", p->type);
	p->tenant = jdg_tenant_of_call(p->tenant);
	jdg_check_key("trace", p->trace);
	p->role = GetUserId();
	p->registered = jdg_event_type(p->type);
	find_topic(p);
	check_topic(p);
	check_version(p);
	find_cause(p);
	/* adopt() finds the publisher by name */
	if (jdg_role_read(p->role, &name, &can_login))
		jdg_owner_record(p->role, &name);
	if (p->trace == NULL && jdg_current_task != NULL &&
		jdg_current_task->trace != NULL)
		p->trace = pstrdup(jdg_current_task->trace);
	p->rows = NULL;
}

static bool
are_too_large(const Jsonb *headers)
{
	return JB_ROOT_COUNT(headers) > HEADERS_MAX ||
		VARSIZE(headers) > HEADERS_BYTES_MAX;
}

/* Raises VALIDATION_ERROR for headers that are no small object. */
static void
check_headers(const Jsonb *headers)
{
	if (headers == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(headers))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("headers must be a JSON object")));
	if (are_too_large(headers))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("headers are too large"),
				 errdetail("They have %d keys and %d bytes. The maximum is %d keys and %d bytes.",
						   JB_ROOT_COUNT(headers), (int) VARSIZE(headers),
						   HEADERS_MAX, HEADERS_BYTES_MAX),
				 errhint("Put what belongs to the event into its data.")));
}

/* Raises VALIDATION_ERROR unless a key or a message id has 1 to 512 bytes. */
static void
check_text(const char *argument, const char *value)
{
	size_t		len = value ? strlen(value) : 1;

	if (len == 0 || len > JDG_EVENT_KEY_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s must have between 1 and %d bytes", argument,
						JDG_EVENT_KEY_MAX),
				 errdetail("The value has %zu bytes.", len)));
}

void
jdg_publish_check(JdgPublisher *p, JdgPublication *event)
{
	int64		size = VARSIZE(event->data);

	if (!JB_ROOT_IS_OBJECT(event->data))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("data of an event must be a JSON object"),
				 errhint("Write an object, for example '{\"order\": 42}'.")));
	if (size > (int64) jdg_max_event_size * 1024)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("data of an event is too large"),
				 errdetail("It has %lld bytes. The maximum is %lld bytes.",
						   (long long) size,
						   (long long) jdg_max_event_size * 1024),
				 errhint("Store it in a table and publish its key, or raise jadugar.max_event_size.")));
	check_headers(event->headers);
	check_text("message_id", event->message_id);
	if (p->registered)
	{
		jdg_event_check_data(p->registered, p->version, event->data);
		if (event->key == NULL)
			event->key = jdg_event_key_of(p->registered, event->data);
	}
	check_text("key", event->key);
}

/* Opens the leaf, and sets the columns that all events of the call have. */
static void
open_rows(JdgPublisher *p)
{
	JdgEvent   *e = &p->event;
	Oid			relid = jdg_leaf_for_write(&p->topic);

	memset(e, 0, sizeof(*e));
	e->xid = GetTopFullTransactionId();
	e->leaf = p->topic.leaf;
	e->published_at = jdg_now();
	e->publisher = p->role;
	e->version = p->version;
	e->cause = p->cause;
	e->hops = p->hops;
	e->type = unconstify(char *, p->type);
	e->tenant = p->tenant;
	e->trace = p->trace;
	p->rows = jdg_rows_open(relid, JDG_EVENT_COLUMNS);
	if (p->topic.max_backlog > 0)
		jdg_event_notice_limited();
}

/*
 * The headers of an event: those that were given come before inherited ones,
 * which are left out if there is no room for both.
 */
static Jsonb *
headers_of(const JdgPublisher *p, Jsonb *given)
{
	Jsonb	   *both;

	if (given == NULL || p->inherited == NULL)
		return given ? given : p->inherited;
	both = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(p->inherited),
											  JsonbPGetDatum(given)));
	return are_too_large(both) ? given : both;
}

/*
 * A confined publisher gets no id of an event of another tenant: its message
 * ids are unique across its tenants.
 */
static void
check_twin(const JdgPublisher *p, const char *message_id, int64 twin)
{
	JdgEvent	e;
	JdgTopic	topic;

	if (jdg_confined(p->role) == NULL)
		return;
	if (jdg_event_get(twin, 0, &e, &topic) &&
		jdg_row_access(p->role, e.publisher, e.tenant) != JDG_ROW_HIDDEN)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_CONFLICT),
			 errmsg("message_id \"%s\" is already in use", message_id),
			 errdetail("An event that you may not see has it."),
			 errhint("Begin the message ids of each tenant with its name.")));
}

int64
jdg_publish_add(JdgPublisher *p, const JdgPublication *event)
{
	JdgEvent   *e = &p->event;
	uint32		hash;
	int64		id;

	if (p->rows == NULL)
		open_rows(p);
	id = jdg_event_next_id();
	if (event->message_id)
	{
		int64		twin = jdg_message_take(p->role, event->message_id, id);

		if (twin != 0)
		{
			check_twin(p, event->message_id, twin);
			return twin;
		}
	}
	e->event_id = id;
	e->key = event->key;
	e->headers = headers_of(p, event->headers);
	e->data = event->data;
	/* events without a key are spread */
	hash = e->key ? hash_bytes((unsigned char *) e->key, strlen(e->key)) :
		hash_bytes_uint32((uint32) id);
	e->slot = (int32) (hash & 0x7fffffff);
	jdg_event_put(p->rows, e);
	jdg_event_notice(e->type, p->topic.topic_id);
	return id;
}

void
jdg_publish_end(JdgPublisher *p)
{
	if (p->rows != NULL)
		jdg_rows_close(p->rows);
	p->rows = NULL;
	JDG_FAULT("event-published");
}

/*
 * In a handler's call it follows from the event of that call, however many
 * have followed before.
 */
void
jdg_publish_own(const char *type, Oid role, const char *tenant,
				const char *key, Jsonb *data)
{
	const JdgCurrentEvent *current = jdg_current_task ?
	jdg_current_task->event : NULL;
	JdgPublisher p = {.type = type,.role = role,
	.tenant = unconstify(char *, tenant)};
	JdgPublication event = {.data = data,.key = unconstify(char *, key)};
	NameData	name;
	bool		can_login;

	if (!jdg_topic_by_id(JDG_TOPIC_JADUGAR, &p.topic))
		elog(ERROR, "topic \"jadugar\" does not exist");
	/* nobody has asked for one so far but the setting */
	if (p.topic.leaf == 0)
		return;
	if (jdg_role_read(role, &name, &can_login))
		jdg_owner_record(role, &name);
	if (current != NULL)
	{
		p.cause = cause_for(tenant);
		p.hops = Min(current->hops + 1, PG_INT16_MAX);
	}
	(void) jdg_publish_add(&p, &event);
	jdg_publish_end(&p);
}
