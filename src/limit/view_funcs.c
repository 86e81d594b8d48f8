/*-------------------------------------------------------------------------
 *
 * view_funcs.c
 *	  What views show of limits: how they are used, and what holds back a task.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/clock.h"
#include "base/spi.h"
#include "limit/limit.h"
#include "queue/queue.h"
#include "shared/shmem.h"
#include "task/limits.h"
#include "tenant/tenant.h"

PG_FUNCTION_INFO_V1(jdg_v_limit_use);
PG_FUNCTION_INFO_V1(jdg_v_limit_reason);

/* The limit of a row of the view limits; false: it has gone. */
static bool
find_limit(const char *scope, Oid owner, const char *name, JdgLimit *limit)
{
	JdgQueue	queue;
	JdgTenant	tenant;

	if (strcmp(scope, "queue") == 0 && jdg_queue_by_name(name, &queue))
		*limit = jdg_limit_of_id(JDG_SCOPE_QUEUE, queue.queue_id,
								 queue.owner, queue.max_concurrency, &queue.rate);
	else if (strcmp(scope, "tenant") == 0 && jdg_tenant_by_name(name, &tenant))
		*limit = jdg_limit_of_id(JDG_SCOPE_TENANT, tenant.tenant_id,
								 tenant.owner, tenant.max_concurrency, &tenant.rate);
	else if (strcmp(scope, "handler") == 0)
		return jdg_limit_get(JDG_SCOPE_HANDLER, InvalidOid, name, limit);
	else if (strcmp(scope, "owner") == 0)
		return jdg_limit_get(JDG_SCOPE_OWNER, owner, "", limit);
	else
		return strcmp(scope, "key") == 0 &&
			jdg_limit_get(JDG_SCOPE_KEY, owner, name, limit);
	return true;
}

/* Why lanes are parked at a gate, also if there is room now. */
static JdgRefusal
why_parked(const JdgLimit *limit, const JdgGateState *s)
{
	if (s->why == JDG_REFUSED_BREAKER || s->why == JDG_REFUSED_HOLD)
		return s->why;
	return limit->interval > 0 && (limit->max == 0 || s->tokens == 0) ?
		JDG_REFUSED_RATE : JDG_REFUSED_PLACES;
}

/* _v_limit_use(scope, owner, name): in_use, tokens, waiting, next_at, reason */
Datum
jdg_v_limit_use(PG_FUNCTION_ARGS)
{
	char	   *scope = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			owner = PG_GETARG_OID(1);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Datum		v[5] = {0};
	bool		isnull[5] = {true, true, true, true, true};
	JdgLimit	limit;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (JdgGatesLock != NULL && jdg_has_access(GetUserId()) &&
		find_limit(scope, owner, name, &limit))
	{
		TimestampTz now = jdg_now();
		JdgGateState s;

		jdg_gate_state(&limit, now, &s);
		v[0] = Int32GetDatum(s.in_use);
		isnull[0] = limit.max == 0;
		v[1] = Int64GetDatum(s.tokens);
		isnull[1] = s.tokens < 0;
		v[2] = BoolGetDatum(s.parked > 0);
		isnull[2] = false;
		v[3] = TimestampTzGetDatum(s.next_at);
		isnull[3] = s.next_at == DT_NOEND;
		if (s.parked > 0)
			v[4] = CStringGetTextDatum(jdg_limit_reason(&limit, why_parked(&limit, &s)));
		isnull[4] = s.parked == 0;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, v, isnull)));
}

/*
 * _v_limit_reason(owner, queue_id, tenant, command_id, concurrency_key,
 * endpoint_id, host): the
 * word of waiting_for of a ready task that a limit holds back, or NULL
 */
Datum
jdg_v_limit_reason(PG_FUNCTION_ARGS)
{
	JdgTask		t = {0};
	JdgLimits	limits;
	JdgRefusal	why;
	int			refusing;

	if (JdgGatesLock == NULL || !jdg_has_access(GetUserId()) ||
		PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	t.owner = PG_GETARG_OID(0);
	t.queue_id = PG_GETARG_INT32(1);
	t.tenant = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	t.command_id = PG_GETARG_INT64(3);
	t.concurrency_key = PG_ARGISNULL(4) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(4));
	t.endpoint_id = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5);
	t.host = PG_ARGISNULL(6) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(6));
	if (t.endpoint_id != 0 && !jdg_http_enabled)
		PG_RETURN_TEXT_P(cstring_to_text("http_off"));
	jdg_limits_of(&t, &limits);
	refusing = jdg_gates_refusing(&limits, jdg_now(), &why);
	if (refusing < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(jdg_limit_reason(&limits.limit[refusing], why)));
}
