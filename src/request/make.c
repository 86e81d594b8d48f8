/*-------------------------------------------------------------------------
 *
 * make.c
 *	  Makes the transfer of an HTTP task.
 *
 * Runs in the process "jadugar http", in the transaction that marks the task.
 * A request that cannot be made has a transfer, too: one that has ended, with
 * the end of the attempt.  So it is settled as all others are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/sleep.h"
#include "base/subxact.h"
#include "request/request.h"
#include "request/template.h"
#include "request/transfer.h"
#include "shared/gate.h"
#include "shared/gateview.h"
#include "shared/guard.h"
#include "task/target.h"

/* how long a request may take if nothing says */
#define LONGEST_MS (24 * 3600 * INT64CONST(1000))

/* the argument of make_request() */
typedef struct Making
{
	const JdgTask *task;
	JdgTransfer *t;
} Making;

/* Builds a request in the current memory context; raises what is wrong. */
static void
make_request(const Making *m)
{
	JdgTransfer *t = m->t;
	JdgEndpoint e;
	JdgSecrets	secrets;

	if (!jdg_endpoint_get(m->task->endpoint_id, &e))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("the endpoint of the task does not exist"),
				 errhint("Create the server again, then retry the task.")));
	if (!jdg_endpoint_may_use(&e, m->task->owner))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("role \"%s\" may not use endpoint \"%s\"",
						jdg_role_name(m->task->owner), e.name),
				 errhint("Grant USAGE on the foreign server.")));
	jdg_endpoint_copy(&e, &t->endpoint);
	jdg_endpoint_secrets(&t->endpoint, m->task->owner, &secrets);
	jdg_request_build(m->task, jdg_template_of_task(m->task), &t->endpoint,
					  &secrets, &t->request);
	t->http.certificate = secrets.sslcert;
	t->http.key = secrets.sslkey;
}

static int
allows(void *arg, const struct sockaddr *address)
{
	const JdgTransfer *t = arg;

	return jdg_address_decide(address, jdg_address_is_own(address),
							  &t->endpoint.addresses).verdict == JDG_ADDRESS_ALLOWED;
}

void
jdg_transfer_set_request(JdgTransfer *t, const JdgRequest *r)
{
	JdgHttpTransfer *h = &t->http;
	const char **headers;
	ListCell   *lc;

	h->nheaders = 0;
	headers = MemoryContextAlloc(t->mcxt, sizeof(char *) *
								 Max(list_length(r->headers), 1));
	foreach(lc, r->headers)
		headers[h->nheaders++] = lfirst(lc);
	h->method = r->method;
	h->url = r->url;
	h->headers = headers;
	h->body = r->has_body ? r->body : NULL;
	h->body_size = r->body_len;
	h->max_answer = r->max_response;
}

/* Sets the library's part of a transfer. */
static void
set_http(JdgTransfer *t)
{
	const JdgRequest *r = &t->request;
	JdgHttpTransfer *h = &t->http;

	jdg_transfer_set_request(t, r);
	h->connect_timeout = Max(r->connect_timeout_us / 1000, 1);
	h->low_speed = t->endpoint.low_speed.bytes;
	h->low_speed_time = (t->endpoint.low_speed.for_us + USECS_PER_SEC - 1) /
		USECS_PER_SEC;
	h->fresh = r->unsafe;
	h->http_version = t->endpoint.http_version == JDG_HTTP_2 ? 2 : 1;
	h->verify = t->endpoint.verify == JDG_VERIFY_FULL;
	h->tls_13 = t->endpoint.tls_min == JDG_TLS_1_3;
	h->ca_file = t->endpoint.ca_file;
	h->proxy = t->endpoint.proxy;
	h->caller = t;
	h->allows = allows;
}

/* When the attempt has to end, from now on: the task's time or the request's. */
static int64
time_of(const JdgTask *task, const JdgRequest *r)
{
	int64		ms = r->timeout_us > 0 ? r->timeout_us / 1000 : LONGEST_MS;

	if (task->timeout != NULL)
		ms = Min(ms, jdg_interval_us(task->timeout) / 1000);
	return Max(ms, 1);
}

/* The request of a task is not sent, and has ended.  Returns its outcome. */
static JdgOutcome *
set_end(JdgTransfer *t, JdgEnd end)
{
	JdgOutcome *o = MemoryContextAllocZero(t->mcxt, sizeof(JdgOutcome));

	o->end = end;
	o->started_at = o->finished_at = t->started_at;
	o->worker_pid = MyProcPid;
	o->row_count = -1;
	t->unsent = o;
	t->ended = t->told = true;
	t->ended_at = t->started_at;
	return o;
}

/* The request of a task is not sent: "error" is the end of the attempt. */
static void
set_unsent(JdgTransfer *t, int sqlerrcode, Jsonb *error, bool no_retry)
{
	JdgOutcome *o = set_end(t, JDG_END_FAILED);
	Size		size = VARSIZE(error);

	o->no_retry = no_retry;
	o->sqlerrcode = sqlerrcode;
	o->error = memcpy(MemoryContextAlloc(t->mcxt, size), error, size);
}

/* Seconds until the breaker of a task's endpoint lets requests through; or -1. */
static int64
seconds_open(const JdgTask *task, TimestampTz now)
{
	JdgEndpoint e;
	JdgLimit	limit[2];
	JdgGateState s;
	int			n;

	if (!jdg_endpoint_get(task->endpoint_id, &e))
		return -1;
	n = jdg_endpoint_limits(&e, task->host, limit);
	jdg_gate_state(&limit[n - 1], now, &s);
	if (!s.guarded || s.breaker.until == JDG_BREAKER_NEVER)
		return -1;
	return (Max(s.breaker.until - now, 0) + USECS_PER_SEC - 1) / USECS_PER_SEC;
}

/*
 * A task that does not wait for a breaker, of its own endpoint or of its queue,
 * fails.
 */
static void
set_circuit_open(const JdgTask *task, JdgTransfer *t)
{
	char	   *name = jdg_endpoint_name(task->endpoint_id);
	int64		seconds = seconds_open(task, t->started_at);
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "code", jdg_error_name(JDG_ERRCODE_CIRCUIT_OPEN));
	jdg_json_text(&st, "sqlstate", unpack_sql_state(JDG_ERRCODE_CIRCUIT_OPEN));
	jdg_json_text(&st, "message",
				  psprintf("the circuit breaker for endpoint \"%s\" is open", name));
	jdg_json_text(&st, "hint", "See the view jadugar.breakers. Tasks with when_open \"wait\" wait for it.");
	jdg_json_text(&st, "kind", "circuit_open");
	if (seconds >= 0)
		jdg_json_int64(&st, "retry_after", seconds);
	jdg_json_bool(&st, "sent", false);
	set_unsent(t, JDG_ERRCODE_CIRCUIT_OPEN, jdg_json_finish(&st), true);
}

/*
 * Does an error come from the state of the server, so that the request may be
 * possible later?
 */
static bool
may_pass(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
	}
	return false;
}

/* A request cannot be made because of this error. */
static void
set_error(JdgTransfer *t, const ErrorData *error)
{
	Jsonb	   *doc;

	/* what the error must not tell the task's owner, such as a file's name */
	if (error->detail_log != NULL)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("a request of task " INT64_FORMAT " cannot be made: %s",
						t->task_id, error->message),
				 errdetail_log("%s", error->detail_log)));
	doc = jdg_json_with_text(jdg_error_to_jsonb(error, NULL), "code",
							 jdg_error_name(error->sqlerrcode));

	doc = jdg_json_with_text(doc, "kind", "not_sent");
	set_unsent(t, error->sqlerrcode, doc, !may_pass(error->sqlerrcode));
}

/* Makes the request of a task, unless it ends without one. */
static void
make_or_end(void *arg)
{
	const Making *m = arg;

	/* its handler has another endpoint now: it goes there, uncharged */
	if (jdg_target_endpoint(m->task) != m->task->endpoint_id)
		(void) set_end(m->t, JDG_END_HANDED);
	else if (m->task->circuit_open)
		set_circuit_open(m->task, m->t);
	else
		make_request(m);
}

JdgTransfer *
jdg_transfer_make(const JdgTask *task, TimestampTz now)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext,
											   "jadugar request",
											   ALLOCSET_SMALL_SIZES);
	JdgTransfer *t = MemoryContextAllocZero(mcxt, sizeof(JdgTransfer));
	MemoryContext made;
	MemoryContext old;
	Making		m = {task, t};
	ErrorData  *error;

	t->mcxt = mcxt;
	t->host = task->host ? MemoryContextStrdup(mcxt, task->host) : NULL;
	t->task_id = task->task_id;
	t->attempt = task->attempt;
	t->owner = task->owner;
	t->suspect = task->crashes > 0;
	t->started_at = now;
	t->begun = jdg_steady_ms();
	made = AllocSetContextCreate(mcxt, "jadugar request made",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(made);
	error = jdg_in_subxact(make_or_end, &m, old);
	MemoryContextSwitchTo(old);
	if (error == NULL && !t->ended)
	{
		int64		ms = time_of(task, &t->request);

		t->deadline = jdg_steady_ms() + ms;
		t->hasty = ms < Min(t->endpoint.timeout_us,
							t->request.connect_timeout_us) / 1000;
		set_http(t);
	}
	/* that concerns this process, and not the task */
	else if (error != NULL &&
			 ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
	{
		MemoryContextDelete(mcxt);
		ReThrowError(error);
	}
	else if (error != NULL)
	{
		/* the transfer stays until it is settled; what was made need not */
		memset(&t->http, 0, sizeof(t->http));
		memset(&t->endpoint, 0, sizeof(t->endpoint));
		memset(&t->request, 0, sizeof(t->request));
		MemoryContextDelete(made);
		set_error(t, error);
	}
	return t;
}
