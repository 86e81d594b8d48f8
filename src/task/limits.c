/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  The limits of a task, see limits.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "endpoint/endpoint.h"
#include "handler/command.h"
#include "limit/limit.h"
#include "task/limits.h"
#include "tenant/tenant.h"

static void
add(JdgLimits *limits, JdgLimit limit)
{
	if (limit.max == 0 && limit.interval == 0 && limit.breaker == NULL &&
		!jdg_scope_is_closed(limit.scope))
		return;
	Assert(limits->n < JDG_LIMITS_MAX);
	limits->limit[limits->n++] = limit;
}

static void
add_pause(JdgLimits *limits)
{
	JdgLimit	paused = {.scope = JDG_SCOPE_PAUSED};

	limits->n = 0;
	add(limits, paused);
}

static bool
is_paused(const JdgLimits *limits)
{
	return limits->n > 0 && limits->limit[0].scope == JDG_SCOPE_PAUSED;
}

static void
add_tenant(JdgLimits *limits, int32 tenant)
{
	JdgTenant	t;

	if (tenant >= 0 || !jdg_tenant_by_id(-tenant, &t))
		return;
	if (t.paused)
		add_pause(limits);
	else
		add(limits, jdg_limit_of_id(JDG_SCOPE_TENANT, t.tenant_id,
									t.owner, t.max_concurrency, &t.rate));
}

void
jdg_limits_of_lane(Oid owner, const JdgQueue *queue, int32 tenant,
				   JdgLimits *limits)
{
	JdgLimit	l;

	limits->n = 0;
	limits->longest = 0;
	if (queue->paused)
	{
		add_pause(limits);
		return;
	}
	if (jdg_limit_get(JDG_SCOPE_OWNER, owner, "", &l))
		add(limits, l);
	add_tenant(limits, tenant);
	if (is_paused(limits))
		return;
	l = jdg_limit_of_id(JDG_SCOPE_QUEUE, queue->queue_id, queue->owner,
						queue->max_concurrency, &queue->rate);
	l.breaker = jdg_limit_queue_breaker(queue->queue_id);
	add(limits, l);
}

bool
jdg_limits_vary(int32 tenant)
{
	return tenant > 0 || jdg_limits_exist(JDG_SCOPE_HANDLER) ||
		jdg_limits_exist(JDG_SCOPE_KEY);
}

/* The limits of an endpoint, and of the host if payloads name it. */
static void
add_endpoint(const JdgTask *task, JdgLimits *limits)
{
	JdgEndpoint e;
	JdgLimit	l[2];
	int			n;

	if (!jdg_endpoint_get(task->endpoint_id, &e))
	{
		JdgLimit	missing = {.scope = JDG_SCOPE_NO_ENDPOINT,
		.id = {task->endpoint_id, 0}};

		add(limits, missing);
		return;
	}
	n = jdg_endpoint_limits(&e, task->host, l);
	for (int i = 0; i < n; i++)
		add(limits, l[i]);
}

void
jdg_limits_add(const JdgTask *task, int32 tenant, JdgLimits *limits)
{
	JdgLimit	l;

	if (is_paused(limits))
		return;
	/* the tenant was created after the task was enqueued */
	if (tenant > 0)
		add_tenant(limits, jdg_tenant_lane(task->tenant));
	if (is_paused(limits))
		return;
	if (task->endpoint_id != 0)
		add_endpoint(task, limits);
	if (jdg_limits_exist(JDG_SCOPE_HANDLER))
	{
		const JdgCommand *c = jdg_command_get(task->command_id);

		if (c != NULL && c->kind == JDG_COMMAND_HANDLER &&
			jdg_limit_get(JDG_SCOPE_HANDLER, InvalidOid, c->text, &l))
			add(limits, l);
	}
	if (task->concurrency_key != NULL &&
		jdg_limit_get(JDG_SCOPE_KEY, task->owner, task->concurrency_key, &l))
		add(limits, l);
}

void
jdg_limits_of(const JdgTask *task, JdgLimits *limits)
{
	int32		tenant = jdg_tenant_lane(task->tenant);
	JdgQueue	queue;

	if (!jdg_queue_by_id(task->queue_id, &queue))
		memset(&queue, 0, sizeof(queue));
	jdg_limits_of_lane(task->owner, &queue, tenant, limits);
	jdg_limits_add(task, tenant, limits);
}

bool
jdg_limits_have_rate(const JdgLimits *limits)
{
	for (int i = 0; i < limits->n; i++)
	{
		if (limits->limit[i].interval > 0)
			return true;
	}
	return false;
}

bool
jdg_limits_have_breaker(const JdgLimits *limits)
{
	for (int i = 0; i < limits->n; i++)
	{
		if (limits->limit[i].breaker != NULL)
			return true;
	}
	return false;
}

bool
jdg_limit_is_shared_rate(const JdgLimit *limit)
{
	return limit->interval > 0 && limit->scope != JDG_SCOPE_TENANT &&
		limit->scope != JDG_SCOPE_KEY;
}

bool
jdg_limits_share_rate(const JdgLimits *limits)
{
	for (int i = 0; i < limits->n; i++)
	{
		if (jdg_limit_is_shared_rate(&limits->limit[i]))
			return true;
	}
	return false;
}

const char *
jdg_limit_reason(const JdgLimit *limit, JdgRefusal why)
{
	static const char *const reasons[] = {
		[JDG_SCOPE_PAUSED] = "queue_paused",
		[JDG_SCOPE_NO_ENDPOINT] = "endpoint_missing",
		[JDG_SCOPE_OWNER] = "owner_limit",
		[JDG_SCOPE_TENANT] = "tenant_limit",
		[JDG_SCOPE_QUEUE] = "queue_limit",
		[JDG_SCOPE_HANDLER] = "handler_limit",
		[JDG_SCOPE_KEY] = "rate_limit",
		[JDG_SCOPE_NAME] = "rate_limit",
		[JDG_SCOPE_ENDPOINT] = "endpoint_limit",
		[JDG_SCOPE_HOST] = "endpoint_limit",
		[JDG_SCOPE_ENQUEUE] = "rate_limit",
	};

	switch (why)
	{
		case JDG_REFUSED_RATE:
			return "rate_limit";
		case JDG_REFUSED_BREAKER:
			return "circuit_open";
		case JDG_REFUSED_HOLD:
			return "endpoint_held";
		case JDG_REFUSED_PLACES:
		case JDG_NOT_REFUSED:
			break;
	}
	return reasons[limit->scope];
}
