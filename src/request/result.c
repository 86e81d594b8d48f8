/*-------------------------------------------------------------------------
 *
 * result.c
 *	  The result of an HTTP task, see response.h.
 *
 * The request has had its effect, so nothing of the response fails the task:
 * what is no valid JSON is text, what is no valid text is base64, and what is
 * too long is cut.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/subxact.h"
#include "blob/blob.h"
#include "request/encode.h"
#include "request/hide.h"
#include "request/response.h"
#include "request/text.h"

/* kept of all headers, of one value, and left for other fields; in bytes */
#define HEADERS_MAX (16 * 1024)
#define HEADER_MAX 4096
#define FIELDS_ROOM 512

/* values of a JSON document that is parsed; one takes some 100 bytes */
#define VALUES_MAX (2 * 1024 * 1024)

/* the body of a result */
typedef struct Kept
{
	const char *encoding;
	Jsonb	   *json;			/* of one of these: its value */
	char	   *text;
	bool		truncated;
} Kept;

/* ------------------------------------------------------------------ headers */

static bool
is_kept(const JdgEndpoint *e, const JdgLine *line)
{
	static const char *const names[] = {
		"content-type", "content-length", "date", "etag", "last-modified",
		"location", "retry-after", "x-request-id", NULL
	};
	ListCell   *lc;

	for (int i = 0; names[i]; i++)
	{
		if (jdg_line_is(line, names[i]))
			return true;
	}
	foreach(lc, e->keep_headers)
	{
		if (jdg_line_is(line, lfirst(lc)))
			return true;
	}
	return false;
}

/* The name of a header in lower case, or NULL if it is not kept. */
static char *
kept_name(const JdgEndpoint *e, const JdgLine *line)
{
	char	   *name;

	if (!jdg_line_is(line, "set-cookie") && !is_kept(e, line))
		return NULL;
	name = pnstrdup(line->name, line->name_len);
	for (char *c = name; *c; c++)
		*c = (char) pg_ascii_tolower((unsigned char) *c);
	return name;
}

/* Values of one header are put together, as RFC 9110 allows. */
static char *
value_of(const JdgRequest *r, const JdgResponse *resp, const JdgLine *first)
{
	bool		cookie = jdg_line_is(first, "set-cookie");
	size_t		at = 0;
	char	   *value = NULL;
	char	   *name = pnstrdup(first->name, first->name_len);
	JdgLine		line;

	while (jdg_response_next(resp, &at, &line))
	{
		size_t		len = line.value_len;
		char	   *one;

		if (!jdg_line_is(&line, name))
			continue;

		/*
		 * of a cookie the name only: its value is a secret, as one without
		 * name
		 */
		if (cookie)
		{
			const char *end = memchr(line.value, '=', len);

			if (end == NULL)
				continue;
			len = (size_t) (end - line.value);
		}
		one = jdg_text_of_line(line.value, len);
		jdg_hide_in_text(r->hidden, one);
		value = value ? psprintf("%s, %s", value, one) : one;
		if (strlen(value) > HEADER_MAX)
			return jdg_text_cut(value, HEADER_MAX);
	}
	return value ? value : pstrdup("");
}

Jsonb *
jdg_response_headers(const JdgRequest *r, const JdgEndpoint *e,
					 const JdgResponse *resp)
{
	JsonbParseState *st;
	List	   *seen = NIL;
	size_t		at = 0;
	size_t		bytes = 0;
	JdgLine		line;

	jdg_json_begin(&st);
	while (jdg_response_next(resp, &at, &line))
	{
		char	   *name = kept_name(e, &line);
		char	   *value;
		ListCell   *lc;
		bool		again = false;

		if (name == NULL)
			continue;
		foreach(lc, seen)
			again |= strcmp(lfirst(lc), name) == 0;
		if (again)
			continue;
		seen = lappend(seen, name);
		value = value_of(r, resp, &line);
		bytes += strlen(name) + strlen(value);
		if (bytes > HEADERS_MAX)
			break;
		jdg_json_text(&st, name, value);
	}
	return jdg_json_finish(&st);
}

/* --------------------------------------------------------------------- body */

/* The parameter "charset" of the Content-Type, or NULL. */
static char *
charset_of(const JdgLine *type)
{
	char	   *text = pnstrdup(type->value, type->value_len);
	char	   *at = text;

	while ((at = strchr(at, ';')) != NULL)
	{
		at += 1 + strspn(at + 1, " \t");
		if (pg_strncasecmp(at, "charset", 7) != 0)
			continue;
		at += 7 + strspn(at + 7, " \t");
		if (*at != '=')
			continue;
		at += 1 + strspn(at + 1, " \t");
		at += *at == '"';
		at[strcspn(at, "\"; \t")] = '\0';
		return at[0] ? at : NULL;
	}
	return NULL;
}

/* Is it application/json, text/json or one of the types with +json? */
static bool
is_json_type(const JdgLine *type)
{
	size_t		len = 0;

	while (len < type->value_len && strchr("; \t", type->value[len]) == NULL)
		len++;
	if (len == 16 && pg_strncasecmp(type->value, "application/json", len) == 0)
		return true;
	if (len == 9 && pg_strncasecmp(type->value, "text/json", len) == 0)
		return true;
	return len > 5 && pg_strncasecmp(type->value + len - 5, "+json", 5) == 0;
}

typedef struct ParseJson
{
	char	   *text;
	MemoryContext mcxt;
	Jsonb	   *value;
} ParseJson;

static void
parse_json(void *arg)
{
	ParseJson  *p = arg;
	MemoryContext old = MemoryContextSwitchTo(p->mcxt);

	p->value = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(p->text)));
	MemoryContextSwitchTo(old);
}

/* Has the text so many values that parsing it would take too much memory? */
static bool
has_too_many_values(const char *text)
{
	int			n = 0;

	for (; *text &&n <= VALUES_MAX; text ++)
		n += *text == ',' || *text == ':' || *text == '[' || *text == '{';
	return n > VALUES_MAX;
}

/*
 * The text as a value, or NULL: it is no JSON, or none that jsonb, the encoding
 * of the database or the memory can hold.  Only what ends this process, such as
 * a shutdown, is passed on.
 */
static Jsonb *
json_of(char *string)
{
	ParseJson	p = {string, CurrentMemoryContext, NULL};
	ErrorData  *edata;

	if (has_too_many_values(string))
		return NULL;
	edata = jdg_in_subxact(parse_json, &p, CurrentMemoryContext);
	if (edata == NULL)
		return p.value;
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(edata);
	return NULL;
}

/* The beginning of a body of base64 that has at most so many bytes. */
static void
keep_base64(const JdgResponse *resp, size_t max, Kept *kept)
{
	size_t		len = Min(resp->body_len, max / 4 * 3);
	char	   *text = MemoryContextAllocHuge(CurrentMemoryContext,
											  JDG_BASE64_SIZE(len) + 1);

	text[		jdg_base64_encode(resp->body, len, text)] = '\0';

	kept->encoding = "base64";
	kept->text = text;

	kept->truncated |= len < resp->body_len;
}

/* The body as JSON or text, or base64 if it is neither. */
static void
keep_text(const JdgRequest *r, const JdgResponse *resp, size_t max, Kept *kept)
{
	JdgLine		type = {0};
	bool		typed = jdg_response_header(resp, "Content-Type", &type);
	bool		json = r->response == JDG_RESPONSE_JSON ||
	(r->response == JDG_RESPONSE_AUTO && typed && is_json_type(&type));
	char	   *text = jdg_text_of_bytes(resp->body, resp->body_len,
										 typed && !json ? charset_of(&type) : NULL,
										 resp->truncated);

	if (text == NULL)
	{
		keep_base64(resp, max, kept);
		return;
	}
	if (json && !resp->truncated)
		kept->json = json_of(text);
	if (kept->json != NULL)
		kept->json = jdg_hide_in_json(r->hidden, kept->json);
	if (kept->json != NULL && VARSIZE(kept->json) <= max &&
		jdg_json_text_size(kept->json, (int64) max) <= (int64) max)
	{
		kept->encoding = "json";
		return;
	}
	kept->json = NULL;
	kept->encoding = "text";
	jdg_hide_in_text(r->hidden, text);
	kept->truncated |= strlen(text) > max;
	kept->text = jdg_text_cut(text, max);
}

/* The body as a blob of the task's owner; without room there is none. */
static void
keep_blob(const JdgTask *task, const JdgResponse *resp, Kept *kept)
{
	bytea	   *data = palloc(resp->body_len + VARHDRSZ);
	TimestampTz now = jdg_now();
	JdgLine		line;
	char	   *type = NULL;
	int64		id;

	SET_VARSIZE(data, resp->body_len + VARHDRSZ);
	memcpy(VARDATA(data), resp->body, resp->body_len);
	if (jdg_response_header(resp, "Content-Type", &line))
		type = jdg_text_of_line(line.value, line.value_len);
	if (type != NULL && !jdg_blob_is_type(type))
		type = NULL;
	id = jdg_blob_write(task->owner, task->tenant, type, data, now,
						now + JDG_BLOB_RESPONSE_TTL);
	kept->truncated |= id == 0;
	if (id == 0)
		return;
	kept->encoding = "blob";
	kept->json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													CStringGetDatum(psprintf(INT64_FORMAT, id))));
}

/* What is kept of the body, in at most so many bytes. */
static void
keep_body(const JdgTask *task, const JdgRequest *r, const JdgResponse *resp,
		  size_t max, Kept *kept)
{
	kept->encoding = "none";
	kept->truncated = resp->truncated && r->response != JDG_RESPONSE_NONE;
	if (resp->body_len == 0)
		return;
	switch (r->response)
	{
		case JDG_RESPONSE_NONE:
			break;
		case JDG_RESPONSE_BLOB:
			keep_blob(task, resp, kept);
			break;
		case JDG_RESPONSE_BASE64:
			keep_base64(resp, max, kept);
			break;
		case JDG_RESPONSE_AUTO:
		case JDG_RESPONSE_JSON:
		case JDG_RESPONSE_TEXT:
			keep_text(r, resp, max, kept);
			break;
	}
}

Jsonb *
jdg_response_result(const JdgTask *task, const JdgRequest *r,
					const JdgEndpoint *e, const JdgResponse *resp)
{
	Jsonb	   *headers = jdg_response_headers(r, e, resp);
	size_t		max = Max(resp->body_len * 4, (size_t) r->max_response);
	Kept		kept = {0};
	JsonbParseState *st;

	if (r->max_kept > 0)
		max = (size_t) Max(r->max_kept - (int64) VARSIZE(headers) - FIELDS_ROOM, 0);
	keep_body(task, r, resp, max, &kept);
	jdg_json_begin(&st);
	jdg_json_int64(&st, "status", resp->status);
	jdg_json_jsonb(&st, "headers", headers);
	jdg_json_jsonb(&st, "body", kept.json);
	jdg_json_text(&st, "body", kept.text);
	jdg_json_text(&st, "encoding", kept.encoding);
	jdg_json_int64(&st, "size", resp->size);
	jdg_json_bool(&st, "truncated", kept.truncated);
	jdg_json_int64(&st, "ms", (resp->us + 999) / 1000);
	return jdg_json_finish(&st);
}
