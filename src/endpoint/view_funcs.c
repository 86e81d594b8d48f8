/*-------------------------------------------------------------------------
 *
 * view_funcs.c
 *	  What the view endpoints shows of a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/clock.h"
#include "endpoint/endpoint.h"
#include "shared/gateview.h"
#include "shared/shmem.h"

PG_FUNCTION_INFO_V1(jdg_v_endpoint);
PG_FUNCTION_INFO_V1(jdg_v_endpoint_state);

/* columns of _v_endpoint() */
enum
{
	COL_BASE_URL, COL_AUTH, COL_MAX_CONCURRENCY, COLUMNS
};

/* columns of _v_endpoint_state() */
enum
{
	STATE_STATUS, STATE_BREAKER, STATE_SINCE, STATE_UNTIL, STATE_FAILURE_PCT,
	STATE_SLOW_PCT, STATE_CALLS, STATE_IN_FLIGHT, STATE_WAITING, STATE_TOKENS,
	STATE_NEXT_AT, STATE_COLUMNS
};

/*
 * The kinds of secrets that tasks of the current user send to a server.  No
 * secret is read from a file.
 */
static Datum
auth_kinds(const JdgEndpoint *e)
{
	JdgSecrets	s;
	Datum		kinds[8];
	int			n = 0;

	jdg_endpoint_secrets_given(e, GetUserId(), &s);
	if (s.user)
		kinds[n++] = CStringGetTextDatum("basic");
	if (s.bearer_token)
		kinds[n++] = CStringGetTextDatum("bearer");
	if (s.api_key)
		kinds[n++] = CStringGetTextDatum("api_key");
	if (s.access_key_id)
		kinds[n++] = CStringGetTextDatum("access_key");
	if (s.signing_secret)
		kinds[n++] = CStringGetTextDatum("signing");
	if (s.secret_path)
		kinds[n++] = CStringGetTextDatum("path");
	if (s.sslcert)
		kinds[n++] = CStringGetTextDatum("certificate");
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(construct_array(kinds, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* _v_endpoint(server): null if it is no server of ours */
Datum
jdg_v_endpoint(PG_FUNCTION_ARGS)
{
	JdgEndpoint e;
	TupleDesc	desc;
	Datum		v[COLUMNS];
	bool		isnull[COLUMNS] = {0};

	if (!jdg_endpoint_of_server(PG_GETARG_OID(0), &e))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	isnull[COL_BASE_URL] = e.base_url == NULL;
	v[COL_BASE_URL] = e.base_url ? CStringGetTextDatum(e.base_url) : (Datum) 0;
	v[COL_AUTH] = auth_kinds(&e);
	v[COL_MAX_CONCURRENCY] = Int32GetDatum(e.max_concurrency);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}

/* A server as requests to it see it: with what was decided about its breaker. */
static bool
find(Oid server, JdgEndpoint *e)
{
	int32		id;

	if (!jdg_endpoint_of_server(server, e))
		return false;
	id = jdg_endpoint_known(e->name);
	return id == 0 || jdg_endpoint_get(id, e);
}

static const char *
status_of(const JdgGateState *s)
{
	const JdgBreakerView *b = &s->breaker;

	if (s->guarded && (b->forced == JDG_FORCE_OPEN ||
					   (b->forced == JDG_FORCE_AUTO && b->state == JDG_BREAKER_OPEN)))
		return "open";
	if (s->hold != JDG_HOLD_NONE)
		return "held";
	if (s->guarded && b->forced == JDG_FORCE_AUTO &&
		(b->state == JDG_BREAKER_HALF_OPEN || b->ramp > 0))
		return "degraded";
	return "ok";
}

static void
put_time(Datum *v, bool *isnull, int col, TimestampTz t, bool null)
{
	v[col] = TimestampTzGetDatum(t);
	isnull[col] = null;
}

static void
put_int(Datum *v, bool *isnull, int col, int32 i)
{
	v[col] = Int32GetDatum(i);
	isnull[col] = false;
}

static void
put_breaker(Datum *v, bool *isnull, const JdgBreakerView *b)
{
	v[STATE_BREAKER] = CStringGetTextDatum(jdg_breaker_word(b));
	isnull[STATE_BREAKER] = false;
	put_time(v, isnull, STATE_SINCE, b->since,
			 b->trips == 0 && b->state == JDG_BREAKER_CLOSED);
	put_time(v, isnull, STATE_UNTIL, b->until, b->until == JDG_BREAKER_NEVER);
	put_int(v, isnull, STATE_FAILURE_PCT, jdg_breaker_percent(b->failures, b->calls));
	put_int(v, isnull, STATE_SLOW_PCT, jdg_breaker_percent(b->slow, b->calls));
	put_int(v, isnull, STATE_CALLS, b->calls);
}

static void
put_state(Datum *v, bool *isnull, const JdgGateState *s)
{
	const char *status = status_of(s);

	v[STATE_STATUS] = CStringGetTextDatum(status);
	isnull[STATE_STATUS] = false;
	if (s->guarded)
		put_breaker(v, isnull, &s->breaker);
	if (strcmp(status, "held") == 0)
		put_time(v, isnull, STATE_UNTIL, s->hold_until, false);
	put_int(v, isnull, STATE_IN_FLIGHT, s->in_use);
	v[STATE_WAITING] = BoolGetDatum(s->parked > 0);
	isnull[STATE_WAITING] = false;
	v[STATE_TOKENS] = Int64GetDatum(s->tokens);
	isnull[STATE_TOKENS] = s->tokens < 0;
	put_time(v, isnull, STATE_NEXT_AT, s->next_at, s->next_at == DT_NOEND);
}

/*
 * _v_endpoint_state(server).  If payloads name the host, breakers and holds are
 * those of each host, and not shown.
 */
Datum
jdg_v_endpoint_state(PG_FUNCTION_ARGS)
{
	JdgEndpoint e;
	JdgLimit	limit[2];
	JdgGateState s;
	TupleDesc	desc;
	Datum		v[STATE_COLUMNS] = {0};
	bool		isnull[STATE_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(isnull, true, sizeof(isnull));
	if (JdgGatesLock != NULL && jdg_has_access(GetUserId()) &&
		find(PG_GETARG_OID(0), &e))
	{
		(void) jdg_endpoint_limits(&e, NULL, limit);
		if (e.any_host)
			limit[0].breaker = NULL;
		jdg_gate_state(&limit[0], jdg_now(), &s);
		put_state(v, isnull, &s);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}
