/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  The rules of requests for the module task, see rules.h.
 *
 * Runs in sessions, workers and schedulers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/errors.h"
#include "base/json.h"
#include "endpoint/endpoint.h"
#include "handler/command.h"
#include "request/payload.h"
#include "request/request.h"
#include "request/rules.h"
#include "request/template.h"
#include "shared/lanekey.h"
#include "task/retry.h"

static void
say_handler(void *arg)
{
	const JdgHandler *h = arg;

	errcontext("request of handler \"%s\"", h->name);
}

static void
check(const JdgHandler *h, Oid owner, Jsonb *payload)
{
	ErrorContextCallback context = {error_context_stack, say_handler,
	unconstify(JdgHandler *, h)};
	JdgRequestTarget target;

	if (h != NULL)
	{
		payload = jdg_template_fill(h, payload);
		error_context_stack = &context;
	}
	jdg_request_enqueue_target(payload, owner, &target);
	error_context_stack = context.previous;
}

/*
 * The object with the name of the endpoint: the payload, or the template of the
 * handler.  NULL: the role may not use the handler any more.
 */
static const Jsonb *
source_of(const JdgTask *t)
{
	const JdgCommand *c = jdg_command_get(t->command_id);
	const JdgHandler *h;

	if (c->kind == JDG_COMMAND_HTTP)
		return t->payload;
	h = jdg_handler_get_usable(c->text, t->owner);
	return h ? h->request : NULL;
}

/*
 * The payload was checked when the task, or its schedule, was made.  What has
 * changed since is an error of the task when it runs.
 */
static void
find(JdgTask *t)
{
	JdgEndpoint e;
	const Jsonb *source = source_of(t);
	char	   *name = jdg_json_get_text(source, "endpoint");
	char	   *text = jdg_json_get_text(source, "url");
	char	   *when_open = jdg_json_get_text(source, "when_open");
	JdgUrlFault fault;
	JdgUrl		url;

	t->endpoint_id = name == NULL ? 0 : jdg_endpoint_known(name);
	t->host = NULL;
	t->lane = JDG_LANE_HTTP;
	if (when_open != NULL && strcmp(when_open, "fail") == 0)
		t->lane |= JDG_LANE_FAILS;
	if (text !=NULL && jdg_url_parse(text, strlen(text), &url, &fault))
		t->host = pstrdup(url.host);
	if (t->retry == NULL && t->endpoint_id != 0 &&
		jdg_endpoint_get(t->endpoint_id, &e) && e.retry != NULL)
	{
		t->retry = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(e.retry)));
		t->max_attempts = jdg_retry_max_attempts(t->retry, t->max_attempts);
	}
}

/* If its handler is gone, nobody knows the method: it may be an unsafe one. */
static bool
sent_once(const JdgTask *t)
{
	const Jsonb *source;
	JdgEndpoint e;

	if (jdg_endpoint_get(t->endpoint_id, &e) && e.unsafe != JDG_UNSAFE_FAIL)
		return false;
	source = source_of(t);
	return source == NULL || jdg_method_is_unsafe(jdg_payload_method(source));
}

const JdgTargetRules jdg_request_rules = {check, find, sent_once};
