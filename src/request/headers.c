/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  Headers of a request, see headers.h.
 *
 * There are three sources: the payload, the endpoint, and jadugar.  A header of
 * the payload takes the place of one of the same name from the others, and one
 * of the endpoint that of jadugar's.  Credentials come from the user mapping
 * only, and nothing takes their place.
 *
 * All attempts of a task send the same idempotency key, which names the task in
 * its database.  Steps of a flow have the number of their row in it, since a
 * step that is passed twice makes two requests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "access/identity.h"
#include "base/trace.h"
#include "endpoint/header.h"
#include "request/encode.h"
#include "request/headers.h"
#include "request/reader.h"

/* maximum length of a trace that is sent, in bytes */
#define CORRELATION_MAX 256

void
jdg_headers_check(const JdgPayload *p, const JdgEndpoint *e)
{
	ListCell   *lc;

	foreach(lc, p->headers)
	{
		const JdgField *f = lfirst(lc);

		if (pg_strcasecmp(f->name, e->api_key_header) == 0)
			jdg_payload_fault_header("headers", "A header carries the key of the endpoint's API, which a payload must not have.",
									 f->name,
									 "Give it in a user mapping of the endpoint: CREATE USER MAPPING.");
	}
}

bool
jdg_headers_has(const JdgPayload *p, const char *name)
{
	ListCell   *lc;

	foreach(lc, p->headers)
	{
		if (pg_strcasecmp(((JdgField *) lfirst(lc))->name, name) == 0)
			return true;
	}
	return false;
}

/* A text of the endpoint or the user mapping as it is sent. */
static const char *
utf8(const char *text)
{
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

/* Is it a line of this header? */
static bool
is_line_of(const char *line, const char *name)
{
	size_t		len = strlen(name);

	return pg_strncasecmp(line, name, len) == 0 &&
		(line[len] == ':' || line[len] == ';');
}

static bool
has_line(List *lines, const char *name)
{
	ListCell   *lc;

	foreach(lc, lines)
	{
		if (is_line_of(lfirst(lc), name))
			return true;
	}
	return false;
}

static List *
add(List *lines, const char *name, const char *value)
{
	/* libcurl would leave out a header without a value, or with spaces only */
	return lappend(lines, value[strspn(value, " \t")] == '\0' ? psprintf("%s;", name) :
				   psprintf("%s: %s", name, value));
}

/* Adds a header of jadugar's, unless there is one. */
static List *
add_own(List *lines, const char *name, const char *value)
{
	return value == NULL || has_line(lines, name) ? lines : add(lines, name, value);
}

/* Adds the headers that the endpoint gives, unless the payload has them. */
static List *
add_endpoints(List *lines, const JdgPayload *p, const JdgEndpoint *e)
{
	ListCell   *lc;

	foreach(lc, e->headers)
	{
		const char *line = utf8(lfirst(lc));
		char	   *name = pnstrdup(line, strcspn(line, ":"));
		const char *value = line + strlen(name);

		value += strspn(value, ": \t");
		if (!jdg_headers_has(p, name))
			lines = add(lines, name, value);
	}
	return lines;
}

/* Adds what the user mapping has, in place of what stands there. */
static List *
add_credentials(List *lines, const JdgEndpoint *e, const JdgSecrets *s)
{
	if (s->bearer_token)
		lines = add(lines, "Authorization", psprintf("Bearer %s", utf8(s->bearer_token)));
	else if (s->user || s->password)
	{
		const char *both = utf8(psprintf("%s:%s", s->user ? s->user : "",
										 s->password ? s->password : ""));
		char	   *text = palloc(JDG_BASE64_SIZE(strlen(both)) + 1);

		text[		jdg_base64_encode(both, strlen(both), text)] = '\0';

		lines = add(lines, "Authorization", psprintf("Basic %s", text));
	}
	if (s->api_key)
		lines = add(lines, e->api_key_header, utf8(s->api_key));
	return lines;
}

/* The idempotency key of a task, which all its attempts send. */
static char *
idempotency_key(const JdgTask *task, const JdgPayload *p, const JdgEndpoint *e,
				const pg_uuid_t *database)
{
	StringInfoData s;
	uint8		d[16];
	char	   *id;

	if (p->idempotency_key)
		return p->idempotency_key;
	initStringInfo(&s);
	if (task->flow_run != 0)
	{
		appendStringInfo(&s, INT64_FORMAT ":" INT64_FORMAT, task->flow_run, task->step_id);
		/* a compensation has the row of the step that it undoes */
		if (task->flow_data == JDG_DATA_UNDO_GIVEN)
			appendStringInfoString(&s, ":undo");
	}
	else
		appendStringInfo(&s, INT64_FORMAT, task->task_id);
	if (e->idempotency_format == JDG_IDEMPOTENCY_UUID)
	{
		jdg_trace_digest(database, s.data, d);
		/* version 8, of one's own making */
		d[6] = (d[6] & 0x0f) | 0x80;
		d[8] = (d[8] & 0x3f) | 0x80;
		return jdg_uuid_text((const pg_uuid_t *) d);
	}
	id = jdg_uuid_text(database);
	return psprintf("%s:%s", id, s.data);
}

/* The trace of a task as it is sent, or NULL. */
static char *
correlation(const JdgTask *task, char *trace_id)
{
	char		parsed[JDG_TRACE_ID_SIZE];
	uint8		flags;
	char	   *text;

	if (task->trace == NULL || jdg_trace_parse(task->trace, parsed, &flags))
		return trace_id;
	text = pg_server_to_any(pstrdup(task->trace), (int) strlen(task->trace), PG_UTF8);

	if (strlen(text) > CORRELATION_MAX || text[0] == '\0' ||
		!jdg_header_is_value(text, strlen(text)))
		return NULL;
	return text;
}

List *
jdg_headers_make(const JdgTask *task, const JdgPayload *p, const JdgEndpoint *e,
				 const JdgSecrets *s, const JdgBody *body)
{
	List	   *lines = NIL;
	char		traceparent[JDG_TRACEPARENT_SIZE];
	char	   *trace_id = palloc(JDG_TRACE_ID_SIZE);
	pg_uuid_t	database;
	ListCell   *lc;

	jdg_database_id(&database);
	jdg_trace_of_attempt(&database, task->task_id, task->attempt, task->trace,
						 traceparent, trace_id);
	foreach(lc, p->headers)
	{
		const JdgField *f = lfirst(lc);

		lines = add(lines, f->name, f->value);
	}
	lines = add_endpoints(lines, p, e);
	if (p->content_type || !has_line(lines, "Content-Type"))
		lines = body->type ? add(lines, "Content-Type", body->type) : lines;
	lines = add_own(lines, "User-Agent", "jadugar/" JDG_VERSION);
	lines = add_own(lines, "traceparent", traceparent);
	lines = add_own(lines, "X-Correlation-ID", correlation(task, trace_id));
	lines = add_own(lines, e->idempotency_header,
					idempotency_key(task, p, e, &database));
	lines = add_credentials(lines, e, s);
	/* libcurl would wait for a 100 before it sends a large body */
	return lappend(lines, pstrdup("Expect:"));
}
