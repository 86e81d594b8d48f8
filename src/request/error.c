/*-------------------------------------------------------------------------
 *
 * error.c
 *	  Errors of attempts of HTTP tasks as documents, see response.h.
 *
 * They name the endpoint, the host and the path, and have no secret in them:
 * neither of the user mapping nor of the query.  What the service says is cut
 * to 2 kB.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/errors.h"
#include "base/json.h"
#include "request/hide.h"
#include "request/response.h"
#include "request/text.h"

/* kept of the body of a response, in bytes */
#define BODY_MAX 2048

static void
add_code(JsonbParseState **st, int sqlerrcode)
{
	jdg_json_text(st, "code", jdg_error_name(sqlerrcode));
	jdg_json_text(st, "sqlstate", unpack_sql_state(sqlerrcode));
}

/* The beginning of a body that is text; else NULL. */
static char *
body_text(const JdgRequest *r, const JdgResponse *resp)
{
	/* a secret may begin before the end, and end behind it */
	size_t		len = Min(resp->body_len, r->hidden ? 2 * BODY_MAX : BODY_MAX);
	char	   *text;

	if (len == 0)
		return NULL;
	text = jdg_text_of_bytes(resp->body, len, NULL,
							 resp->truncated || len < resp->body_len);

	if (text == NULL)
		return NULL;
	jdg_hide_in_text(r->hidden, text);
	return jdg_text_cut(text, BODY_MAX);
}

static const char *
hint_of_status(const JdgEndpoint *e, int status)
{
	if (status < 300 || status > 399 || status == 304)
		return NULL;
	if (e->redirects == 0)
		return "Set the option redirects of the server if jadugar is to follow redirects to the same host.";
	return "Redirects are followed to the same host only, as often as the option redirects of the server says.";
}

Jsonb *
jdg_response_error(const JdgRequest *r, const JdgEndpoint *e,
				   const JdgResponse *resp, int64 retry_after_us)
{
	JsonbParseState *st;

	jdg_json_begin(&st);
	add_code(&st, JDG_ERRCODE_HTTP_STATUS);
	jdg_json_text(&st, "message",
				  psprintf("endpoint \"%s\" answered with status %d", e->name,
						   resp->status));
	jdg_json_text(&st, "detail", psprintf("The request was %s.", r->shown));
	jdg_json_text(&st, "hint", hint_of_status(e, resp->status));
	jdg_json_text(&st, "kind", "status");
	jdg_json_int64(&st, "status", resp->status);
	jdg_json_text(&st, "body", body_text(r, resp));
	jdg_json_jsonb(&st, "headers", jdg_response_headers(r, e, resp));
	if (retry_after_us >= 0)
		jdg_json_int64(&st, "retry_after", (retry_after_us + USECS_PER_SEC - 1) / USECS_PER_SEC);
	jdg_json_bool(&st, "sent", true);
	return jdg_json_finish(&st);
}

/* the word of an end, and its message without the endpoint */
static const struct
{
	const char *kind;
	const char *message;
}			ends[] =

{
	[JDG_CALL_END_RESOLVE] = {"resolve", "could not resolve the host of endpoint \"%s\""},
	[JDG_CALL_END_CONNECT] = {"connect", "could not connect to endpoint \"%s\""},
	[JDG_CALL_END_TLS] = {"tls", "could not establish TLS with endpoint \"%s\""},
	[JDG_CALL_END_RESET] = {"reset", "the connection to endpoint \"%s\" ended before the response did"},
	[JDG_CALL_END_PROTOCOL] = {"protocol", "endpoint \"%s\" did not answer as HTTP says"},
	[JDG_CALL_END_TIMEOUT] = {"timeout", "endpoint \"%s\" did not answer in time"},
	[JDG_CALL_END_ADDRESS] = {"address", "endpoint \"%s\" may not connect to the address of its host"},
	[JDG_CALL_END_LOST] = {"lost", "the process died while it called endpoint \"%s\""},
};

static const char *
hint_of(const JdgRequest *r, const JdgEndpoint *e, JdgCallEnd end, bool sent)
{
	if (end == JDG_CALL_END_ADDRESS)
		return "See jadugar.http_allow_addresses and the options allow_addresses and deny_addresses of the server.";
	if (end == JDG_CALL_END_TIMEOUT && r->timeout_us < e->timeout_us)
		return "See the timeout of the task or of its payload, which is shorter than that of the server.";
	if (end == JDG_CALL_END_TIMEOUT)
		return "See the options timeout and connect_timeout of the server.";
	if (sent && r->unsafe)
		return "The request may have had its effect, so it is not repeated. See the option unsafe of the server.";
	return NULL;
}

Jsonb *
jdg_end_error(const JdgRequest *r, const JdgEndpoint *e, JdgCallEnd end,
			  bool sent, const char *phase, const char *message)
{
	JsonbParseState *st;
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "The request was %s.", r->shown);
	if (phase && phase[0])
		appendStringInfo(&detail, " It ended while %s.", phase);
	if (message && message[0])
		appendStringInfo(&detail, " The library says: %s",
						 jdg_text_of_line(message, Min(strlen(message), 256)));
	jdg_json_begin(&st);
	add_code(&st, jdg_end_sqlerrcode(end));
	jdg_json_text(&st, "message", psprintf(ends[end].message, e->name));
	jdg_json_text(&st, "detail", detail.data);
	jdg_json_text(&st, "hint", hint_of(r, e, end, sent));
	jdg_json_text(&st, "kind", ends[end].kind);
	jdg_json_bool(&st, "sent", sent);
	return jdg_json_finish(&st);
}
