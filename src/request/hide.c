/*-------------------------------------------------------------------------
 *
 * hide.c
 *	  Hides the secrets of an endpoint in what its service sends, see hide.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"

#include "request/encode.h"
#include "request/hide.h"

/* a shorter secret is not hidden: it would be found in other words */
#define SECRET_MIN 6

static List *
add(List *list, const char *secret)
{
	if (secret == NULL || strlen(secret) < SECRET_MIN)
		return list;
	return lappend(list, pstrdup(secret));
}

/* The path as it is, as a part of a query, and as some write it in JSON. */
static List *
add_path(List *list, const char *path)
{
	size_t		len;
	char	   *plain;
	char	   *encoded;
	char	   *escaped;
	size_t		n = 0;

	if (path == NULL)
		return list;
	path += strspn(path, "/");
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	plain = pnstrdup(path, len);
	encoded = palloc(JDG_ENCODED_MAX(len) + 1);
	encoded[jdg_percent_encode(JDG_ENCODE_URL, plain, len, encoded)] = '\0';
	escaped = palloc(2 * len + 1);
	for (size_t i = 0; i < len; i++)
	{
		if (plain[i] == '/')
			escaped[n++] = '\\';
		escaped[n++] = plain[i];
	}
	escaped[n] = '\0';
	return add(add(add(list, plain), encoded), escaped);
}

/* User and password as the header Authorization has them. */
static List *
add_basic(List *list, const JdgSecrets *s)
{
	char	   *both;
	char	   *text;
	size_t		n;

	if (s->password == NULL)
		return list;
	both = psprintf("%s:%s", s->user ? s->user : "", s->password);
	both = pg_server_to_any(both, (int) strlen(both), PG_UTF8);
	text = palloc(JDG_BASE64_SIZE(strlen(both)) + 1);

	n = jdg_base64_encode(both, strlen(both), text);
	text[		n] = '\0';

	return add(list, text);
}

static int
by_length(const ListCell *a, const ListCell *b)
{
	size_t		x = strlen(lfirst(a));
	size_t		y = strlen(lfirst(b));

	return x > y ? -1 : x < y ? 1 : 0;
}

List *
jdg_hide_list(const JdgSecrets *s)
{
	const char *const secrets[] = {
		s->password, s->bearer_token, s->api_key, s->signing_secret,
		s->signing_secret_old, s->secret_access_key, s->session_token
	};
	List	   *list = add_basic(add_path(NIL, s->secret_path), s);

	for (int i = 0; i < lengthof(secrets); i++)
		list = add(list, secrets[i]);
	list_sort(list, by_length);
	return list;
}

void
jdg_hide_in_text(List *hidden, char *text)
{
	ListCell   *lc;

	foreach(lc, hidden)
	{
		const char *secret = lfirst(lc);
		char	   *from = text;
		char	   *to = text;
		char	   *hit;

		while ((hit = strstr(from, secret)) != NULL)
		{
			memmove(to, from, hit - from);
			to += hit - from;
			memcpy(to, "***", 3);
			to += 3;
			from = hit + strlen(secret);
		}
		if (from > to)
			memmove(to, from, strlen(from) + 1);
	}
}

Jsonb *
jdg_hide_in_json(List *hidden, Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbParseState *st = NULL;
	JsonbValue *result = NULL;
	JsonbIteratorToken tok;
	JsonbValue	v;

	if (hidden == NIL)
		return json;
	while ((tok = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		bool		scalar = tok == WJB_KEY || tok == WJB_VALUE || tok == WJB_ELEM;

		if (scalar && v.type == jbvString)
		{
			v.val.string.val = pnstrdup(v.val.string.val, v.val.string.len);
			jdg_hide_in_text(hidden, v.val.string.val);
			v.val.string.len = strlen(v.val.string.val);
		}
		result = pushJsonbValue(&st, tok, scalar ||
								(tok == WJB_BEGIN_ARRAY && v.val.array.rawScalar) ?
								&v : NULL);
	}
	return JsonbValueToJsonb(result);
}
