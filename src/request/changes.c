/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Reports that the breaker of an endpoint has opened or closed: in the log,
 *	  and as events endpoint.opened and endpoint.closed.
 *
 * Runs in the process "jadugar http".  A change is found when a call ends,
 * outside a transaction.  Its event is published by the next transaction that
 * settles; if the process ends before, there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/json.h"
#include "request/transfer.h"
#include "shared/gateview.h"
#include "shared/guard.h"
#include "shared/happening.h"

/* changes that wait for a transaction; more are only logged */
#define PENDING_MAX 64

typedef struct Change
{
	JdgHappening kind;
	Oid			owner;			/* of the server */
	char		endpoint[NAMEDATALEN];
	char		host[256];		/* "": the endpoint has one breaker */
	int64		seconds;		/* until it lets requests through; -1: unknown */
} Change;

static Change pending[PENDING_MAX];
static int	npending = 0;

static void
log_change(const Change *c)
{
	const char *of = c->host[0] ? psprintf(" for host \"%s\"", c->host) : "";

	ereport(LOG,
			(errmsg("the circuit breaker of endpoint \"%s\"%s has %s",
					c->endpoint, of,
					c->kind == JDG_ENDPOINT_OPENED ? "opened" : "closed")));
}

static void
add(const JdgTransfer *t, JdgHappening kind, int64 seconds)
{
	Change	   *c = &pending[npending < PENDING_MAX ? npending++ : npending - 1];

	c->kind = kind;
	c->owner = t->endpoint.owner;
	strlcpy(c->endpoint, t->endpoint.name, sizeof(c->endpoint));
	strlcpy(c->host, t->host ? t->host : "", sizeof(c->host));
	c->seconds = seconds;
	log_change(c);
}

void
jdg_endpoint_changed(const JdgTransfer *t)
{
	JdgLimit	limit[2];
	JdgGateState s;
	TimestampTz now = jdg_now();
	int			n = jdg_endpoint_limits(&t->endpoint, t->host, limit);

	jdg_gate_state(&limit[n - 1], now, &s);
	if (!s.guarded)
		return;
	if (s.breaker.state == JDG_BREAKER_OPEN)
		add(t, JDG_ENDPOINT_OPENED, s.breaker.until == JDG_BREAKER_NEVER ? -1 :
			Max(s.breaker.until - now, 0) / USECS_PER_SEC);
	else if (s.breaker.state == JDG_BREAKER_CLOSED)
		add(t, JDG_ENDPOINT_CLOSED, -1);
}

void
jdg_endpoint_publish_changes(void)
{
	for (int i = 0; i < npending; i++)
	{
		const Change *c = &pending[i];
		JsonbParseState *st;

		if (!jdg_happens(c->kind))
			continue;
		jdg_json_begin(&st);
		jdg_json_text(&st, "endpoint", c->endpoint);
		jdg_json_text(&st, "host", c->host[0] ? c->host : NULL);
		if (c->seconds >= 0)
			jdg_json_int64(&st, "retry_after", c->seconds);
		jdg_happened(c->kind, c->owner, c->endpoint, jdg_json_finish(&st));
	}
}

void
jdg_endpoint_changes_published(void)
{
	npending = 0;
}
