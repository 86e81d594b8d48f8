/*-------------------------------------------------------------------------
 *
 * template.c
 *	  Requests of HTTP handlers, see template.h.
 *
 * Runs in sessions and workers when a task is enqueued, and in the process of
 * HTTP when its request is sent.  Nothing is evaluated here: a field is copied
 * to its place, and the rules of requests apply to the result.
 *
 * In the path a field becomes one of the parameters of the request, which
 * encodes it.  A value of the query or of the headers that is "{field}" as a
 * whole stands for the field; any other is a constant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/formatting.h"

#include "base/errors.h"
#include "base/json.h"
#include "endpoint/endpoint.h"
#include "handler/command.h"
#include "handler/payload.h"
#include "request/request.h"
#include "request/template.h"

const char *const jdg_template_bodies[] = {"rest", "all", "none", NULL};

/* a name that may not be terminated */
typedef struct FieldName
{
	const char *s;
	int			len;
} FieldName;

/* what jdg_template_fill() works on */
typedef struct Filling
{
	const JdgHandler *h;
	Jsonb	   *payload;
	List	   *used;			/* FieldName *: fields that have a place */
	JsonbParseState *st;		/* the result */
} Filling;

/* ----------------------------------------------------------------- reading */

/* Finds the next "{field}" in a path, and moves *at behind it. */
static bool
next_field(const char **at, FieldName *name)
{
	const char *begin = strchr(*at, '{');
	const char *end = begin ? strchr(begin, '}') : NULL;

	if (end == NULL)
		return false;
	name->s = begin + 1;
	name->len = (int) (end - begin - 1);
	*at = end + 1;
	return true;
}

/* Is the value "{field}"? */
static bool
is_field(const JsonbValue *v, FieldName *name)
{
	const char *s = v->val.string.val;
	int			len;

	if (v->type != jbvString)
		return false;
	len = v->val.string.len;
	if (len < 3 || s[0] != '{' || s[len - 1] != '}' ||
		memchr(s, '}', len) != &s[len - 1])
		return false;
	name->s = s + 1;
	name->len = len - 2;
	return true;
}

/* Raises VALIDATION_ERROR for a payload that has no fields. */
static void
need_object(const Filling *f)
{
	if (!JB_ROOT_IS_OBJECT(f->payload))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload must be a JSON object"),
				 errdetail("Handler \"%s\" uses fields of it.", f->h->name),
				 errhint("Write an object with one key for each field.")));
}

/* The value of a field of the payload, which is noted as used; or NULL. */
static JsonbValue *
get_field(Filling *f, const FieldName *name)
{
	FieldName  *used = palloc(sizeof(FieldName));

	need_object(f);
	*used = *name;
	f->used = lappend(f->used, used);
	return getKeyJsonValueFromContainer(&f->payload->root, name->s, name->len, NULL);
}

/* ----------------------------------------------------------------- filling */

static void
push_key(Filling *f, const char *key, int len)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, key);
	v.val.string.len = len;
	pushJsonbValue(&f->st, WJB_KEY, &v);
}

/* Raises VALIDATION_ERROR for a field that the path cannot have. */
static void
raise_unusable(const Filling *f, const FieldName *name, const JsonbValue *v)
{
	const char *field = pnstrdup(name->s, name->len);

	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 v == NULL ? errmsg("field \"%s\" of the payload is missing", field) :
			 errmsg("field \"%s\" of the payload must be a string, a number or a boolean",
					field),
			 errdetail("It is in the path of handler \"%s\".", f->h->name),
			 errhint("Correct the payload.")));
}

/* Pushes "params", the fields that the path has. */
static void
push_params(Filling *f, const char *path)
{
	FieldName	name;
	bool		any = false;

	while (next_field(&path, &name))
	{
		JsonbValue *v = get_field(f, &name);

		if (v == NULL || (v->type != jbvString && v->type != jbvNumeric &&
						  v->type != jbvBool))
			raise_unusable(f, &name, v);
		if (!any)
		{
			push_key(f, "params", strlen("params"));
			pushJsonbValue(&f->st, WJB_BEGIN_OBJECT, NULL);
		}
		any = true;
		push_key(f, name.s, name.len);
		pushJsonbValue(&f->st, WJB_VALUE, v);
	}
	if (any)
		pushJsonbValue(&f->st, WJB_END_OBJECT, NULL);
}

/*
 * Pushes the query or the headers.  A field that is missing or null is not
 * sent.
 */
static void
push_object(Filling *f, const char *key)
{
	Jsonb	   *object = jdg_json_get(f->h->request, key);
	JsonbIterator *it;
	JsonbValue	k;
	JsonbValue	v;

	if (object == NULL)
		return;
	push_key(f, key, strlen(key));
	pushJsonbValue(&f->st, WJB_BEGIN_OBJECT, NULL);
	it = JsonbIteratorInit(&object->root);
	(void) JsonbIteratorNext(&it, &k, true);
	while (JsonbIteratorNext(&it, &k, true) == WJB_KEY)
	{
		JsonbValue *value = &v;
		FieldName	name;

		(void) JsonbIteratorNext(&it, &v, true);
		if (is_field(&v, &name))
			value = get_field(f, &name);
		if (value == NULL)
			continue;
		push_key(f, k.val.string.val, k.val.string.len);
		pushJsonbValue(&f->st, WJB_VALUE, value);
	}
	pushJsonbValue(&f->st, WJB_END_OBJECT, NULL);
}

static bool
is_used(const Filling *f, const JsonbValue *key)
{
	ListCell   *lc;

	foreach(lc, f->used)
	{
		const FieldName *name = lfirst(lc);

		if (name->len == key->val.string.len &&
			memcmp(name->s, key->val.string.val, name->len) == 0)
			return true;
	}
	return false;
}

/* Pushes the fields that have no other place as the body. */
static void
push_rest(Filling *f)
{
	JsonbIterator *it;
	JsonbValue	k;
	JsonbValue	v;

	need_object(f);
	push_key(f, "body", strlen("body"));
	pushJsonbValue(&f->st, WJB_BEGIN_OBJECT, NULL);
	it = JsonbIteratorInit(&f->payload->root);
	(void) JsonbIteratorNext(&it, &k, true);
	while (JsonbIteratorNext(&it, &k, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		if (is_used(f, &k))
			continue;
		pushJsonbValue(&f->st, WJB_KEY, &k);
		pushJsonbValue(&f->st, WJB_VALUE, &v);
	}
	pushJsonbValue(&f->st, WJB_END_OBJECT, NULL);
}

Jsonb *
jdg_template_fill(const JdgHandler *h, Jsonb *payload)
{
	Filling		f = {h, payload};
	const char *path = jdg_json_get_text(h->request, "path");
	const char *body = jdg_json_get_text(h->request, "body");

	Assert(h->kind == JDG_HANDLER_HTTP);
	jdg_json_begin(&f.st);
	jdg_json_text(&f.st, "endpoint", jdg_json_get_text(h->request, "endpoint"));
	jdg_json_text(&f.st, "path", path);
	jdg_json_text(&f.st, "method", jdg_json_get_text(h->request, "method"));
	jdg_json_jsonb(&f.st, "expect", jdg_json_get(h->request, "expect"));
	push_params(&f, path);
	push_object(&f, "query");
	push_object(&f, "headers");
	if (strcmp(body, jdg_template_bodies[JDG_TEMPLATE_REST]) == 0)
		push_rest(&f);
	else if (strcmp(body, jdg_template_bodies[JDG_TEMPLATE_ALL]) == 0)
		jdg_json_jsonb(&f.st, "body", payload);
	return jdg_json_finish(&f.st);
}

Jsonb *
jdg_template_of_task(const JdgTask *t)
{
	const JdgCommand *c = jdg_command_get(t->command_id);
	JdgHandler *h;

	if (c->kind == JDG_COMMAND_HTTP)
		return t->payload;
	h = jdg_handler_get(c->text, t->owner);
	if (h == NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_NOT_FOUND),
				 errmsg("handler \"%s\" does not exist", c->text),
				 errhint("Register it again, then retry the task.")));
	if (h->kind != JDG_HANDLER_HTTP)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("handler \"%s\" does not send requests", c->text),
				 errdetail("When the task was enqueued, it did."),
				 errhint("Enqueue the task again.")));
	return jdg_template_fill(h, t->payload);
}

/* ------------------------------------------------------------------ making */

/* Raises VALIDATION_ERROR for an argument that is no object. */
static void
check_object(const char *argument, Jsonb *value)
{
	if (value == NULL || JB_ROOT_IS_OBJECT(value))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("%s must be a JSON object", argument),
			 errhint("Write, for example, '{\"name\": \"value\", \"other\": \"{field}\"}'.")));
}

/* Is the body of such a request made of the payload, if nothing is said? */
static bool
has_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
		strcmp(method, "PATCH") == 0;
}

static Jsonb *
to_jsonb(const JdgTemplate *t)
{
	char	   *method = asc_toupper(t->method, strlen(t->method));
	int			body = t->body ? *t->body :
	has_body(method) ? JDG_TEMPLATE_REST : JDG_TEMPLATE_NONE;
	JsonbParseState *st;

	jdg_json_begin(&st);
	jdg_json_text(&st, "endpoint", t->endpoint);
	jdg_json_text(&st, "path", t->path);
	jdg_json_text(&st, "method", method);
	jdg_json_jsonb(&st, "query", t->query);
	jdg_json_jsonb(&st, "headers", t->headers);
	jdg_json_text(&st, "body", jdg_template_bodies[body]);
	if (t->expect)
		jdg_json_texts(&st, "expect", t->expect);
	return jdg_json_finish(&st);
}

/* Raises VALIDATION_ERROR for a path with a field that does not end. */
static void
check_path(const char *path)
{
	FieldName	name;

	while (next_field(&path, &name))
		;
	if (strchr(path, '{') == NULL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("path has a \"{\" without a \"}\""),
			 errdetail("It is followed by \"%s\".",
					   jdg_excerpt(strchr(path, '{') + 1)),
			 errhint("Write \"{field}\" for a field of the payload.")));
}

/* Does a text have "{field}" in it?  Other braces may belong to a constant. */
static bool
mentions_field(const JsonbValue *v)
{
	const char *at = v->val.string.val;
	const char *end = at + v->val.string.len;
	bool		open = false;

	for (; at < end; at++)
	{
		if (*at == '{')
			open = true;
		else if (*at == '}' && open && at[-1] != '{')
			return true;
		else if (!isalnum((unsigned char) *at) && *at != '_' &&
				 !IS_HIGHBIT_SET(*at))
			open = false;
	}
	return false;
}

/* Raises VALIDATION_ERROR for a value with a field in the middle of it. */
static void
check_value(const char *argument, const JsonbValue *v)
{
	if (v->type != jbvString || !mentions_field(v))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("a value of %s has a field and other text", argument),
			 errdetail("The value is \"%s\".",
					   jdg_excerpt(pnstrdup(v->val.string.val, v->val.string.len))),
			 errhint("Write \"{field}\" as the whole value, and put the text together in the payload.")));
}

/* Adds a field to the sample, after a check that the payload type has it. */
static void
add_sample(Filling *f, const char *argument, const FieldName *name, Oid type)
{
	char	   *field = pnstrdup(name->s, name->len);

	if (name->len == 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("%s has \"{}\" without the name of a field", argument),
				 errhint("Write \"{field}\" for a field of the payload.")));
	if (OidIsValid(type) && !jdg_payload_type_has(type, field))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("payload_type has no field \"%s\"", field),
				 errdetail("The argument %s uses it.", argument),
				 errhint("Correct the name, or add the field to the type.")));
	jdg_json_text(&f->st, field, "x");
}

/* The same for the fields of the query or the headers. */
static void
add_samples_of(Filling *f, const char *argument, Jsonb *object, Oid type)
{
	JsonbIterator *it;
	JsonbIteratorToken tok;
	JsonbValue	v;

	if (object == NULL)
		return;
	it = JsonbIteratorInit(&object->root);
	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		FieldName	name;

		if (tok == WJB_VALUE && is_field(&v, &name))
			add_sample(f, argument, &name, type);
		else if (tok == WJB_VALUE || tok == WJB_ELEM)
			check_value(argument, &v);
	}
}

/* A payload with all fields that the template uses. */
static Jsonb *
sample_of(const JdgTemplate *t, Oid type)
{
	Filling		f = {NULL};
	const char *path = t->path;
	FieldName	name;

	jdg_json_begin(&f.st);
	while (next_field(&path, &name))
		add_sample(&f, "path", &name, type);
	add_samples_of(&f, "query", t->query, type);
	add_samples_of(&f, "headers", t->headers, type);
	return jdg_json_finish(&f.st);
}

/* Raises an error if the endpoint cannot have handlers. */
static void
check_endpoint(const char *name)
{
	JdgEndpoint e;

	if (!jdg_endpoint_by_name(name, &e))
		jdg_endpoint_missing(name);
	if (e.any_host)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("endpoint \"%s\" cannot have handlers", name),
				 errdetail("It has the option any_host, so each request needs a URL."),
				 errhint("Name an endpoint with a base_url, or enqueue tasks with the command \"http\".")));
}

Jsonb *
jdg_template_make(const char *name, const JdgTemplate *t,
				  const char *payload_type)
{
	Oid			type = payload_type ? jdg_payload_type_read(payload_type) : InvalidOid;
	JdgHandler	h = {.name = unconstify(char *, name),.kind = JDG_HANDLER_HTTP};

	check_path(t->path);
	check_object("query", t->query);
	check_object("headers", t->headers);
	check_endpoint(t->endpoint);
	h.request = to_jsonb(t);
	/* the rules of requests are in one place, which needs a request */
	jdg_request_check_payload(jdg_template_fill(&h, sample_of(t, type)),
							  GetUserId());
	return h.request;
}
