/*-------------------------------------------------------------------------
 *
 * read_funcs.c
 *	  SQL functions read_events() and get_event(), and the functions behind
 *	  the view events.
 *
 * Runs in the caller's process, with the caller's snapshot.  An event that the
 * caller may not see is passed over as if it did not exist.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonpath.h"
#include "utils/memutils.h"

#include "access/access.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/happening.h"
#include "event/convert.h"
#include "event/grant.h"
#include "event/leaf.h"
#include "event/read.h"
#include "event/subscription.h"
#include "event/versions.h"

#define PATTERNS_MAX 100

PG_FUNCTION_INFO_V1(jdg_v_event_access);
PG_FUNCTION_INFO_V1(jdg_v_event_topic);

typedef struct ReadArgs
{
	ArrayType  *types;
	ArrayType  *topics;
	char	   *key;
	JsonPath   *filter;
	TimestampTz *since;
	TimestampTz *until;
	int64	   *after_id;
	int32		max_rows;
	bool		newest_first;
	Jsonb	   *versions;
} ReadArgs;

#define FIELD(field) offsetof(ReadArgs, field)

static const JdgArg read_args[] = {
	{"types", TEXTARRAYOID, FIELD(types), JDG_NEEDED},
	{"topics", TEXTARRAYOID, FIELD(topics)},
	{"key", TEXTOID, FIELD(key)},
	{"filter", JSONPATHOID, FIELD(filter)},
	{"since", TIMESTAMPTZOID, FIELD(since)},
	{"until", TIMESTAMPTZOID, FIELD(until)},
	{"after_id", INT8OID, FIELD(after_id)},
	{"max_rows", INT4OID, FIELD(max_rows), JDG_NEEDED},
	{"newest_first", BOOLOID, FIELD(newest_first), JDG_NEEDED},
	{"versions", JSONBOID, FIELD(versions)},
};

static const JdgArg get_args[] = {
	{"event_id", INT8OID, 0, JDG_NEEDED},
};

/* a call of read_events() or get_event() */
typedef struct Reader
{
	ReadArgs	a;
	Oid			role;
	char	  **patterns;
	int			npatterns;
	TupleDesc	desc;
	int			rows;
	ReturnSetInfo *rsinfo;		/* of read_events() */
	Datum		result;			/* of get_event(); in mcxt */
	MemoryContext mcxt;
} Reader;

/* Elements of an array of text, none of them null. */
static char **
read_texts(const char *argument, ArrayType *array, int *n)
{
	Datum	   *elems;
	bool	   *nulls;
	char	  **texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  n);
	texts = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(JDG_ERRCODE_VALIDATION_ERROR),
					 errmsg("argument \"%s\" must not contain null", argument),
					 errdetail("Element %d is null.", i + 1)));
		texts[i] = TextDatumGetCString(elems[i]);
	}
	return texts;
}

static void
read_patterns(Reader *r)
{
	r->patterns = read_texts("types", r->a.types, &r->npatterns);
	if (r->npatterns > PATTERNS_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("too many patterns in argument \"types\""),
				 errdetail("It has %d. The maximum is %d.", r->npatterns,
						   PATTERNS_MAX)));
	for (int i = 0; i < r->npatterns; i++)
		jdg_event_type_check_pattern("types", r->patterns[i]);
}

/* Sets the topics of the range; without topics, all of them. */
static void
read_topics(Reader *r, JdgEventRange *range)
{
	char	  **names;
	int32	   *ids;

	if (r->a.topics == NULL)
		return;
	names = read_texts("topics", r->a.topics, &range->ntopics);
	ids = palloc(sizeof(int32) * Max(range->ntopics, 1));
	for (int i = 0; i < range->ntopics; i++)
	{
		JdgTopic	topic;

		jdg_topic_need(names[i], &topic);
		ids[i] = topic.topic_id;
	}
	range->topics = ids;
}

/* Puts the data into the version that the caller wants. */
static void
cast_data(const Reader *r, const JdgTopic *topic, JdgEvent *e)
{
	const JdgEventType *type = e->version > 0 ? jdg_event_type(e->type) : NULL;
	int			to;

	/* dropped, and perhaps registered again: it stays as it is */
	if (!jdg_event_type_covers(type, topic->topic_id, e->version,
							   e->published_at))
		return;
	to = jdg_event_version_wanted(r->a.versions, type);
	e->data = jdg_event_cast(type, e->version, to, e->data);
	e->version = to;
}

static bool
matches(const Reader *r, const JdgEvent *e)
{
	if (r->a.since && e->published_at < *r->a.since)
		return false;
	if (r->a.until && e->published_at >= *r->a.until)
		return false;
	for (int i = 0; i < r->npatterns; i++)
	{
		if (jdg_pattern_matches(r->patterns[i], e->type))
			return true;
	}
	return false;
}

/*
 * Adds an event to the result, if the caller may see it and asked for it.
 * False: the result is complete.
 */
static bool
take_event(Reader *r, JdgEvent *found, const JdgTopic *topic)
{
	JdgEvent	e = *found;
	JdgEventAccess access;
	MemoryContext old;
	Datum		row;

	CHECK_FOR_INTERRUPTS();
	if (r->rsinfo && !matches(r, &e))
		return true;
	access = jdg_event_access(r->role, topic, &e);
	if (access == JDG_EVENT_HIDDEN)
		return true;
	if (access == JDG_EVENT_WHOLE)
	{
		cast_data(r, topic, &e);
		if (!jdg_event_passes(r->a.filter, &e))
			return true;
	}
	else if (r->a.filter != NULL)
		return true;
	if (r->rsinfo)
	{
		HeapTupleHeader header;
		HeapTupleData tuple;

		row = jdg_event_info(r->desc, &e, topic, access == JDG_EVENT_WHOLE);
		/* it has just been made, so it is not toasted */
		header = (HeapTupleHeader) DatumGetPointer(row);
		tuple.t_len = HeapTupleHeaderGetDatumLength(header);
		tuple.t_data = header;
		tuplestore_puttuple(r->rsinfo->setResult, &tuple);
		return ++r->rows < r->a.max_rows;
	}
	old = MemoryContextSwitchTo(r->mcxt);
	r->result = jdg_event_info(r->desc, &e, topic, access == JDG_EVENT_WHOLE);
	MemoryContextSwitchTo(old);
	r->rows++;
	return false;
}

/* Reads the range until the result is complete. */
static void
read_range(Reader *r, const JdgEventRange *range)
{
	JdgEventScan *scan = jdg_events_open(range);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext,
											  "jadugar event",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);
	JdgEvent	e;
	JdgTopic	topic;

	while (jdg_events_next(scan, &e, &topic) && take_event(r, &e, &topic))
		MemoryContextReset(row);
	MemoryContextSwitchTo(old);
	jdg_events_close(scan);
	MemoryContextDelete(row);
}

/* read_events(types, topics, ...) */
JDG_FUNCTION(jdg_read_events, JDG_LEVEL_ANY)
{
	Reader		r = {0};
	JdgEventRange range = {.from = 1,.to = PG_INT64_MAX};

	jdg_init_materialized_srf(fcinfo, 0);
	JDG_READ_ARGS("read_events", read_args, &r.a);
	r.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	r.desc = r.rsinfo->setDesc;
	r.role = GetUserId();
	if (r.a.filter)
		jdg_event_check_filter(r.a.filter);
	if (r.a.max_rows < 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("max_rows must not be negative"),
				 errdetail("The value is %d.", r.a.max_rows)));
	jdg_event_check_versions(r.a.versions);
	read_patterns(&r);
	read_topics(&r, &range);
	range.key = r.a.key;
	range.newest_first = r.a.newest_first;
	if (r.a.after_id && r.a.newest_first)
		range.to = Max(*r.a.after_id, 1) - 1;
	else if (r.a.after_id)
		range.from = Min(Max(*r.a.after_id, 0), PG_INT64_MAX - 1) + 1;
	if (r.a.max_rows > 0)
		read_range(&r, &range);
	return (Datum) 0;
}

/* get_event(event_id) */
JDG_FUNCTION(jdg_get_event, JDG_LEVEL_ANY)
{
	Reader		r = {0};
	JdgEventRange range = {0};

	JDG_READ_ARGS("get_event", get_args, &range.from);
	if (get_call_result_type(fcinfo, NULL, &r.desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type of get_event() is not a row type");
	r.desc = BlessTupleDesc(r.desc);
	range.to = range.from;
	r.role = GetUserId();
	r.mcxt = CurrentMemoryContext;
	read_range(&r, &range);
	if (r.rows == 0)
		jdg_event_missing(range.from);
	return r.result;
}

/*
 * _v_event_access(leaf, type, publisher, version, published_at, tenant): for the
 * view events.  0: hidden; 1: without data and headers; 2: whole.
 */
Datum
jdg_v_event_access(PG_FUNCTION_ARGS)
{
	JdgEvent	e = {0};
	JdgTopic	topic;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		PG_ARGISNULL(3) || PG_ARGISNULL(4))
		PG_RETURN_INT32(JDG_EVENT_HIDDEN);
	e.type = text_to_cstring(PG_GETARG_TEXT_PP(1));
	e.publisher = PG_GETARG_OID(2);
	e.version = PG_GETARG_INT32(3);
	e.published_at = PG_GETARG_TIMESTAMPTZ(4);
	e.tenant = jdg_arg_text(fcinfo, 5);
	if (!jdg_has_access(GetUserId()) ||
		!jdg_leaf_topic(PG_GETARG_INT32(0), &topic))
		PG_RETURN_INT32(JDG_EVENT_HIDDEN);
	PG_RETURN_INT32(jdg_event_access(GetUserId(), &topic, &e));
}

/* _v_event_topic(leaf): name of the topic, for events that the caller sees */
Datum
jdg_v_event_topic(PG_FUNCTION_ARGS)
{
	JdgTopic	topic;

	if (!jdg_has_access(GetUserId()) ||
		!jdg_leaf_topic(PG_GETARG_INT32(0), &topic))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(topic.name));
}
