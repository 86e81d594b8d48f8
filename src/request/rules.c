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

#include "base/json.h"
#include "endpoint/endpoint.h"
#include "request/request.h"
#include "request/rules.h"
#include "shared/lanekey.h"
#include "task/retry.h"

static void
check(Oid owner, Jsonb *payload)
{
	JdgRequestTarget target;

	jdg_request_enqueue_target(payload, owner, &target);
}

/*
 * The payload was checked when the task, or its schedule, was made.  What has
 * changed since is an error of the task when it runs.
 */
static void
find(JdgTask *t)
{
	JdgEndpoint e;

	char	   *name = jdg_json_get_text(t->payload, "endpoint");
	char	   *text = jdg_json_get_text(t->payload, "url");
	char	   *when_open = jdg_json_get_text(t->payload, "when_open");
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

const JdgTargetRules jdg_request_rules = {check, find};
