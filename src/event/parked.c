/*-------------------------------------------------------------------------
 *
 * parked.c
 *	  Events that a subscription has set aside, see parked.h.
 *
 * Runs in workers, in the scheduler and in sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/params.h"
#include "event/parked.h"
#include "event/read.h"

#define ERRORS_MAX 5

#define PARKED_COLUMNS \
	"event_id, type, key, holds_key, state, attempts, next_at, errors"

static void
from_row(JdgParked *p, MemoryContext mcxt)
{
	p->event_id = jdg_col_int64(0, 1, 0);
	p->type = jdg_col_text(0, 2, mcxt);
	p->key = jdg_col_text(0, 3, mcxt);
	p->holds_key = jdg_col_bool(0, 4);
	p->state = jdg_col_char(0, 5);
	p->attempts = jdg_col_int32(0, 6, 0);
	p->next_at = jdg_col_time(0, 7, DT_NOBEGIN);
	p->errors = jdg_col_jsonb(0, 8, mcxt);
}

bool
jdg_parked_holds(int64 subscription_id, const JdgEvent *e, bool *itself)
{
	static JdgQuery q = {
		"SELECT EXISTS (SELECT FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND event_id = $2), "
		"EXISTS (SELECT FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND key = $3 AND holds_key)",
		3, {INT8OID, INT8OID, TEXTOID}
	};
	Datum		v[3] = {Int64GetDatum(subscription_id),
		Int64GetDatum(e->event_id),
	e->key ? CStringGetTextDatum(e->key) : (Datum) 0};
	JdgInternal in;
	bool		behind;

	jdg_internal_begin(&in);
	jdg_run(&q, v, e->key ? NULL : "  n", 1);
	*itself = jdg_col_bool(0, 1);
	behind = jdg_col_bool(0, 2);
	jdg_internal_end(&in);
	return *itself || behind;
}

static void
bind_parked(JdgParams *b, int64 subscription_id, const JdgParked *p)
{
	jdg_bind_int64(b, "subscription_id", subscription_id);
	jdg_bind_int64(b, "event_id", p->event_id);
	jdg_bind_char(b, "state", p->state);
	jdg_bind_int32(b, "attempts", p->attempts);
	jdg_bind_time(b, "next_at", p->next_at);
	jdg_bind_jsonb(b, "errors", p->errors);
}

void
jdg_parked_add(int64 subscription_id, int32 shard, const JdgParked *p)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.parked (subscription_id, event_id, "
		"state, attempts, next_at, errors, shard, type, key, holds_key, "
		"parked_at) VALUES ($subscription_id, $event_id, $state, $attempts, "
		"$next_at, coalesce($errors, '[]'), $shard, $type, $key, $holds_key, "
		"$parked_at)"
	};
	JdgParams	b = {0};
	JdgInternal in;

	bind_parked(&b, subscription_id, p);
	jdg_bind_int32(&b, "shard", shard);
	jdg_bind_text(&b, "type", p->type);
	jdg_bind_text(&b, "key", p->key);
	jdg_bind_bool(&b, "holds_key", p->holds_key);
	jdg_bind_time(&b, "parked_at", jdg_now());
	jdg_internal_begin(&in);
	jdg_run_params(&q, &b, 0);
	jdg_internal_end(&in);
}

void
jdg_parked_change(int64 subscription_id, const JdgParked *p)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.parked SET state = $state, "
		"attempts = $attempts, next_at = $next_at, errors = $errors "
		"WHERE subscription_id = $subscription_id AND event_id = $event_id"
	};
	JdgParams	b = {0};
	JdgInternal in;

	bind_parked(&b, subscription_id, p);
	jdg_internal_begin(&in);
	jdg_run_params(&q, &b, 0);
	jdg_internal_end(&in);
}

void
jdg_parked_remove(int64 subscription_id, int64 event_id)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND event_id = $2", 2, {INT8OID, INT8OID}
	};
	Datum		v[2] = {Int64GetDatum(subscription_id), Int64GetDatum(event_id)};
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
	jdg_internal_end(&in);
}

bool
jdg_parked_next(int64 subscription_id, int32 shard, TimestampTz now,
				const JdgParked *after, JdgParked *p, TimestampTz *next)
{
	static JdgQuery due = {
		"SELECT " PARKED_COLUMNS " FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND shard = $2 AND state = 'r' "
		"AND next_at <= $3 AND (next_at, event_id) > ($4, $5) "
		"ORDER BY next_at, event_id LIMIT 1",
		5, {INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
	};
	static JdgQuery later = {
		"SELECT min(next_at) FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND shard = $2 AND state = 'r'",
		2, {INT8OID, INT4OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[5] = {Int64GetDatum(subscription_id), Int32GetDatum(shard),
		TimestampTzGetDatum(now),
		TimestampTzGetDatum(after ? after->next_at : DT_NOBEGIN),
	Int64GetDatum(after ? after->event_id : 0)};
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(&due, v, NULL, 1) > 0;
	if (found)
		from_row(p, mcxt);
	else
	{
		jdg_run(&later, v, NULL, 1);
		*next = jdg_col_time(0, 1, DT_NOEND);
	}
	jdg_internal_end(&in);
	return found;
}

bool
jdg_parked_read(int64 subscription_id, int64 event_id, JdgParked *p)
{
	static JdgQuery q = {
		"SELECT " PARKED_COLUMNS " FROM jadugar_internal.parked "
		"WHERE subscription_id = $1 AND event_id = $2", 2, {INT8OID, INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[2] = {Int64GetDatum(subscription_id), Int64GetDatum(event_id)};
	JdgInternal in;
	bool		found;

	jdg_internal_begin(&in);
	found = jdg_run(&q, v, NULL, 1) > 0;
	if (found)
		from_row(p, mcxt);
	jdg_internal_end(&in);
	return found;
}

bool
jdg_parked_read_event(int64 subscription_id, int64 event_id, JdgEvent *e,
					  JdgTopic *topic)
{
	static JdgQuery q = {
		"SELECT jsonb_populate_record(NULL::jadugar_internal.event, event), "
		"topic_id FROM jadugar_internal.parked WHERE subscription_id = $1 "
		"AND event_id = $2 AND event IS NOT NULL", 2, {INT8OID, INT8OID}
	};
	MemoryContext mcxt = CurrentMemoryContext;
	Datum		v[2] = {Int64GetDatum(subscription_id), Int64GetDatum(event_id)};
	JdgInternal in;
	int32		topic_id = 0;
	bool		isnull;

	if (jdg_event_get(event_id, 0, e, topic))
		return true;
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 1) > 0)
	{
		topic_id = jdg_col_int32(0, 2, 0);
		jdg_event_of_datum(jdg_col(0, 1, &isnull), e, mcxt);
	}
	jdg_internal_end(&in);
	return topic_id != 0 && jdg_topic_by_id(topic_id, topic);
}

void
jdg_parked_copy_event(int64 subscription_id, int64 event_id, int32 topic_id)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.parked SET event = $3, topic_id = $4 "
		"WHERE subscription_id = $1 AND event_id = $2",
		4, {INT8OID, INT8OID, JSONBOID, INT4OID}
	};
	Datum		v[4];
	JdgInternal in;
	JdgTopic	topic;
	JdgEvent	e;

	if (!jdg_event_get(event_id, topic_id, &e, &topic))
		return;
	v[0] = Int64GetDatum(subscription_id);
	v[1] = Int64GetDatum(event_id);
	v[2] = JsonbPGetDatum(jdg_event_to_jsonb(&e));
	v[3] = Int32GetDatum(topic_id);
	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
	jdg_internal_end(&in);
}

void
jdg_parked_release(int64 subscription_id, const JdgParked *p, TimestampTz now)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.parked SET state = 'r', next_at = $3 "
		"WHERE subscription_id = $1 AND state = 'h' AND event_id = "
		"(SELECT min(f.event_id) FROM jadugar_internal.parked f "
		"WHERE f.subscription_id = $1 AND f.key = $2 AND f.holds_key)",
		3, {INT8OID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		v[3];
	JdgInternal in;

	if (!p->holds_key)
		return;
	v[0] = Int64GetDatum(subscription_id);
	v[1] = CStringGetTextDatum(p->key);
	v[2] = TimestampTzGetDatum(now);
	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 0);
	jdg_internal_end(&in);
}

/* Drops the first ones if there are too many. */
Jsonb *
jdg_parked_add_error(Jsonb *errors, Jsonb *error)
{
	JsonbParseState *st = NULL;
	int			n = errors ? (int) JB_ROOT_COUNT(errors) : 0;
	int			kept = error ? ERRORS_MAX - 1 : ERRORS_MAX;
	JsonbValue	v;

	(void) pushJsonbValue(&st, WJB_BEGIN_ARRAY, NULL);
	for (int i = Max(n - kept, 0); i < n; i++)
		(void) pushJsonbValue(&st, WJB_ELEM,
							  getIthJsonbValueFromContainer(&errors->root, i));
	if (error != NULL)
	{
		v.type = jbvBinary;
		v.val.binary.data = &error->root;
		v.val.binary.len = VARSIZE(error) - VARHDRSZ;
		(void) pushJsonbValue(&st, WJB_ELEM, &v);
	}
	return JsonbValueToJsonb(pushJsonbValue(&st, WJB_END_ARRAY, NULL));
}
