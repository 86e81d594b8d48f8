/*-------------------------------------------------------------------------
 *
 * connections.c
 *	  The connections to each endpoint.
 *
 * Runs in the process "jadugar http".  Connections belong to one endpoint and
 * one generation of its options: libcurl asks about the address of a connection
 * when it makes it, not when it uses it again.
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
	void	   *pool;
	int			in_flight;		/* that the library has */
	int			waiting;		/* that it is to have */
	bool		connected;		/* one has reached it */
	int64		idle_since;		/* steady ms */
};

static dlist_head all = DLIST_STATIC_INIT(all);

static JdgConnections *
get(const JdgEndpoint *e)
{
	dlist_iter	iter;
	JdgConnections *c;
	void	   *pool;

	dlist_foreach(iter, &all)
	{
		c = dlist_container(JdgConnections, node, iter.cur);
		if (c->endpoint_id == e->endpoint_id && c->generation == e->generation)
			return c;
	}
	pool = jdg_http->open(Max(e->max_concurrency, 1));
	if (pool == NULL)
		return NULL;
	c = MemoryContextAllocZero(TopMemoryContext, sizeof(JdgConnections));
	c->endpoint_id = e->endpoint_id;
	c->generation = e->generation;
	c->pool = pool;
	dlist_push_tail(&all, &c->node);
	return c;
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
	JdgConnections *c = get(&t->endpoint);

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
	if (c->connected || c->in_flight == 0)
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

		if (c != NULL && !t->added && !t->ended &&
			(c->connected || c->in_flight == 0))
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

		if (c->in_flight > 0 || c->waiting > 0)
			continue;
		if (left <= 0)
		{
			jdg_http->close(c->pool);
			dlist_delete(&c->node);
			pfree(c);
		}
		else
			next = next < 0 ? left : Min(next, left);
	}
	return next;
}
