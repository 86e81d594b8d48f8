/*-------------------------------------------------------------------------
 *
 * build.c
 *	  The request of a task that runs, see request.h.
 *
 * Runs in the process of HTTP, in a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/interval.h"
#include "base/settings.h"
#include "blob/blob.h"
#include "request/body.h"
#include "request/check.h"
#include "request/headers.h"
#include "request/hide.h"
#include "request/request.h"
#include "request/target.h"

/* The bytes of the body of a response that are read, and those that are kept. */
static void
set_bounds(const JdgTask *task, const JdgPayload *p, const JdgEndpoint *e,
		   JdgRequest *r)
{
	r->max_response = p->response == JDG_RESPONSE_BLOB ? jdg_blob_max_size() :
		p->response == JDG_RESPONSE_NONE ? 0 : e->max_response;
	/* a step's result is data of its run */
	r->max_kept = task->flow_run != 0 ? 0 : (int64) jdg_max_result_size * 1024;
}

/* The time of one attempt: the least of three. */
static int64
timeout_of(const JdgTask *task, const JdgPayload *p, const JdgEndpoint *e)
{
	int64		us = e->timeout_us;

	if (p->timeout_us > 0)
		us = Min(us, p->timeout_us);
	if (task->timeout != NULL && jdg_interval_us(task->timeout) > 0)
		us = Min(us, jdg_interval_us(task->timeout));
	return us;
}

void
jdg_request_build(const JdgTask *task, const Jsonb *payload,
				  const JdgEndpoint *e, const JdgSecrets *s, JdgRequest *r)
{
	JdgPayload	p;
	JdgBody		body;

	memset(r, 0, sizeof(*r));
	jdg_payload_read(payload, &p);
	if (strcmp(p.endpoint, e->name) != 0)
		elog(ERROR, "a request to endpoint \"%s\" was claimed for endpoint \"%s\"",
			 p.endpoint, e->name);
	jdg_request_check(&p, e, task->owner);
	r->method = p.method;
	r->url = jdg_target_url(&p, e, s->secret_path, &r->target);
	r->shown = jdg_target_shown(&p, e, &r->target, s->secret_path != NULL);
	jdg_body_make(&p, task->owner, e->max_request, &body);
	r->body = body.bytes;
	r->body_len = body.size;
	r->has_body = p.body_kind != JDG_BODY_NONE;
	r->headers = jdg_headers_make(task, &p, e, s, &body);

	r->timeout_us = timeout_of(task, &p, e);
	r->connect_timeout_us = Min(e->connect_timeout_us, r->timeout_us);
	set_bounds(task, &p, e, r);
	r->response = strcmp(p.method, "HEAD") == 0 ? JDG_RESPONSE_NONE : p.response;
	r->expect = p.expect != NIL ? p.expect : e->expect;
	r->if_none_match = jdg_headers_has(&p, "If-None-Match");
	r->unsafe = e->unsafe == JDG_UNSAFE_FAIL &&
		jdg_method_is_unsafe(p.method);
	r->fail_when_open = p.fail_when_open;
	r->redirects = e->redirects;
	r->hidden = jdg_hide_list(s);
}
