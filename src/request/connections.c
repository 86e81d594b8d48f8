/*-------------------------------------------------------------------------
 *
 * connections.c
 *	  The connections to each endpoint.
 *
 * Runs in the process "jadugar http".  Connections belong to one endpoint and
 * one generation of its options: libcurl asks about the address of a connection
 * when it makes it, not when it uses it again.
 *
 * They belong to one client certificate with its key, too.  libcurl would use a
 * connection again for the same certificate with another key, and so let
 * anybody who knows the certificate act as its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/sleep.h"
#include "request/transfer.h"

/* connections that nobody uses are closed after this time */
#define IDLE_MS 15000

/* transfers in the library that wait for nothing; more wait their turn */
struct JdgConnections
{
	dlist_node	node;
	int32		endpoint_id;
	uint32		generation;
	char	   *certificate;	/* NULL: none */
	char	   *key;
	void	   *pool;
	int			in_flight;		/* that the library has */
	int			waiting;		/* that it is to have */
	bool		connected;		/* one has reached it */
	int64		idle_since;		/* steady ms */
};

static dlist_head all = DLIST_STATIC_INIT(all);

/* Are they the same text, or both none? */
static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Copies a text, which may be none, for as long as its connections stay. */
static char *
keep(const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, text);
}

/* Forgets a text that was kept. */
static void
forget(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	pfree(text);
}

static void
drop(JdgConnections *c)
{
	jdg_http->close(c->pool);
	dlist_delete(&c->node);
	forget(c->certificate);
	forget(c->key);
	pfree(c);
}

static bool
is_idle(const JdgConnections *c)
{
	return c->in_flight == 0 && c->waiting == 0;
}

void
jdg_connections_close_idle(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &all)
	{
		JdgConnections *c = dlist_container(JdgConnections, node, iter.cur);

		if (is_idle(c))
			drop(c);
	}
}

/* Those that a transfer may use; NULL: no memory. */
static JdgConnections *
get(const JdgTransfer *t)
{
	const JdgEndpoint *e = &t->endpoint;
	dlist_iter	iter;
	JdgConnections *c;
	void	   *pool;

	dlist_foreach(iter, &all)
	{
		c = dlist_container(JdgConnections, node, iter.cur);
		if (c->endpoint_id == e->endpoint_id &&
			c->generation == e->generation &&
			is_same(c->certificate, t->http.certificate) &&
			is_same(c->key, t->http.key))
			return c;
	}
	pool = jdg_http->open(Max(e->max_concurrency, 1));
	if (pool == NULL)
	{
		jdg_connections_close_idle();
		pool = jdg_http->open(Max(e->max_concurrency, 1));
	}
	if (pool == NULL)
		return NULL;
	c = MemoryContextAllocZero(TopMemoryContext, sizeof(JdgConnections));
	c->endpoint_id = e->endpoint_id;
	c->generation = e->generation;
	c->certificate = keep(t->http.certificate);
	c->key = keep(t->http.key);
	c->pool = pool;
	dlist_push_tail(&all, &c->node);
	return c;
}

/*
 * May it start, or does another one go first?  Hosts do not wait for each
 * other: the name of one may never be resolved.
 */
static bool
may_start(const JdgTransfer *t)
{
	const JdgConnections *c = t->connections;
	bool		first = true;

	if (t->host == NULL)
		return c->connected || c->in_flight == 0;
	for (int i = 0; i < jdg_ntransfers; i++)
	{
		const JdgTransfer *other = jdg_transfers[i];

		if (other->connections != c || !other->added || other->ended ||
			!is_same(other->host, t->host))
			continue;
		if (other->http.phase != JDG_HTTP_UNSENT)
			return true;
		first = false;
	}
	return first;
}

static void
start(JdgTransfer *t)
{
	JdgConnections *c = t->connections;

	t->added = true;
	c->waiting--;
	c->in_flight++;
	jdg_http->add(c->pool, &t->http);
}

void
jdg_connections_add(JdgTransfer *t)
{
	JdgConnections *c = get(t);

	t->added = false;
	t->connections = c;
	if (c == NULL)
	{
		t->http.end = JDG_HTTP_LOCAL;
		t->ended = true;
		t->ended_at = jdg_now();
		return;
	}
	c->waiting++;
	if (may_start(t))
		start(t);
}

void
jdg_connections_remove(JdgTransfer *t)
{
	JdgConnections *c = t->connections;

	if (c == NULL)
		return;
	if (t->added && !t->ended)
		jdg_http->remove(&t->http);
	if (t->added)
		c->in_flight--;
	else
		c->waiting--;
	t->connections = NULL;
	c->connected |= t->http.sends > 0;
	c->idle_since = jdg_steady_ms();
}

/* Starts those that wait for a connection which is there, or the next first. */
static void
start_waiting(void)
{
	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];
		JdgConnections *c = t->connections;

		if (c == NULL)
			continue;
		c->connected |= t->added && t->http.phase != JDG_HTTP_UNSENT;
	}
	for (int i = 0; i < jdg_ntransfers; i++)
	{
		JdgTransfer *t = jdg_transfers[i];
		JdgConnections *c = t->connections;

		if (c != NULL && !t->added && !t->ended && may_start(t))
			start(t);
	}
}

long
jdg_connections_tend(void)
{
	int64		now = jdg_steady_ms();
	int64		next = -1;
	dlist_mutable_iter iter;

	start_waiting();
	dlist_foreach_modify(iter, &all)
	{
		JdgConnections *c = dlist_container(JdgConnections, node, iter.cur);
		int64		left = c->idle_since + IDLE_MS - now;

		if (!is_idle(c))
			continue;
		if (left <= 0)
			drop(c);
		else
			next = next < 0 ? left : Min(next, left);
	}
	return next;
}
