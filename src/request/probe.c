/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Asks an endpoint whether it is there again, before it gets a request.
 *
 * Runs in the process "jadugar http".  If an endpoint has the option health_path,
 * a call that probes a half-open breaker first sends a GET to that path, and its
 * own request only if the endpoint has answered.  If not, the call has failed for
 * the breaker, and the task goes back: no attempt is charged.  If this process
 * could not ask, the task goes back, and the call says nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "base/json.h"
#include "base/subxact.h"
#include "request/request.h"
#include "request/transfer.h"

/* what is read of the answer, so that the connection can be used again */
#define ANSWER_MAX 65536

/* the argument of build() */
typedef struct Probe
{
	JdgTransfer *t;
	const JdgTask *task;
	JdgRequest	request;
} Probe;

/* A request of the task with another payload. */
static void
build(void *arg)
{
	Probe	   *p = arg;
	JsonbParseState *st;
	JdgSecrets	secrets;

	jdg_json_begin(&st);
	jdg_json_text(&st, "endpoint", p->t->endpoint.name);
	jdg_json_text(&st, "path", p->t->endpoint.health_path);
	jdg_json_text(&st, "method", "GET");
	/* not that of the task: the service must not take them for the same */
	jdg_json_text(&st, "idempotency_key", "health");
	jdg_endpoint_secrets(&p->t->endpoint, p->task->owner, &secrets);
	jdg_request_build(p->task, jdg_json_finish(&st), &p->t->endpoint, &secrets,
					  &p->request);
}

void
jdg_probe_begin(JdgTransfer *t, const JdgTask *task)
{
	Probe		p = {t, task};
	MemoryContext old = CurrentMemoryContext;
	JdgHttpTransfer *own;
	bool		ok;

	if (t->endpoint.health_path == NULL)
		return;
	MemoryContextSwitchTo(t->mcxt);
	own = palloc(sizeof(JdgHttpTransfer));
	*own = t->http;
	ok = jdg_in_subxact(build, &p, old) == NULL;
	MemoryContextSwitchTo(old);
	if (!ok)
		return;
	t->own = own;
	jdg_transfer_set_request(t, &p.request);
	t->http.max_answer = ANSWER_MAX;
}

bool
jdg_probe_failed(const JdgTransfer *t)
{
	JdgCallEnd	end;

	if (t->http.end == JDG_HTTP_ANSWERED)
		return t->http.status >= 500;
	return jdg_transfer_call_end(t, &end) && end != JDG_CALL_END_ADDRESS;
}

bool
jdg_probe_passed(JdgTransfer *t)
{
	/* a refused address is an error of the task, which its own request finds */
	if (t->http.end != JDG_HTTP_REFUSED &&
		(t->http.end != JDG_HTTP_ANSWERED || jdg_probe_failed(t)))
		return false;
	jdg_http->forget(&t->http);
	t->http = *t->own;
	t->own = NULL;
	t->again = false;
	return true;
}
