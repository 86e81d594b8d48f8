/*-------------------------------------------------------------------------
 *
 * publish_funcs.c
 *	  SQL functions publish(), raise_event() and publish_batch().
 *
 * Runs in the caller's process and transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "event/publish.h"
#include "shared/shmem.h"

/* limit of the events of a call */
#define BATCH_MAX 1000000

typedef struct PublishArgs
{
	char	   *type;
	Jsonb	   *data;
	char	   *key;
	Jsonb	   *headers;
	int32	   *version;
	char	   *topic;
	char	   *message_id;
	char	   *tenant;
	char	   *trace;
} PublishArgs;

#define FIELD(field) offsetof(PublishArgs, field)

static const JdgArg publish_args[] = {
	{"type", TEXTOID, FIELD(type), JDG_NEEDED},
	{"data", JSONBOID, FIELD(data), JDG_NEEDED},
	{"key", TEXTOID, FIELD(key)},
	{"headers", JSONBOID, FIELD(headers)},
	{"version", INT4OID, FIELD(version)},
	{"topic", TEXTOID, FIELD(topic)},
	{"message_id", TEXTOID, FIELD(message_id)},
	{"tenant", TEXTOID, FIELD(tenant)},
	{"trace", TEXTOID, FIELD(trace)},
};

static const JdgArg raise_args[] = {
	{"name", TEXTOID, FIELD(type), JDG_NEEDED},
	{"data", JSONBOID, FIELD(data), JDG_NEEDED},
};

typedef struct BatchArgs
{
	char	   *type;
	ArrayType  *data;
	ArrayType  *keys;
	ArrayType  *headers;
	ArrayType  *message_ids;
	int32	   *version;
	char	   *topic;
	char	   *tenant;
	char	   *trace;
} BatchArgs;

#define BATCH_FIELD(field) offsetof(BatchArgs, field)

static const JdgArg batch_args[] = {
	{"type", TEXTOID, BATCH_FIELD(type), JDG_NEEDED},
	{"data", JSONBARRAYOID, BATCH_FIELD(data), JDG_NEEDED},
	{"keys", TEXTARRAYOID, BATCH_FIELD(keys)},
	{"headers", JSONBARRAYOID, BATCH_FIELD(headers)},
	{"message_ids", TEXTARRAYOID, BATCH_FIELD(message_ids)},
	{"version", INT4OID, BATCH_FIELD(version)},
	{"topic", TEXTOID, BATCH_FIELD(topic)},
	{"tenant", TEXTOID, BATCH_FIELD(tenant)},
	{"trace", TEXTOID, BATCH_FIELD(trace)},
};

/* Raises VALIDATION_ERROR for a version below 1; NULL is 0. */
static int
version_of(const int32 *version)
{
	if (version == NULL)
		return 0;
	if (*version < 1)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("version must be at least 1"),
				 errdetail("The value is %d.", *version)));
	return *version;
}

/* Publishes one event, and returns its id. */
static int64
publish(const PublishArgs *a)
{
	JdgPublisher p = {0};
	JdgPublication event;
	int64		id;

	p.type = a->type;
	p.version = version_of(a->version);
	p.topic_name = a->topic;
	p.tenant = a->tenant;
	p.trace = a->trace;
	event.data = a->data;
	event.key = a->key;
	event.headers = a->headers;
	event.message_id = a->message_id;
	jdg_publish_begin(&p);
	jdg_publish_check(&p, &event);
	id = jdg_publish_add(&p, &event);
	jdg_publish_end(&p);
	return id;
}

/* publish(type, data, ...) */
JDG_FUNCTION(jdg_publish, JDG_LEVEL_USER)
{
	PublishArgs a = {0};

	jdg_require_shmem();
	JDG_READ_ARGS("publish", publish_args, &a);
	PG_RETURN_INT64(publish(&a));
}

/* raise_event(name, data) */
JDG_FUNCTION(jdg_raise_event, JDG_LEVEL_USER)
{
	PublishArgs a = {0};

	jdg_require_shmem();
	JDG_READ_ARGS("raise_event", raise_args, &a);
	jdg_event_type_check_name("name", a.type);
	PG_RETURN_INT64(publish(&a));
}

/* an array that has an element for each event */
typedef struct Elements
{
	Datum	   *value;			/* NULL: the array was not given */
	bool	   *isnull;
} Elements;

/* Raises VALIDATION_ERROR unless the array has n elements. */
static void
read_elements(const char *argument, ArrayType *array, Oid type, int n,
			  Elements *e)
{
	int			found;

	e->value = NULL;
	if (array == NULL)
		return;
	deconstruct_array(array, type, -1, false, TYPALIGN_INT, &e->value,
					  &e->isnull, &found);
	if (found != n)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("argument \"%s\" must have as many elements as \"data\"",
						argument),
				 errdetail("It has %d elements, \"data\" has %d.", found, n)));
}

static char *
text_element(const Elements *e, int i)
{
	return e->value == NULL || e->isnull[i] ? NULL :
		TextDatumGetCString(e->value[i]);
}

/* The events of the arrays. */
static JdgPublication *
read_batch(const BatchArgs *a, int *n)
{
	Datum	   *data;
	bool	   *nulls;
	Elements	keys;
	Elements	headers;
	Elements	message_ids;
	JdgPublication *events;

	deconstruct_array(a->data, JSONBOID, -1, false, TYPALIGN_INT, &data,
					  &nulls, n);
	if (*n > BATCH_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("too many events in one call"),
				 errdetail("The argument \"data\" has %d elements. The maximum is %d.",
						   *n, BATCH_MAX)));
	read_elements("keys", a->keys, TEXTOID, *n, &keys);
	read_elements("headers", a->headers, JSONBOID, *n, &headers);
	read_elements("message_ids", a->message_ids, TEXTOID, *n, &message_ids);
	events = palloc(sizeof(JdgPublication) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("data must not contain null"),
					 errdetail("Element %d is null.", i + 1)));
		events[i].data = DatumGetJsonbP(data[i]);
		events[i].key = text_element(&keys, i);
		events[i].headers = headers.value == NULL || headers.isnull[i] ? NULL :
			DatumGetJsonbP(headers.value[i]);
		events[i].message_id = text_element(&message_ids, i);
	}
	return events;
}

static void
add_element_context(void *arg)
{
	errcontext("element %d of argument \"data\"", *(int *) arg + 1);
}

/*
 * Checks all events.  What code of the type's owner leaves behind is freed
 * after each.
 */
static void
check_batch(JdgPublisher *p, JdgPublication *events, int n)
{
	MemoryContext check = AllocSetContextCreate(CurrentMemoryContext,
												"jadugar event check",
												ALLOCSET_DEFAULT_SIZES);
	ErrorContextCallback context;
	int			i;

	context.callback = add_element_context;
	context.arg = &i;
	context.previous = error_context_stack;
	error_context_stack = &context;
	for (i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(check);
		bool		key_given = events[i].key != NULL;

		CHECK_FOR_INTERRUPTS();
		jdg_publish_check(p, &events[i]);
		MemoryContextSwitchTo(old);
		if (!key_given && events[i].key != NULL)
			events[i].key = pstrdup(events[i].key);
		MemoryContextReset(check);
	}
	error_context_stack = context.previous;
	MemoryContextDelete(check);
}

/* publish_batch(type, data, ...) */
JDG_FUNCTION(jdg_publish_batch, JDG_LEVEL_USER)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	BatchArgs	a = {0};
	JdgPublisher p = {0};
	JdgPublication *events;
	int			n;

	jdg_require_shmem();
	jdg_init_materialized_srf(fcinfo, JDG_SRF_EXPECTED_DESC);
	JDG_READ_ARGS("publish_batch", batch_args, &a);
	p.type = a.type;
	p.version = version_of(a.version);
	p.topic_name = a.topic;
	p.tenant = a.tenant;
	p.trace = a.trace;
	events = read_batch(&a, &n);
	jdg_publish_begin(&p);
	check_batch(&p, events, n);
	for (int i = 0; i < n; i++)
	{
		Datum		id;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		id = Int64GetDatum(jdg_publish_add(&p, &events[i]));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &id, &isnull);
	}
	jdg_publish_end(&p);
	return (Datum) 0;
}
