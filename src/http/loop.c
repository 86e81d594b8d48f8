/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  Drives the transfers of all pools: JdgHttpLibrary.
 *
 * A pool is a multi handle of libcurl.  Pools share nothing, so a connection
 * that one endpoint may use is never used for another one.
 *
 * A turn reads what has arrived until nothing more is there, and only then
 * looks at timers.  Callbacks of libcurl only fill buffers and tables.
 *
 * All signals are blocked while libcurl runs: its threads inherit that, and a
 * handler of the server must not run in one of them.
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "http.h"

/* events of one look, and looks of one turn */
#define EVENTS_MAX 256
#define LOOKS_MAX 8

/*
 * descriptors that the process needs at most: besides, and for each transfer a
 * socket, two to resolve its name, and three of its pool
 */
#define DESCRIPTORS 1024
#define DESCRIPTORS_OF_ONE 6

/* streams of one connection with HTTP/2 */
#define STREAMS_MAX 100L

static Pool *pools = NULL;
static JdgHttpTransfer *ended = NULL;

static void
block_signals(sigset_t *old)
{
	static const int of_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t	all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(of_faults) / sizeof(of_faults[0]); i++)
		sigdelset(&all, of_faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

static void
restore_signals(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- start --------------------------------------------------------------- */

static void
raise_descriptors(int max_transfers)
{
	rlim_t		needed = DESCRIPTORS + DESCRIPTORS_OF_ONE * (rlim_t) max_transfers;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= needed)
		return;
	r.rlim_cur = r.rlim_max < needed ? r.rlim_max : needed;
	(void) setrlimit(RLIMIT_NOFILE, &r);
}

/*
 * The environment of the server decides nothing about requests: options of
 * endpoints do.  SSLKEYLOGFILE would write the keys of all connections to a
 * file, and a "no_proxy" let requests pass by the proxy of their endpoint, which
 * checks their addresses.  SSL_CERT_FILE and SSL_CERT_DIR, which are OpenSSL's
 * own, stay: they name the certificates that the machine trusts.
 */
static void
clear_environment(void)
{
	static const char *const names[] = {
		"SSLKEYLOGFILE", "CURL_SSL_BACKEND", "NETRC",
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		"no_proxy", "NO_PROXY"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void) unsetenv(names[i]);
}

static const char *
start(int max_transfers)
{
	curl_version_info_data *v;
	sigset_t	old;
	const char *missing = NULL;

	block_signals(&old);
	raise_descriptors(max_transfers);
	clear_environment();
	/* threads that resolve names would each bring an arena */
	(void) mallopt(M_ARENA_MAX, 2);
	v = curl_version_info(CURLVERSION_NOW);
	if (v->version_num < 0x075700)
		missing = "libcurl 7.87 or later";
	else if ((v->features & CURL_VERSION_SSL) == 0)
		missing = "libcurl with TLS";
	else if ((v->features & CURL_VERSION_ASYNCHDNS) == 0)
		missing = "libcurl that resolves names asynchronously";
	else if ((v->features & CURL_VERSION_THREADSAFE) == 0)
		missing = "libcurl that is thread-safe";
	else if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		missing = "a libcurl that can be initialized";
	else if (!jdg_sockets_init())
		missing = "epoll";
	restore_signals(&old);
	return missing;
}

/* --- pools --------------------------------------------------------------- */

/* CURLMOPT_TIMERFUNCTION */
static int
on_timer(CURLM *multi, long ms, void *arg)
{
	Pool	   *p = arg;

	(void) multi;
	p->due = ms < 0 ? -1 : now_ms() + ms;
	return 0;
}

static void *
open_pool(int max_idle)
{
	Pool	   *p = calloc(1, sizeof(Pool));
	sigset_t	old;

	if (p == NULL)
		return NULL;
	block_signals(&old);
	p->due = -1;
	p->multi = curl_multi_init();
	if (p->multi != NULL)
	{
		curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, jdg_socket_watch);
		curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
		curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
		curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
		curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long) max_idle);
		curl_multi_setopt(p->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_MAX);
		p->next = pools;
		pools = p;
	}
	restore_signals(&old);
	if (p->multi == NULL)
	{
		free(p);
		return NULL;
	}
	return p;
}

static void
close_pool(void *pool)
{
	Pool	   *p = pool;
	sigset_t	old;

	block_signals(&old);
	for (Pool **at = &pools; *at != NULL; at = &(*at)->next)
	{
		if (*at == p)
		{
			*at = p->next;
			break;
		}
	}
	curl_multi_cleanup(p->multi);
	jdg_sockets_drop(p);
	restore_signals(&old);
	free(p);
}

/* --- transfers ----------------------------------------------------------- */

/* The transfer is no part of its pool any more. */
static void
take_out(JdgHttpTransfer *t)
{
	Pool	   *p = t->pool;

	if (p != NULL)
		curl_multi_remove_handle(p->multi, t->easy);
	t->pool = NULL;
}

static void
end_transfer(JdgHttpTransfer *t, CURLcode code)
{
	take_out(t);
	jdg_transfer_end(t, code);
	t->next = ended;
	ended = t;
}

/* Takes what has ended out of a pool. */
static void
collect(Pool *p)
{
	CURLMsg    *m;
	int			left;

	while ((m = curl_multi_info_read(p->multi, &left)) != NULL)
	{
		JdgHttpTransfer *t = NULL;
		CURLcode	code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **) &t);
		end_transfer(t, code);
	}
}

static void
act(Pool *p, curl_socket_t fd, int what)
{
	int			running;

	(void) curl_multi_socket_action(p->multi, fd, what, &running);
	collect(p);
}

/* A transfer that cannot be started ends with the next turn. */
static void
end_at_once(JdgHttpTransfer *t)
{
	t->end = JDG_HTTP_LOCAL;
	t->next = ended;
	ended = t;
}

static void
add(void *pool, JdgHttpTransfer *t)
{
	Pool	   *p = pool;
	sigset_t	old;

	block_signals(&old);
	if (!jdg_transfer_begin(t))
		end_at_once(t);
	else if (curl_multi_add_handle(p->multi, t->easy) != CURLM_OK)
		end_at_once(t);
	else
		t->pool = p;
	restore_signals(&old);
}

static void
remove_transfer(JdgHttpTransfer *t)
{
	sigset_t	old;

	block_signals(&old);
	take_out(t);
	jdg_transfer_leave_socket(t);
	restore_signals(&old);
	/* it may have ended already, and the next turn would return it */
	for (JdgHttpTransfer **at = &ended; *at != NULL; at = &(*at)->next)
	{
		if (*at == t)
		{
			*at = t->next;
			break;
		}
	}
}

static void
forget(JdgHttpTransfer *t)
{
	sigset_t	old;

	block_signals(&old);
	jdg_transfer_forget(t);
	restore_signals(&old);
}

/* --- turns --------------------------------------------------------------- */

/* Reads what has arrived; true: nothing is left. */
static bool
read_sockets(void)
{
	SocketEvent events[EVENTS_MAX];

	for (int look = 0; look < LOOKS_MAX; look++)
	{
		int			n = jdg_sockets_wait(events, EVENTS_MAX);

		for (int i = 0; i < n; i++)
		{
			if (jdg_socket_is_current(&events[i]))
				act(events[i].pool, events[i].fd, events[i].what);
		}
		if (n < EVENTS_MAX)
			return true;
	}
	return false;
}

static void
run_timers(void)
{
	int64_t		now = now_ms();

	for (Pool *p = pools; p != NULL; p = p->next)
	{
		if (p->due < 0 || p->due > now)
			continue;
		/* libcurl may not repeat a timer that is the same as the last one */
		p->due = -1;
		act(p, CURL_SOCKET_TIMEOUT, 0);
		if (p->due < 0)
		{
			long		ms;

			if (curl_multi_timeout(p->multi, &ms) == CURLM_OK && ms >= 0)
				p->due = now_ms() + (ms > 0 ? ms : 1);
		}
	}
}

static JdgHttpTransfer *
turn(int *drained)
{
	JdgHttpTransfer *list;
	sigset_t	old;

	block_signals(&old);
	*drained = read_sockets();
	run_timers();
	restore_signals(&old);
	list = ended;
	ended = NULL;
	return list;
}

static long
timeout(void)
{
	int64_t		due = -1;
	int64_t		now = now_ms();

	if (ended != NULL)
		return 0;
	for (Pool *p = pools; p != NULL; p = p->next)
	{
		if (p->due >= 0 && (due < 0 || p->due < due))
			due = p->due;
	}
	if (due < 0)
		return -1;
	return due <= now ? 0 : (long) (due - now);
}

const JdgHttpLibrary jdg_http_library = {
	.size = sizeof(JdgHttpLibrary),
	.abi = JADUGAR_HTTP_ABI,
	.version = LIBCURL_VERSION,
	.start = start,
	.descriptor = jdg_sockets_descriptor,
	.open = open_pool,
	.close = close_pool,
	.add = add,
	.remove = remove_transfer,
	.forget = forget,
	.turn = turn,
	.timeout = timeout
};
