/*-------------------------------------------------------------------------
 *
 * transfer.c
 *	  One request: the options of libcurl, its callbacks, and what an end
 *	  means.
 *
 * A handle is used for one sending.  A connection is used again only if
 * nothing has arrived on it since its last answer: libcurl before 8.0 takes
 * bytes that a server sent unasked for the answer to the next request.
 *
 * Timeouts of the whole request are the caller's; libcurl looks at its clock
 * before it reads, so after a late turn it would end what has been answered.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http.h"

/* bytes of the headers of an answer that are kept; the others are left out */
#define HEAD_MAX (64 * 1024)

/* bytes of a body that are read and not kept */
#define SKIP_MAX (64 * 1024)

/* a connection that has been idle for longer is not used again, in s */
#define IDLE_MAX 15L
/* nor one that is older */
#define LIFE_MAX 600L

static bool
append(char **to, size_t *size, size_t *room, const char *from, size_t n)
{
	if (*size + n > *room)
	{
		size_t		more = *room < 1024 ? 1024 : *room;
		char	   *p;

		while (more < *size + n)
			more *= 2;
		p = realloc(*to, more);
		if (p == NULL)
			return false;
		*to = p;
		*room = more;
	}
	memcpy(*to + *size, from, n);
	*size += n;
	return true;
}

/* CURLOPT_HEADERFUNCTION: keeps those of the last answer, not trailers */
static size_t
on_header(char *line, size_t one, size_t n, void *arg)
{
	JdgHttpTransfer *t = arg;

	(void) one;
	if (t->answer_size > 0 || t->truncated)
		return n;				/* a trailer */
	/* after the answer of a proxy, or an interim one, comes another */
	if (n > 5 && strncasecmp(line, "HTTP/", 5) == 0)
		t->head_size = t->head_ended = 0;
	if (t->head_ended)
		return n;				/* a trailer of an empty body */
	t->head_ended = line[0] == '\r' || line[0] == '\n';
	t->phase = JDG_HTTP_ANSWERING;
	if (t->head_size + n > HEAD_MAX)
		return n;
	if (!append(&t->head, &t->head_size, &t->head_room, line, n))
	{
		t->local_error = ENOMEM;
		return 0;
	}
	return n;
}

/*
 * CURLOPT_WRITEFUNCTION: keeps the body up to its bound.  Reads a little more,
 * so that the connection can be used again, then ends.
 */
static size_t
on_body(char *data, size_t one, size_t n, void *arg)
{
	JdgHttpTransfer *t = arg;
	size_t		room = t->max_answer - t->answer_size;

	(void) one;
	t->phase = JDG_HTTP_ANSWERING;
	if (!append(&t->answer, &t->answer_size, &t->answer_room, data,
				n > room ? room : n))
	{
		t->local_error = ENOMEM;
		return CURL_WRITEFUNC_ERROR;
	}
	if (n <= room)
		return n;
	t->truncated = 1;
	t->skipped += n - room;
	return t->skipped > SKIP_MAX ? CURL_WRITEFUNC_ERROR : n;
}

/* CURLOPT_OPENSOCKETFUNCTION: sees the address of each connection */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	JdgHttpTransfer *t = arg;
	int			fd;

	(void) purpose;
	if (t->proxy == NULL && !t->allows(t->caller, &address->addr))
	{
		t->refused++;
		return CURL_SOCKET_BAD;
	}
	fd = jdg_socket_open(address);
	if (fd >= 0)
		t->opened++;
	else if (errno != EAFNOSUPPORT)
		t->local_error = errno;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection on which the request was sent; NULL: it is closed. */
static Socket *
socket_of(const JdgHttpTransfer *t)
{
	Socket	   *s = t->socket < 0 ? NULL : jdg_socket(t->socket);

	return s != NULL && s->open && s->generation == t->socket_generation ? s : NULL;
}

void
jdg_transfer_leave_socket(JdgHttpTransfer *t)
{
	Socket	   *s = socket_of(t);

	if (s != NULL)
		s->active--;
	t->socket = -1;
}

/*
 * Has something arrived that nobody has asked for, or has the connection
 * ended?  While a request is under way, libcurl sends another one on the same
 * connection only by HTTP/2, where that is its business.
 */
static bool
is_stale(const Socket *s, int fd)
{
	char		c;

	return s->used > 0 && s->active == 0 && !s->http2 &&
		(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN);
}

/*
 * CURLOPT_PREREQFUNCTION: called before each sending, when the connection is
 * there.
 */
static int
on_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	JdgHttpTransfer *t = arg;
	int			fd = -1;
	Socket	   *s = jdg_socket_of_ports(local_port, remote, remote_port, &fd);

	(void) local;
	/* libcurl would send it again if a connection dies before the answer */
	if (t->sent_here && t->http_version != 2)
	{
		t->died = 1;
		return CURL_PREREQFUNC_ABORT;
	}
	if (s != NULL && is_stale(s, fd))
	{
		t->end = JDG_HTTP_STALE;
		return CURL_PREREQFUNC_ABORT;
	}
	jdg_transfer_leave_socket(t);
	if (s != NULL)
	{
		s->used++;
		s->active++;
		t->socket = fd;
		t->socket_generation = s->generation;
	}
	t->sends++;
	t->sent_here = 1;
	t->phase = JDG_HTTP_SENT;
	return CURL_PREREQFUNC_OK;
}

static bool
add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (more != NULL)
		*list = more;
	return more != NULL;
}

static bool
make_list(JdgHttpTransfer *t)
{
	struct curl_slist *list = NULL;

	/* empty values: libcurl does not send what it would add */
	bool		ok = add_line(&list, "Expect:") && add_line(&list, "Content-Type:");

	for (int i = 0; i < t->nheaders && ok; i++)
		ok = add_line(&list, t->headers[i]);
	if (!ok)
		curl_slist_free_all(list);
	t->list = ok ? list : NULL;
	return ok;
}

/* Does the method say that a body is meant, so that its size is sent, if 0? */
static bool
has_content(const JdgHttpTransfer *t)
{
	return t->body != NULL || strcmp(t->method, "POST") == 0 ||
		strcmp(t->method, "PUT") == 0 || strcmp(t->method, "PATCH") == 0;
}

static void
set_method(CURL *e, const JdgHttpTransfer *t)
{
	if (strcmp(t->method, "HEAD") == 0)
	{
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		return;
	}
	if (has_content(t))
	{
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body ? t->body : "");
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) t->body_size);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method);
}

static void
set_blob(CURL *e, CURLoption option, const char *text)
{
	struct curl_blob blob;

	blob.data = (void *) text;

	blob.len = strlen(text);
	blob.flags = CURL_BLOB_COPY;
	curl_easy_setopt(e, option, &blob);
}

static void
set_tls(CURL *e, const JdgHttpTransfer *t)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION,
					 t->tls_13 ? (long) CURL_SSLVERSION_TLSv1_3 :
					 (long) CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, t->verify ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, t->verify ? 2L : 0L);
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 86400L);
	if (t->ca_file != NULL)
		curl_easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
	if (t->certificate != NULL)
		set_blob(e, CURLOPT_SSLCERT_BLOB, t->certificate);
	if (t->key != NULL)
		set_blob(e, CURLOPT_SSLKEY_BLOB, t->key);
}

static void
set_connection(CURL *e, JdgHttpTransfer *t)
{
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	/* an empty one also turns off those of the environment */
	curl_easy_setopt(e, CURLOPT_PROXY, t->proxy ? t->proxy : "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, t->connect_timeout);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, t->low_speed);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, t->low_speed_time);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_MAX);
	curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, LIFE_MAX);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
					 t->http_version == 2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
	if (t->fresh)
	{
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	}
}

static void
set_callbacks(CURL *e, JdgHttpTransfer *t)
{
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->message);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	/* the connection outlives the transfer */
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, jdg_socket_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, NULL);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
}

bool
jdg_transfer_begin(JdgHttpTransfer *t)
{
	CURL	   *e = curl_easy_init();

	t->easy = e;
	t->list = NULL;
	t->phase = JDG_HTTP_UNSENT;
	t->end = JDG_HTTP_NOT_ENDED;
	t->sent_here = t->died = 0;
	t->head_size = t->answer_size = t->skipped = 0;
	t->head_ended = 0;
	t->truncated = t->refused = t->opened = t->local_error = t->status = 0;
	t->message[0] = '\0';
	t->socket = -1;
	t->next = NULL;
	if (e == NULL || !make_list(t))
	{
		jdg_transfer_forget(t);
		return false;
	}
	set_connection(e, t);
	set_tls(e, t);
	set_callbacks(e, t);
	set_method(e, t);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->list);
	/* copied by libcurl */
	if (curl_easy_setopt(e, CURLOPT_URL, t->url) == CURLE_OK)
		return true;
	jdg_transfer_forget(t);
	return false;
}

static JdgHttpEnd
end_of_code(const JdgHttpTransfer *t, CURLcode code)
{
	switch (code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			/* like a dead name, but a thread or descriptor was missing */
			return strstr(t->message, "thread failed") != NULL ?
				JDG_HTTP_LOCAL : JDG_HTTP_NO_NAME;
		case CURLE_OUT_OF_MEMORY:
			return JDG_HTTP_LOCAL;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_ENGINE_INITFAILED:
		case CURLE_SSL_CLIENTCERT:
			return JDG_HTTP_NO_TLS;
		case CURLE_OPERATION_TIMEDOUT:
			return t->phase == JDG_HTTP_UNSENT ?
				JDG_HTTP_NO_CONNECTION : JDG_HTTP_SLOW;
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_WRITE_ERROR:
			return JDG_HTTP_PROTOCOL;
		default:
			return t->phase == JDG_HTTP_UNSENT ?
				JDG_HTTP_NO_CONNECTION : JDG_HTTP_BROKEN;
	}
}

void
jdg_transfer_end(JdgHttpTransfer *t, CURLcode code)
{
	long		status = 0;
	long		version = 0;
	Socket	   *s = socket_of(t);

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
	t->status = (int) status;
	if (version == CURL_HTTP_VERSION_2_0 && s != NULL)
		s->http2 = true;
	jdg_transfer_leave_socket(t);
	if (t->end == JDG_HTTP_STALE)
		return;
	/* the status is there; of a body that cannot be decoded what could be */
	if (code == CURLE_BAD_CONTENT_ENCODING && status > 0)
		t->truncated = 1;
	if (code == CURLE_OK || (t->truncated && status > 0 && !t->local_error))
		t->end = JDG_HTTP_ANSWERED;
	else if (t->local_error && t->phase == JDG_HTTP_UNSENT)
		t->end = JDG_HTTP_LOCAL;
	else if (t->refused > 0 && t->opened == 0)
		t->end = JDG_HTTP_REFUSED;
	else
		t->end = end_of_code(t, code);
	if (t->died)
		strncpy(t->message, "The connection ended before the answer.",
				sizeof(t->message) - 1);
	if (t->end != JDG_HTTP_ANSWERED && t->message[0] == '\0')
		strncpy(t->message, curl_easy_strerror(code), sizeof(t->message) - 1);
}

/* The handle goes; the answer stays until jdg_transfer_forget(). */
void
jdg_transfer_forget(JdgHttpTransfer *t)
{
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->list);
	free(t->head);
	free(t->answer);
	t->easy = t->list = NULL;
	t->head = t->answer = NULL;
	t->head_size = t->answer_size = t->head_room = t->answer_room = 0;
}
