/*-------------------------------------------------------------------------
 *
 * request_funcs.c
 *	  What a payload would send, and what a response would become: functions
 *	  for tests, which only superusers may call.
 *
 * Nothing is sent.  Credentials are not in the results.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/json.h"
#include "handler/command.h"
#include "request/encode.h"
#include "request/request.h"
#include "request/response.h"
#include "request/text.h"

PG_FUNCTION_INFO_V1(jdg_request_of);
PG_FUNCTION_INFO_V1(jdg_response_of);

/* The request of a task with this payload, of the current role. */
static void
build(Jsonb *payload, const char *trace, int64 flow_run, JdgTask *t, JdgEndpoint *e,
	  JdgRequest *r)
{
	JdgRequestTarget target;
	JdgSecrets	s;

	memset(t, 0, sizeof(*t));
	t->task_id = 42;
	t->command_id = jdg_command_id(JDG_REQUEST_HANDLER, JDG_COMMAND_HTTP, false);
	t->owner = GetUserId();
	t->attempt = 1;
	t->payload = payload;
	t->trace = unconstify(char *, trace);
	t->flow_run = flow_run;
	t->step_id = 7;
	jdg_request_enqueue_target(payload, t->owner, &target);
	if (!jdg_endpoint_get(target.endpoint_id, e))
		elog(ERROR, "endpoint %d has no server", target.endpoint_id);
	jdg_endpoint_secrets(e, t->owner, &s);
	jdg_request_build(t, payload, e, &s, r);
}

/* The headers, one a line, without credentials. */
static char *
shown_headers(const JdgRequest *r, const JdgEndpoint *e)
{
	StringInfoData s;
	ListCell   *lc;

	initStringInfo(&s);
	foreach(lc, r->headers)
	{
		const char *line = lfirst(lc);
		char	   *name = pnstrdup(line, strcspn(line, ":;"));
		bool		secret = pg_strcasecmp(name, "Authorization") == 0 ||
		pg_strcasecmp(name, e->api_key_header) == 0;

		appendStringInfo(&s, "%s%s\n", secret ? name : line, secret ? ": (secret)" : "");
	}
	return jdg_text_of_bytes(s.data, (size_t) s.len, NULL, false);
}

/* _request(payload, trace, flow_run) */
Datum
jdg_request_of(PG_FUNCTION_ARGS)
{
	JdgTask		t;
	JdgEndpoint e;
	JdgRequest	r;
	JsonbParseState *st;
	char	   *body;

	build(jdg_arg_jsonb(fcinfo, 0), jdg_arg_text(fcinfo, 1), PG_GETARG_INT64(2),
		  &t, &e, &r);
	body = palloc(JDG_BASE64_SIZE(r.body_len) + 1);
	body[jdg_base64_encode(r.body, r.body_len, body)] = '\0';
	jdg_json_begin(&st);
	jdg_json_text(&st, "method", r.method);
	jdg_json_text(&st, "url", r.url);
	jdg_json_text(&st, "shown", r.shown);
	jdg_json_text(&st, "headers", shown_headers(&r, &e));
	jdg_json_text(&st, "body", r.has_body ? body : NULL);
	jdg_json_int64(&st, "timeout_ms", r.timeout_us / 1000);
	jdg_json_int64(&st, "max_response", r.max_response);
	jdg_json_bool(&st, "unsafe", r.unsafe);
	jdg_json_bool(&st, "fail_when_open", r.fail_when_open);
	PG_RETURN_JSONB_P(jdg_json_finish(&st));
}

/* _response(payload, status, headers, body, truncated) */
Datum
jdg_response_of(PG_FUNCTION_ARGS)
{
	static const char *const classes[] = {"completed", "retry", "final"};
	static const char *const healths[] = {"good", "bad", "nothing"};
	char	   *headers = jdg_need_text(fcinfo, 2, "_response", "headers");
	bytea	   *body = PG_GETARG_BYTEA_PP(3);
	JdgTask		t;
	JdgEndpoint e;
	JdgRequest	r;
	JdgResponse resp = {0};
	JdgCallHealth health;
	JdgCallClass class;
	JsonbParseState *st;
	int64		wait;
	bool		waits;

	build(jdg_arg_jsonb(fcinfo, 0), NULL, 0, &t, &e, &r);
	resp.status = PG_GETARG_INT32(1);
	resp.headers = headers;
	resp.headers_len = strlen(headers);
	resp.body = VARDATA_ANY(body);
	resp.body_len = VARSIZE_ANY_EXHDR(body);
	resp.size = (int64) resp.body_len;
	resp.truncated = PG_GETARG_BOOL(4);
	resp.us = 1500;
	class = jdg_response_class(&r, &resp, &health);
	waits = jdg_response_retry_after(&e, &resp, jdg_now(), &wait);
	jdg_json_begin(&st);
	jdg_json_text(&st, "class", classes[class]);
	jdg_json_text(&st, "health", healths[health]);
	if (waits)
		jdg_json_int64(&st, "retry_after", wait / USECS_PER_SEC);
	if (class == JDG_CALL_COMPLETED)
		jdg_json_jsonb(&st, "result", jdg_response_result(&t, &r, &e, &resp));
	else
		jdg_json_jsonb(&st, "error", jdg_response_error(&r, &e, &resp, waits ? wait : -1));
	PG_RETURN_JSONB_P(jdg_json_finish(&st));
}
