/*-------------------------------------------------------------------------
 *
 * target.c
 *	  The URL of a request, see target.h.
 *
 * A whole URL is parsed by the one parser of jadugar, when the task is enqueued
 * and again when it is sent.  So nothing reaches libcurl that the parser has
 * not read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/errors.h"
#include "request/encode.h"
#include "request/reader.h"
#include "request/target.h"

static void
add_encoded(StringInfo s, const char *text)
{
	size_t		len = strlen(text);

	enlargeStringInfo(s, (int) JDG_ENCODED_MAX(len));
	s->len += (int) jdg_percent_encode(JDG_ENCODE_URL, text, len, s->data + s->len);
	s->data[s->len] = '\0';
}

/* The value of a parameter of the path, which is noted as used; or NULL. */
static const char *
parameter(const JdgPayload *p, const char *name, size_t len, bool *used)
{
	for (int i = 0; i < list_length(p->params); i++)
	{
		const JdgField *f = list_nth(p->params, i);

		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
		{
			used[i] = true;
			return f->value;
		}
	}
	return NULL;
}

/* Adds the path with its parameters filled in. */
static void
add_path(StringInfo s, const JdgPayload *p)
{
	bool	   *used = palloc0(sizeof(bool) * (list_length(p->params) + 1));
	const char *at = p->path;

	while (*at)
	{
		const char *end = *at == '{' ? strchr(at, '}') : NULL;
		const char *value;

		if (*at == '{' && end == NULL)
			jdg_payload_fault("path", "It has a \"{\" without a \"}\".",
							  "Write {name} for a parameter of the path.");
		if (end == NULL)
		{
			appendStringInfoCharMacro(s, *at);
			at++;
			continue;
		}
		value = parameter(p, at + 1, (size_t) (end - at - 1), used);
		if (value == NULL)
			jdg_payload_fault_parameter("path", "It has a parameter that \"params\" does not give.",
										pnstrdup(at + 1, (Size) (end - at - 1)), NULL);
		add_encoded(s, value);
		at = end + 1;
	}
	for (int i = 0; i < list_length(p->params); i++)
	{
		if (!used[i])
			jdg_payload_fault_parameter("params", "The path has no parameter of that name, or it has several values.",
										((JdgField *) list_nth(p->params, i))->name, NULL);
	}
}

/* Adds the query; "first" is the character before it. */
static void
add_query(StringInfo s, const JdgPayload *p, char first)
{
	ListCell   *lc;

	foreach(lc, p->query)
	{
		const JdgField *f = lfirst(lc);

		appendStringInfoChar(s, first);
		add_encoded(s, f->name);
		appendStringInfoChar(s, '=');
		add_encoded(s, f->value);
		first = '&';
	}
}

static void
raise_fault(const char *key, const JdgUrlFault *fault, size_t position)
{
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("invalid key \"%s\" of a request", key),
			 errdetail("%s The fault is at byte %zu.", fault->what, position + 1),
			 fault->hint ? errhint("%s", fault->hint) : 0));
}

/* The same for a path, which may be a URL, or better be in parts. */
static void
raise_path_fault(const char *path, JdgUrlFault *fault)
{
	char		at = path[fault->position];

	if (strstr(path, "://"))
		fault->hint = "Whole URLs are for endpoints with the option any_host: give \"url\" in the payload of jadugar.enqueue('http', ...).";
	else if (at == ' ' || IS_HIGHBIT_SET(at))
		fault->hint = "Percent-encode the character, or write {name} and give the value in \"params\", which encodes it.";
	raise_fault("path", fault, fault->position);
}

/* The path of the payload, filled in and checked; NULL: there is none. */
static char *
payload_path(const JdgPayload *p)
{
	StringInfoData s;
	JdgUrlFault fault;

	if (p->path == NULL)
	{
		if (p->params != NIL)
			jdg_payload_fault("params", "The request has no path with parameters.", NULL);
		return NULL;
	}
	initStringInfo(&s);
	add_path(&s, p);
	if (!jdg_url_check_path(s.data, (size_t) s.len, &fault))
		raise_path_fault(s.data, &fault);
	return s.data;
}

/* Scheme, host and port of the endpoint. */
static void
add_origin(StringInfo s, const JdgEndpoint *e)
{
	const JdgUrl *base = &e->base;
	bool		brackets = base->kind == JDG_HOST_IPV6;

	appendStringInfo(s, "%s://%s%s%s", jdg_url_scheme_name(base->scheme),
					 brackets ? "[" : "", base->host, brackets ? "]" : "");
	if (base->port != jdg_url_default_port(base->scheme))
		appendStringInfo(s, ":%u", (unsigned) base->port);
	appendBinaryStringInfo(s, base->path, (int) base->path_len);
}

/* A host that the options of an endpoint with any_host leave out. */
static void
check_host(const JdgEndpoint *e, const JdgUrl *url)
{
	if (jdg_endpoint_allows_host(e, url))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("endpoint \"%s\" may not call host \"%s\", port %u", e->name,
					url->host, (unsigned) url->port),
			 errhint("See the options allow_hosts and allow_ports of the server.")));
}

/* Raises VALIDATION_ERROR for a URL without any_host, and for none with it. */
static void
check_kind(const JdgPayload *p, const JdgEndpoint *e)
{
	if (e->any_host == (p->url != NULL))
		return;
	if (e->any_host)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("a request to endpoint \"%s\" needs a URL", e->name),
				 errdetail("The endpoint has the option any_host."),
				 p->path ?
				 errhint("Give \"url\" in place of \"path\" in the payload of jadugar.enqueue('http', ...).") :
				 errhint("Give \"url\" in the payload of jadugar.enqueue('http', ...).")));
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 errmsg("a request to endpoint \"%s\" cannot have a URL", e->name),
			 errdetail("The endpoint has the option base_url."),
			 errhint("Give \"path\" in place of \"url\", or name an endpoint with any_host.")));
}

char *
jdg_target_url(const JdgPayload *p, const JdgEndpoint *e,
			   const char *secret_path, JdgUrl *url)
{
	StringInfoData s;
	char	   *path;
	JdgUrlFault fault;

	check_kind(p, e);
	path = payload_path(p);
	initStringInfo(&s);
	if (p->url != NULL)
		appendStringInfoString(&s, p->url);
	else
	{
		add_origin(&s, e);
		if (secret_path)
			appendStringInfoString(&s, secret_path);
		if (path != NULL || secret_path == NULL)
			appendStringInfoString(&s, path ? path : "/");
	}
	add_query(&s, p, p->url != NULL && strchr(p->url, '?') ? '&' : '?');
	if (!jdg_url_parse(s.data, (size_t) s.len, url, &fault))
		raise_fault(p->url ? "url" : p->query ? "query" : "path", &fault,
					fault.position);
	if (p->url != NULL)
		check_host(e, url);
	return s.data;
}

char *
jdg_target_shown(const JdgPayload *p, const JdgEndpoint *e, const JdgUrl *url,
				 bool secret)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfo(&s, "%s %s", p->method, url->host);
	if (url->port != jdg_url_default_port(url->scheme))
		appendStringInfo(&s, ":%u", (unsigned) url->port);
	if (!secret)
		appendBinaryStringInfo(&s, url->path, (int) url->path_len);
	else if (p->path)
		appendStringInfo(&s, "/...%s", payload_path(p));
	return (char *) jdg_excerpt(s.data);
}
