/*-------------------------------------------------------------------------
 *
 * redirect.c
 *	  Follows redirects of services, see transfer.h.
 *
 * Runs in the process "jadugar http".
 *
 * The library follows none: a request has secrets in headers that libcurl does
 * not know as such, and would send to another host.  So a redirect leads to the
 * same scheme, host and port, or is not followed, and the status is the outcome.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "request/transfer.h"

/* Does the status lead to another URL?  *to_get: by a GET without the body. */
static bool
is_redirect(const JdgTransfer *t, bool *to_get)
{
	const char *method = t->http.method;

	*to_get = false;
	switch (t->http.status)
	{
		case 303:
			*to_get = strcmp(method, "HEAD") != 0;
			return true;
		case 301:
		case 302:
			*to_get = strcmp(method, "POST") == 0;
			return true;
		case 307:
		case 308:
			return true;
	}
	return false;
}

/* Length of scheme, host and port of a URL. */
static size_t
origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return host == NULL ? 0 : host + 3 - url + strcspn(host + 3, "/?");
}

/* The whole URL of a reference, without its fragment; see RFC 3986, 5.2. */
static char *
resolve(const char *base, const char *ref, size_t len)
{
	size_t		origin = origin_len(base);
	size_t		path = origin + strcspn(base + origin, "?");
	const char *fragment = memchr(ref, '#', len);

	if (fragment != NULL)
		len = fragment - ref;
	if (len >= 2 && ref[0] == '/' && ref[1] == '/')
		return psprintf("%.*s%.*s", (int) (strstr(base, "//") - base), base,
						(int) len, ref);
	if (len > 0 && ref[0] == '/')
		return psprintf("%.*s%.*s", (int) origin, base, (int) len, ref);
	if (len > 0 && ref[0] == '?')
		return psprintf("%.*s%.*s", (int) path, base, (int) len, ref);
	/* a colon in the first segment ends a scheme */
	if (memchr(ref, ':', Min(len, strcspn(ref, "/?"))) != NULL)
		return pnstrdup(ref, len);
	while (path > origin && base[path - 1] != '/')
		path--;
	return psprintf("%.*s%s%.*s", (int) path, base,
					path == origin ? "/" : "", (int) len, ref);
}

/* Adds a part of a path or a query, with what no URL has in it encoded. */
static void
add_encoded(StringInfo s, const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) part[i];

		if (c >= 0x80 || (c != '\0' && strchr(" \"<>`{|}^", c) != NULL))
			appendStringInfo(s, "%%%02X", c);
		else
			appendStringInfoChar(s, (char) c);
	}
}

/*
 * The URL as browsers read it: without the segments "." and ".." of its path,
 * see RFC 3986, 5.2.4, and percent-encoded where it has to be.
 */
static char *
normalize(const char *url)
{
	size_t		origin = origin_len(url);
	const char *at = url + origin;
	const char *end = at + strcspn(at, "?");
	StringInfoData s;

	initStringInfo(&s);
	appendBinaryStringInfo(&s, url, (int) origin);
	while (origin > 0 && at < end)
	{
		size_t		len = 1 + strcspn(at + 1, "/?");
		bool		up = len == 3 && strncmp(at, "/..", 3) == 0;
		bool		dot = len == 2 && strncmp(at, "/.", 2) == 0;

		if (up)
		{
			while (s.len > (int) origin && s.data[--s.len] != '/')
				;
			s.data[s.len] = '\0';
		}
		else if (!dot)
			add_encoded(&s, at, len);
		at += len;
		if ((up || dot) && at == end)
			appendStringInfoChar(&s, '/');
	}
	add_encoded(&s, at, strlen(at));
	return s.data;
}

static bool
is_same_origin(const JdgUrl *a, const JdgUrl *b)
{
	return a->scheme == b->scheme && a->port == b->port &&
		strcmp(a->host, b->host) == 0;
}

/* The request has no body any more. */
static void
drop_body(JdgHttpTransfer *h)
{
	const char **headers = palloc(sizeof(char *) * Max(h->nheaders, 1));
	int			n = 0;

	for (int i = 0; i < h->nheaders; i++)
	{
		if (pg_strncasecmp(h->headers[i], "content-type:", 13) != 0)
			headers[n++] = h->headers[i];
	}
	h->headers = headers;
	h->nheaders = n;
	h->method = "GET";
	h->body = NULL;
	h->body_size = 0;
}

bool
jdg_redirect_follow(JdgTransfer *t)
{
	MemoryContext old;
	JdgResponse resp;
	JdgCallHealth health;
	JdgUrlFault fault;
	JdgLine		location;
	JdgUrl		url;
	bool		to_get;
	bool		followed = false;

	if (t->http.end != JDG_HTTP_ANSWERED || t->stop != JDG_STOP_NOT ||
		t->redirected >= t->request.redirects || !is_redirect(t, &to_get))
		return false;
	old = MemoryContextSwitchTo(t->mcxt);
	jdg_transfer_response(t, &resp);
	/* a status that the request expects is its answer */
	if (jdg_response_class(&t->request, &resp, &health) != JDG_CALL_COMPLETED &&
		jdg_response_header(&resp, "location", &location))
	{
		char	   *text = normalize(resolve(t->http.url, location.value,
											 location.value_len));

		followed = jdg_url_parse(text, strlen(text), &url, &fault) &&
			is_same_origin(&url, &t->request.target);
		if (followed)
		{
			t->http.url = text;

			t->redirected++;
			if (to_get)
				drop_body(&t->http);
		}
	}
	MemoryContextSwitchTo(old);
	return followed;
}
