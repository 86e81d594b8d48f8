/*-------------------------------------------------------------------------
 *
 * current.c
 *	  The event that a handler of a subscription handles, see current.h.
 *
 * Runs in workers.  A task keeps its event in a column that no function of
 * ours changes, so that neither update_task() nor metadata can name another
 * cause for what the task publishes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/json.h"
#include "base/spi.h"
#include "event/current.h"

/* fields of task.event */
#define EVENT_ID		"event_id"
#define HOPS			"hops"
#define SUBSCRIPTION_ID	"subscription_id"
#define SUBSCRIPTION	"subscription"
#define SHARD			"shard"
#define REPLAY			"replay"
#define WHOLE			"info"

/* The correlation id of an event; a header that is null is none. */
static Jsonb *
correlation_id_of(const JdgEvent *e)
{
	Jsonb	   *id = jdg_json_get(e->headers, JDG_CORRELATION_ID);
	JsonbValue	v;

	if (id != NULL && JB_ROOT_IS_SCALAR(id) &&
		JsonbExtractScalar(&id->root, &v) && v.type == jbvNull)
		return NULL;
	return id;
}

/* Adds an event to those of a call. */
static void
add(JdgCurrentEvent *c, const JdgEvent *e, bool first)
{
	Jsonb	   *correlation_id = correlation_id_of(e);

	if (first)
	{
		c->event_id = e->event_id;
		c->correlation_id = correlation_id;
	}
	else if (c->correlation_id != NULL &&
			 (correlation_id == NULL ||
			  compareJsonbContainers(&c->correlation_id->root,
									 &correlation_id->root) != 0))
		c->correlation_id = NULL;
	c->hops = Max(c->hops, e->hops);
}

void
jdg_current_event_set(JdgCurrentEvent *c, const JdgSubscription *s,
					  int32 shard, int attempts, const JdgPending *p, int n)
{
	memset(c, 0, sizeof(*c));
	for (int i = 0; i < n; i++)
		add(c, &p[i].event, i == 0);
	c->subscription_id = s->subscription_id;
	c->subscription = s->name;
	c->shard = shard;
	c->attempt = attempts + 1;
	c->replay = s->replay;
	c->moves = s->delivery == JDG_DELIVERY_INLINE;
	c->event = &p->event;
	c->topic = &p->topic;
}

Jsonb *
jdg_current_event_keep(const JdgSubscription *s, const JdgEvent *e,
					   Jsonb *info)
{
	JsonbParseState *st = NULL;

	jdg_json_begin(&st);
	jdg_json_int64(&st, EVENT_ID, e->event_id);
	jdg_json_int64(&st, HOPS, e->hops);
	jdg_json_jsonb(&st, JDG_CORRELATION_ID, correlation_id_of(e));
	jdg_json_int64(&st, SUBSCRIPTION_ID, s->subscription_id);
	jdg_json_text(&st, SUBSCRIPTION, s->name);
	jdg_json_int64(&st, SHARD, e->slot % s->shards);
	if (s->replay)
		jdg_json_bool(&st, REPLAY, true);
	jdg_json_jsonb(&st, WHOLE, info);
	if (jdg_subscription_is_quiet(s))
		jdg_json_bool(&st, JDG_QUIET, true);
	return jdg_json_finish(&st);
}

const JdgCurrentEvent *
jdg_current_event_of_task(const JdgTask *t)
{
	static JdgCurrentEvent current;
	JdgCurrentEvent *c = &current;

	if (t->event == NULL || jdg_json_get_int64(t->event, EVENT_ID) == 0)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->event_id = jdg_json_get_int64(t->event, EVENT_ID);
	c->hops = (int) jdg_json_get_int64(t->event, HOPS);
	c->correlation_id = jdg_json_get(t->event, JDG_CORRELATION_ID);
	c->subscription_id = jdg_json_get_int64(t->event, SUBSCRIPTION_ID);
	c->subscription = jdg_json_get_text(t->event, SUBSCRIPTION);
	c->shard = (int32) jdg_json_get_int64(t->event, SHARD);
	c->attempt = t->attempt + 1;
	c->replay = jdg_json_get_bool(t->event, REPLAY);
	c->info = jdg_json_get(t->event, WHOLE);
	c->payload = t->payload;
	return c;
}

Datum
jdg_current_event_info(const JdgCurrentEvent *c)
{
	JsonbParseState *st = NULL;
	Jsonb	   *data;
	Datum		whole;

	if (c->event != NULL)
		return jdg_event_info(lookup_rowtype_tupdesc_copy(jdg_event_info_type(), -1),
							  c->event, c->topic, true);
	if (c->info == NULL)
		return jdg_event_of_payload(c->payload);
	jdg_json_begin(&st);
	jdg_json_jsonb(&st, "data", c->payload);
	data = jdg_json_finish(&st);
	whole = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(c->info),
								JsonbPGetDatum(data));
	return jdg_event_of_payload(DatumGetJsonbP(whole));
}

Datum
jdg_event_of_payload(Jsonb *payload)
{
	static JdgQuery q = {
		"SELECT jsonb_populate_record(NULL::jadugar.event_info, $1)", 1,
		{JSONBOID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[1] = {JsonbPGetDatum(payload)};
	Datum		event;
	JdgInternal in;
	bool		isnull;

	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 1);
	event = jdg_col(0, 1, &isnull);
	mcxt = MemoryContextSwitchTo(mcxt);
	event = datumCopy(event, false, -1);
	MemoryContextSwitchTo(mcxt);
	jdg_internal_end(&in);
	return event;
}

void
jdg_event_argument(const JdgSubscription *s, const JdgPending *p, int n,
				   Oid *type, Datum *value)
{
	Oid			info = jdg_event_info_type();
	TupleDesc	desc = lookup_rowtype_tupdesc(info, -1);
	Datum	   *rows = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		rows[i] = jdg_event_info(desc, &p[i].event, &p[i].topic, true);
	ReleaseTupleDesc(desc);
	*type = s->batch == 0 ? info : get_array_type(info);
	*value = s->batch == 0 ? rows[0] :
		PointerGetDatum(construct_array(rows, n, info, -1, false,
										TYPALIGN_DOUBLE));
}
