/*-------------------------------------------------------------------------
 *
 * subscription.c
 *	  Rows of jadugar_internal.subscription, see subscription.h.
 *
 * Runs in any process.  A process keeps the last subscriptions that it has
 * read until the configuration changes.  What an older epoch has kept lives on
 * until the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/happening.h"
#include "base/json.h"
#include "base/locks.h"
#include "base/spi.h"
#include "event/subscription.h"
#include "event/type.h"

#define MAX_KEPT 64

static JdgSubscription *kept[MAX_KEPT];
static int	nkept = 0;
static MemoryContext kept_context = NULL;
static uint64 kept_epoch = 0;

/* A column of type text[], in mcxt; NULL if it is null. */
static char **
col_texts(int col, int *n, MemoryContext mcxt)
{
	bool		isnull;
	Datum		d = jdg_col(0, col, &isnull);
	Datum	   *elems;
	bool	   *nulls;
	char	  **texts;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, n);
	texts = MemoryContextAlloc(mcxt, sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		texts[i] = MemoryContextStrdup(mcxt, TextDatumGetCString(elems[i]));
	return texts;
}

/* The same of type integer[]. */
static int32 *
col_int32s(int col, int *n, MemoryContext mcxt)
{
	bool		isnull;
	Datum		d = jdg_col(0, col, &isnull);
	Datum	   *elems;
	bool	   *nulls;
	int32	   *result;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(d), INT4OID, sizeof(int32), true,
					  TYPALIGN_INT, &elems, &nulls, n);
	result = MemoryContextAlloc(mcxt, sizeof(int32) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		result[i] = DatumGetInt32(elems[i]);
	return result;
}

/* Two columns of a snapshot; NULL if they are null. */
static JdgXidSet *
col_set(int col, MemoryContext mcxt)
{
	bool		isnull;
	Datum		xmax = jdg_col(0, col, &isnull);
	Datum		xip = jdg_col(0, col + 1, &isnull);
	MemoryContext old;
	JdgXidSet  *set;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(mcxt);
	set = jdg_xidset_read(xmax, xip);
	MemoryContextSwitchTo(old);
	return set;
}

/* Reads a subscription in the given context; NULL: it does not exist. */
static JdgSubscription *
read_subscription(int64 subscription_id, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT owner, name, types, topics, keys, headers, filter::text, "
		"command_id, batch, on_failure, max_attempts, retry, timeout, "
		"settings, versions, shards, enabled AND paused_at IS NULL, "
		"delivery, queue_id, priority, priority IS NOT NULL, replay, "
		"until_id, reshard_xmax, reshard_xip, isolate, isolate IS NOT NULL "
		"FROM jadugar_internal.subscription WHERE subscription_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(subscription_id)};
	JdgSubscription *s = NULL;
	JdgInternal in;

	jdg_internal_begin(&in);
	if (jdg_run_latest(&q, v, NULL) > 0)
	{
		char	   *filter = jdg_col_text(0, 7, mcxt);

		s = MemoryContextAllocZero(mcxt, sizeof(JdgSubscription));
		s->subscription_id = subscription_id;
		s->owner = jdg_col_oid(0, 1);
		s->name = jdg_col_text(0, 2, mcxt);
		s->types = col_texts(3, &s->ntypes, mcxt);
		s->topics = col_int32s(4, &s->ntopics, mcxt);
		s->keys = col_texts(5, &s->nkeys, mcxt);
		s->headers = jdg_col_jsonb(0, 6, mcxt);
		s->command_id = jdg_col_int64(0, 8, 0);
		s->batch = jdg_col_int32(0, 9, 0);
		s->on_failure = jdg_col_char(0, 10);
		s->max_attempts = jdg_col_int32(0, 11, 1);
		s->retry = jdg_col_jsonb(0, 12, mcxt);
		s->timeout = jdg_col_interval(0, 13, mcxt);
		s->settings = jdg_col_jsonb(0, 14, mcxt);
		s->versions = jdg_col_jsonb(0, 15, mcxt);
		s->shards = jdg_col_int32(0, 16, 1);
		s->active = jdg_col_bool(0, 17);
		s->delivery = jdg_col_char(0, 18);
		s->queue_id = jdg_col_int32(0, 19, 0);
		s->priority = jdg_col_int32(0, 20, 0);
		s->has_priority = jdg_col_bool(0, 21);
		s->replay = jdg_col_bool(0, 22);
		s->until_id = jdg_col_int64(0, 23, PG_INT64_MAX);
		s->reshard = col_set(24, mcxt);
		s->isolate = jdg_col_bool(0, 26);
		s->has_isolate = jdg_col_bool(0, 27);
		if (filter != NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(mcxt);

			s->filter = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in,
															  CStringGetDatum(filter)));
			MemoryContextSwitchTo(old);
		}
	}
	jdg_internal_end(&in);
	return s;
}

const JdgSubscription *
jdg_subscription_get(int64 subscription_id)
{
	uint64		epoch = jdg_config_epoch_latest();
	JdgSubscription *s;

	if (epoch == 0)
		return read_subscription(subscription_id, CurrentMemoryContext);
	if (epoch != kept_epoch || nkept == MAX_KEPT)
	{
		if (kept_context != NULL)
			MemoryContextSetParent(kept_context, TopTransactionContext);
		kept_context = AllocSetContextCreate(TopMemoryContext,
											 "jadugar subscriptions",
											 ALLOCSET_DEFAULT_SIZES);
		nkept = 0;
		kept_epoch = epoch;
	}
	for (int i = 0; i < nkept; i++)
	{
		if (kept[i]->subscription_id == subscription_id)
			return kept[i];
	}
	s = read_subscription(subscription_id, kept_context);
	if (s != NULL)
		kept[nkept++] = s;
	return s;
}

static bool
is_one_of(char **texts, int n, const char *text)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(texts[i], text) == 0)
			return true;
	}
	return false;
}

bool
jdg_subscription_wants(const JdgSubscription *s, const JdgEvent *e)
{
	bool		typed = false;

	for (int i = 0; i < s->ntypes && !typed; i++)
		typed = jdg_pattern_matches(s->types[i], e->type);
	if (!typed || e->event_id > s->until_id)
		return false;
	if (s->keys != NULL &&
		(e->key == NULL || !is_one_of(s->keys, s->nkeys, e->key)))
		return false;
	return s->headers == NULL ||
		(e->headers != NULL &&
		 DatumGetBool(DirectFunctionCall2(jsonb_contains,
										  JsonbPGetDatum(e->headers),
										  JsonbPGetDatum(s->headers))));
}

bool
jdg_subscription_settled(int64 subscription_id, bool wait)
{
	uint32		object = (uint32) subscription_id;

	if (wait)
		jdg_lock_xact_shared(JDG_LOCK_SUBSCRIPTION, object);
	else if (!jdg_try_lock_xact_shared(JDG_LOCK_SUBSCRIPTION, object))
		return false;
	AcceptInvalidationMessages();
	return true;
}

bool
jdg_subscription_is_current(const JdgSubscription *s)
{
	return jdg_subscription_get(s->subscription_id) == s;
}

bool
jdg_subscription_is_quiet(const JdgSubscription *s)
{
	for (int i = 0; s->topics != NULL && i < s->ntopics; i++)
	{
		if (s->topics[i] == JDG_TOPIC_JADUGAR)
			return true;
	}
	return false;
}

/* what a filter looks at, see jdg_event_passes() */
static const char *const filter_fields[] = {"type", "key", "headers", "data"};

/* Raises VALIDATION_ERROR for a field that a filter does not see. */
static void
check_field(JsonPathItem *key)
{
	int32		len;
	char	   *field = jspGetString(key, &len);

	for (int i = 0; i < lengthof(filter_fields); i++)
	{
		if (strcmp(field, filter_fields[i]) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized field \"%s\" in argument \"filter\"",
					jdg_excerpt(field)),
			 errdetail("A filter sees the fields type, key, headers and data."),
			 errhint("Write a field of the data as $.data.%s.",
					 jdg_excerpt(field))));
}

/* Checks the field behind each $ of a filter, wherever it stands. */
static void
check_fields(JsonPathItem *item)
{
	JsonPathItem other;

	check_stack_depth();
	switch (item->type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiStartsWith:
			jspGetLeftArg(item, &other);
			check_fields(&other);
			jspGetRightArg(item, &other);
			check_fields(&other);
			break;
		case jpiNot:
		case jpiIsUnknown:
		case jpiPlus:
		case jpiMinus:
		case jpiFilter:
		case jpiExists:
			jspGetArg(item, &other);
			check_fields(&other);
			break;
		case jpiLikeRegex:
			jspInitByBuffer(&other, item->base, item->content.like_regex.expr);
			check_fields(&other);
			break;
		default:
			break;
	}
	if (!jspGetNext(item, &other))
		return;
	if (item->type == jpiRoot && other.type == jpiKey)
		check_field(&other);
	check_fields(&other);
}

void
jdg_event_check_filter(JsonPath *filter)
{
	JsonPathItem item;

	jspInit(&item, filter);
	check_fields(&item);
	switch (item.type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiNot:
		case jpiIsUnknown:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiExists:
		case jpiStartsWith:
		case jpiLikeRegex:
			if (!jspHasNext(&item))
				return;
			break;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("filter must be a predicate"),
			 errdetail("The filter is %s, which is neither true nor false.",
					   DatumGetCString(DirectFunctionCall1(jsonpath_out,
														   PointerGetDatum(filter)))),
			 errhint("Compare a field, for example '$.data.total > 100', or write exists(...).")));
}

/* The filter looks at {"type", "key", "headers", "data"}. */
bool
jdg_event_passes(JsonPath *filter, const JdgEvent *e)
{
	JsonbParseState *st = NULL;

	LOCAL_FCINFO(fcinfo, 4);
	Datum		d;

	if (filter == NULL)
		return true;
	jdg_json_begin(&st);
	jdg_json_text(&st, "type", e->type);
	jdg_json_text(&st, "key", e->key);
	jdg_json_jsonb(&st, "headers", e->headers);
	jdg_json_jsonb(&st, "data", e->data);
	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(jdg_json_finish(&st));
	fcinfo->args[1].value = PointerGetDatum(filter);
	fcinfo->args[2].value = JsonbPGetDatum(jdg_json_empty());
	fcinfo->args[3].value = BoolGetDatum(true);
	for (int i = 0; i < 4; i++)
		fcinfo->args[i].isnull = false;
	d = jsonb_path_match(fcinfo);
	return !fcinfo->isnull && DatumGetBool(d);
}
