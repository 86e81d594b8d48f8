/*-------------------------------------------------------------------------
 *
 * sockets.c
 *	  The sockets of libcurl, in one epoll set.
 *
 * An event names a descriptor and its generation.  Another event of the same
 * batch may have closed the descriptor, and even opened it again for another
 * pool: then the generation differs, and the event is dropped.
 *
 * libcurl 7.88 marks no socket close-on-exec, so this file makes them all.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

/* events that one call of epoll_wait returns */
#define EVENTS_MAX 256

static int	set = -1;
static Socket *sockets = NULL;
static int	nsockets = 0;		/* room; the index is the descriptor */

Socket *
jdg_socket(int fd)
{
	if (fd >= nsockets)
	{
		int			n = fd + 64;
		Socket	   *more = realloc(sockets, sizeof(Socket) * n);

		if (more == NULL)
			return NULL;
		memset(more + nsockets, 0, sizeof(Socket) * (n - nsockets));
		sockets = more;
		nsockets = n;
	}
	return &sockets[fd];
}

static uint16_t
port_of(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *) a)->sin_port);
	if (a->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *) a)->sin6_port);
	return 0;
}

/* The port of this side of a connection, or 0. */
static uint16_t
local_port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t	size = sizeof(a);

	if (getsockname(fd, (struct sockaddr *) &a, &size) != 0)
		return 0;
	return port_of((struct sockaddr *) &a);
}

/* Is this address, as libcurl writes it, that of the other side? */
static bool
leads_to(const Socket *s, const char *to, int to_port)
{
	const struct sockaddr *a = (const struct sockaddr *) &s->peer;
	char text[	INET6_ADDRSTRLEN];
	const void *bytes = a->sa_family == AF_INET6
	? (const void *) &((const struct sockaddr_in6 *) a)->sin6_addr
	: (const void *) &((const struct sockaddr_in *) a)->sin_addr;

	return port_of(a) == to_port &&
		inet_ntop(a->sa_family, bytes, text, sizeof(text)) != NULL &&
		strcmp(text, to) == 0;
}

Socket *
jdg_socket_of_ports(int port, const char *to, int to_port, int *fd)
{
	for (int i = 0; i < nsockets; i++)
	{
		Socket	   *s = &sockets[i];

		if (!s->open)
			continue;
		if (s->port == 0)
			s->port = local_port_of(i);
		*fd = i;
		if (s->port == port && leads_to(s, to, to_port))
			return s;
	}
	return NULL;
}

int
jdg_socket_open(const struct curl_sockaddr *address)
{
	int			fd = socket(address->family,
							address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
							address->protocol);
	Socket	   *s = fd < 0 ? NULL : jdg_socket(fd);

	if (fd >= 0 && s == NULL)
	{
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	if (s == NULL)
		return -1;
	s->generation++;
	s->open = true;
	s->http2 = false;
	s->port = 0;
	s->used = s->active = 0;
	memset(&s->peer, 0, sizeof(s->peer));
	memcpy(&s->peer, &address->addr, address->addrlen < sizeof(s->peer) ? address->addrlen : sizeof(s->peer));
	return fd;
}

int
jdg_socket_close(void *arg, curl_socket_t fd)
{
	Socket	   *s = jdg_socket(fd);

	(void) arg;
	if (s != NULL)
	{
		s->generation++;
		s->open = false;
		s->pool = NULL;
	}
	return close(fd);
}

/* Never fails: -1 would end all transfers of the multi handle. */
int
jdg_socket_watch(CURL *easy, curl_socket_t fd, int what, void *pool, void *socket)
{
	Socket	   *s = jdg_socket(fd);
	struct epoll_event e = {0};

	(void) easy;
	(void) socket;
	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(set, EPOLL_CTL_DEL, fd, &e);
		if (s != NULL)
			s->pool = NULL;
		return 0;
	}
	if (s == NULL)
		return 0;
	s->pool = pool;
	e.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0) |
		((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0);
	e.data.u64 = (uint64_t) s->generation << 32 | (uint32_t) fd;
	if (epoll_ctl(set, EPOLL_CTL_MOD, fd, &e) != 0 && errno == ENOENT)
		(void) epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
	return 0;
}

bool
jdg_sockets_init(void)
{
	set = epoll_create1(EPOLL_CLOEXEC);
	return set >= 0;
}

int
jdg_sockets_descriptor(void)
{
	return set;
}

void
jdg_sockets_drop(Pool *pool)
{
	for (int i = 0; i < nsockets; i++)
	{
		if (sockets[i].pool == pool)
			sockets[i].pool = NULL;
	}
}

int
jdg_sockets_wait(SocketEvent *events, int max)
{
	struct epoll_event got[EVENTS_MAX];
	int			n = epoll_wait(set, got, max < EVENTS_MAX ? max : EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
	{
		uint32_t	bits = got[i].events;
		int			fd = (int) (uint32_t) got[i].data.u64;
		Socket	   *s = jdg_socket(fd);
		bool		current = s != NULL &&
		s->generation == (uint32_t) (got[i].data.u64 >> 32);

		events[i].fd = fd;
		events[i].pool = current ? s->pool : NULL;
		events[i].what =
			((bits & (EPOLLIN | EPOLLHUP | EPOLLRDHUP)) != 0 ? CURL_CSELECT_IN : 0) |
			((bits & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
			((bits & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
	}
	return n < 0 ? 0 : n;
}

bool
jdg_socket_is_current(const SocketEvent *e)
{
	return e->pool != NULL && e->fd < nsockets &&
		sockets[e->fd].pool == e->pool;
}
