/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  The payload of an HTTP task as a struct, see payload.h.
 *
 * Runs in sessions and workers when a task is enqueued, and in the process of
 * HTTP when it is sent: the same rules twice, since a payload may have been
 * written by an older version.
 *
 * A key with JSON null is the same as no key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/errors.h"
#include "base/interval.h"
#include "base/json.h"
#include "base/subxact.h"
#include "blob/blob.h"
#include "endpoint/header.h"
#include "endpoint/url.h"
#include "request/body.h"
#include "request/payload.h"
#include "request/reader.h"

/* of all headers of a request */
#define HEADERS_MAX 200
#define HEADERS_BYTES_MAX (64 * 1024)

/* maximum length of an idempotency key, in bytes */
#define IDEMPOTENCY_KEY_MAX 255

typedef void (*ReadKey) (JdgPayload *p, const char *key, const JsonbValue *v);

static int
word_of(const char *key, const JsonbValue *v, const char *const *words,
		const char *hint)
{
	char	   *word = jdg_payload_string(key, v);

	for (int i = 0; words[i]; i++)
	{
		if (pg_strcasecmp(word, words[i]) == 0)
			return i;
	}
	jdg_payload_fault_at(key, "It is none of the words that are possible.", word, hint);
	return 0;
}

/* ------------------------------------------------------------ where it goes */

static void
read_endpoint(JdgPayload *p, const char *key, const JsonbValue *v)
{
	if (v->type != jbvString)
		jdg_payload_fault(key, "It is not a string.", NULL);
	p->endpoint = pnstrdup(v->val.string.val, v->val.string.len);
}

static void
read_url(JdgPayload *p, const char *key, const JsonbValue *v)
{
	JdgUrl		url;
	JdgUrlFault fault;

	p->url = jdg_payload_string(key, v);
	if (jdg_url_parse(p->url, strlen(p->url), &url, &fault))
		return;
	/* the URL may have a secret in it that the user wrote by mistake */
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s The fault is at byte %zu.", fault.what,
					   fault.position + 1),
			 fault.hint ? errhint("%s", fault.hint) : 0));
}

static void
read_path(JdgPayload *p, const char *key, const JsonbValue *v)
{
	p->path = jdg_payload_string(key, v);
}

static void
read_params(JdgPayload *p, const char *key, const JsonbValue *v)
{
	ListCell   *lc;

	p->params = jdg_payload_fields(key, v);
	foreach(lc, p->params)
	{
		const JdgField *f = lfirst(lc);

		/* these would lead to another resource */
		if (f->value[0] == '\0' || strcmp(f->value, ".") == 0 ||
			strcmp(f->value, "..") == 0)
			jdg_payload_fault_parameter(key, "A parameter of the path is empty, or has only dots.",
										f->name, NULL);
	}
}

static void
read_query(JdgPayload *p, const char *key, const JsonbValue *v)
{
	p->query = jdg_payload_fields(key, v);
}

static const char *const methods[] = {
	"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", NULL
};

static void
read_method(JdgPayload *p, const char *key, const JsonbValue *v)
{
	p->method = methods[word_of(key, v, methods,
								"The methods are GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS.")];
}

/* ------------------------------------------------------------------ headers */

static void
check_header(const char *key, const JdgField *f)
{
	size_t		len = strlen(f->name);

	if (!jdg_header_is_name(f->name, len))
		jdg_payload_fault_header(key, "A name of a header is not valid.", f->name,
								 "Names have letters, digits and some punctuation, and no spaces.");
	if (jdg_header_is_reserved(f->name, len))
		jdg_payload_fault_header(key, "A header belongs to the connection, and cannot be set.",
								 f->name, NULL);
	if (jdg_header_is_credential(f->name, len))
		jdg_payload_fault_header(key, "A header has credentials, which a payload must not have.",
								 f->name,
								 "Give them in a user mapping of the endpoint: CREATE USER MAPPING.");
	if (!jdg_header_is_value(f->value, strlen(f->value)))
		jdg_payload_fault_header(key, "The value of a header has a control character.",
								 f->name, NULL);
}

static void
read_headers(JdgPayload *p, const char *key, const JsonbValue *v)
{
	size_t		bytes = 0;
	ListCell   *lc;

	p->headers = jdg_payload_fields(key, v);
	foreach(lc, p->headers)
	{
		const JdgField *f = lfirst(lc);
		ListCell   *other;

		check_header(key, f);
		bytes += strlen(f->name) + strlen(f->value) + 4;
		if (list_length(p->headers) > HEADERS_MAX || bytes > HEADERS_BYTES_MAX)
			jdg_payload_fault(key, "There are more than 200 headers, or more than 64 kB of them.",
							  NULL);
		foreach(other, p->headers)
		{
			const JdgField *g = lfirst(other);

			if (strcmp(f->name, g->name) != 0 &&
				pg_strcasecmp(f->name, g->name) == 0)
				jdg_payload_fault_header(key, "A header is there twice, in different cases.",
										 f->name, "Give several values as an array.");
		}
	}
}

/* --------------------------------------------------------------------- body */

/* A key that gives a body; there can be one. */
static void
set_body(JdgPayload *p, const char *key, JdgBodyKind kind)
{
	if (p->body_kind != JDG_BODY_NONE)
		jdg_payload_fault(key, "The request has another body already.",
						  "Give one of body, body_text, body_base64, body_blob, form and multipart.");
	p->body_kind = kind;
}

static void
read_body(JdgPayload *p, const char *key, const JsonbValue *v)
{
	set_body(p, key, JDG_BODY_JSON);
	p->json = JsonbValueToJsonb(unconstify(JsonbValue *, v));
}

static void
read_body_text(JdgPayload *p, const char *key, const JsonbValue *v)
{
	set_body(p, key, JDG_BODY_TEXT);
	p->bytes = jdg_payload_string(key, v);
	p->size = strlen(p->bytes);
}

static void
read_body_base64(JdgPayload *p, const char *key, const JsonbValue *v)
{
	set_body(p, key, JDG_BODY_BASE64);
	p->bytes = jdg_payload_base64(key, v, &p->size);
}

static void
read_body_blob(JdgPayload *p, const char *key, const JsonbValue *v)
{
	set_body(p, key, JDG_BODY_BLOB);
	p->blob_id = jdg_payload_id(key, v);
}

static void
read_form(JdgPayload *p, const char *key, const JsonbValue *v)
{
	set_body(p, key, JDG_BODY_FORM);
	p->bytes = jdg_body_of_form(jdg_payload_fields(key, v), &p->size);
}

static void
read_multipart(JdgPayload *p, const char *key, const JsonbValue *v)
{
	List	   *elements;
	ListCell   *lc;

	set_body(p, key, JDG_BODY_MULTIPART);
	elements = jdg_payload_elements(key, v);
	foreach(lc, elements)
	{
		p->parts = lappend(p->parts, jdg_body_read_part(key, lfirst(lc)));
	}
	if (p->parts == NIL)
		jdg_payload_fault(key, "It has no parts.", NULL);
}

static void
read_content_type(JdgPayload *p, const char *key, const JsonbValue *v)
{
	p->content_type = jdg_payload_string(key, v);
	jdg_blob_check_type(key, p->content_type);
}

/* ---------------------------------------------------------------- the answer */

/* Is it a status such as 204, or a class such as 2xx? */
static bool
is_status(const char *s)
{
	if (strlen(s) != 3 || s[0] < '1' || s[0] > '5')
		return false;
	return pg_strcasecmp(s + 1, "xx") == 0 ||
		(s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9');
}

static void
read_expect(JdgPayload *p, const char *key, const JsonbValue *v)
{
	List	   *elements = jdg_payload_elements(key, v);
	ListCell   *lc;

	foreach(lc, elements)
	{
		char	   *status = jdg_payload_scalar(key, lfirst(lc));

		if (!is_status(status))
			jdg_payload_fault_at(key, "An element is no status.", status,
								 "Write statuses like 204, and classes of them like 2xx.");
		p->expect = lappend(p->expect, status);
	}
	if (p->expect == NIL)
		jdg_payload_fault(key, "It has no element.", NULL);
}

static void
read_response(JdgPayload *p, const char *key, const JsonbValue *v)
{
	static const char *const words[] = {
		"auto", "json", "text", "base64", "blob", "none", NULL
	};

	p->response = (JdgResponseKind) word_of(key, v, words,
											"The words are auto, json, text, base64, blob and none.");
}

static void
read_when_open(JdgPayload *p, const char *key, const JsonbValue *v)
{
	static const char *const words[] = {"wait", "fail", NULL};

	p->fail_when_open = word_of(key, v, words, "The words are wait and fail.") == 1;
}

/* an interval that a text stands for */
typedef struct IntervalText
{
	char	   *text;
	Interval   *iv;
} IntervalText;

static void
parse_interval(void *arg)
{
	IntervalText *t = arg;

	t->iv = DatumGetIntervalP(DirectFunctionCall3(interval_in,
												  CStringGetDatum(t->text),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
}

/* Seconds, or a text that is an interval. */
static void
read_timeout(JdgPayload *p, const char *key, const JsonbValue *v)
{
	IntervalText t = {NULL, NULL};

	t.text = jdg_payload_scalar(key, v);
	if (v->type == jbvNumeric)
		t.text = psprintf("%s s", t.text);
	if (v->type == jbvBool ||
		jdg_in_subxact(parse_interval, &t, CurrentMemoryContext) != NULL)
		jdg_payload_fault_at(key, "It is no interval.", t.text,
							 "Write it like \"5 s\", or as a number of seconds.");
	p->timeout_us = jdg_interval_us(jdg_check_interval(key, t.iv, false));
}

static void
read_idempotency_key(JdgPayload *p, const char *key, const JsonbValue *v)
{
	size_t		len;

	p->idempotency_key = jdg_payload_string(key, v);
	len = strlen(p->idempotency_key);
	for (size_t i = 0; i < len; i++)
	{
		if (p->idempotency_key[i] <= ' ' || p->idempotency_key[i] > '~')
			len = 0;
	}
	if (len == 0 || len > IDEMPOTENCY_KEY_MAX)
		jdg_payload_fault(key, "It is not 1 to 255 characters of ASCII without spaces.",
						  NULL);
}

static const struct
{
	const char *key;
	ReadKey		read;
}			keys[] =

{
	{"endpoint", read_endpoint},
	{"url", read_url},
	{"path", read_path},
	{"params", read_params},
	{"query", read_query},
	{"method", read_method},
	{"headers", read_headers},
	{"body", read_body},
	{"body_text", read_body_text},
	{"body_base64", read_body_base64},
	{"body_blob", read_body_blob},
	{"form", read_form},
	{"multipart", read_multipart},
	{"content_type", read_content_type},
	{"expect", read_expect},
	{"response", read_response},
	{"when_open", read_when_open},
	{"timeout", read_timeout},
	{"idempotency_key", read_idempotency_key},
};

/* Reads one key of the payload, whose value is not null. */
static void
read_key(JdgPayload *p, const JsonbValue *name, const JsonbValue *v)
{
	char	   *key = pnstrdup(name->val.string.val, name->val.string.len);

	for (int i = 0; i < lengthof(keys); i++)
	{
		if (strcmp(keys[i].key, key) == 0)
		{
			keys[i].read(p, keys[i].key, v);
			return;
		}
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("unrecognized key \"%s\" of a request", jdg_excerpt(key)),
			 errhint("The keys are endpoint, url, path, params, query, method, headers, body, body_text, body_base64, body_blob, form, multipart, content_type, expect, response, when_open, timeout and idempotency_key.")));
}

/* The method of a request that names none. */
static const char *
default_method(bool has_body)
{
	return has_body ? "POST" : "GET";
}

/* Rules about several keys, and defaults. */
static void
check_together(JdgPayload *p)
{
	if (p->endpoint == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the request has no endpoint"),
				 errhint("Give the name of a server of the wrapper jadugar_http as \"endpoint\".")));
	if (p->url != NULL && p->path != NULL)
		jdg_payload_fault("path", "The request has a url, which contains the path.", NULL);
	if (p->url != NULL && p->params != NIL)
		jdg_payload_fault("params", "The request has a url, which has no parameters.", NULL);
	if (p->method == NULL)
		p->method = default_method(p->body_kind != JDG_BODY_NONE);
	if (p->body_kind != JDG_BODY_NONE &&
		(strcmp(p->method, "GET") == 0 || strcmp(p->method, "HEAD") == 0))
		jdg_payload_fault("method", "A request with a body cannot be GET or HEAD.",
						  "Leave the method out, and it is POST.");
	if (p->content_type != NULL && (p->body_kind == JDG_BODY_NONE ||
									p->body_kind == JDG_BODY_MULTIPART))
		jdg_payload_fault("content_type", "The request has no body, or one that has a type of its own.",
						  NULL);
}

void
jdg_payload_read(const Jsonb *json, JdgPayload *p)
{
	JsonbIterator *it;
	JsonbValue	item;

	memset(p, 0, sizeof(*p));
	if (json == NULL || !JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("the payload of a request is not an object")));
	it = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	(void) JsonbIteratorNext(&it, &item, true);
	while (JsonbIteratorNext(&it, &item, true) == WJB_KEY)
	{
		JsonbValue	value;

		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type != jbvNull)
			read_key(p, &item, &value);
	}
	check_together(p);
}

/* Does the body of a request have this key? */
static bool
is_body_key(const JsonbValue *name)
{
	static const char *const bodies[] = {
		"body", "body_text", "body_base64", "body_blob", "form", "multipart"
	};

	for (int i = 0; i < lengthof(bodies); i++)
	{
		if (strlen(bodies[i]) == name->val.string.len &&
			memcmp(bodies[i], name->val.string.val, name->val.string.len) == 0)
			return true;
	}
	return false;
}

const char *
jdg_payload_method(const Jsonb *json)
{
	char	   *word = jdg_json_get_text(json, "method");
	bool		has_body = false;
	JsonbIterator *it;
	JsonbValue	item;

	for (int i = 0; word != NULL && methods[i]; i++)
	{
		if (pg_strcasecmp(word, methods[i]) == 0)
			return methods[i];
	}
	it = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	(void) JsonbIteratorNext(&it, &item, true);
	while (JsonbIteratorNext(&it, &item, true) == WJB_KEY)
	{
		JsonbValue	value;

		(void) JsonbIteratorNext(&it, &value, true);
		has_body |= value.type != jbvNull && is_body_key(&item);
	}
	return default_method(has_body);
}

bool
jdg_method_is_unsafe(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0;
}
