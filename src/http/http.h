/*-------------------------------------------------------------------------
 *
 * http.h
 *	  What the files of the library jadugar_http share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HTTP_HTTP_H
#define JDG_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "jadugar_http.h"

/* connections of one endpoint */
typedef struct Pool
{
	CURLM	   *multi;
	int64_t		due;			/* libcurl's timer, in ms; -1: none */
	struct Pool *next;
} Pool;

/* a descriptor that libcurl uses */
typedef struct Socket
{
	Pool	   *pool;			/* that watches it, or NULL */
	uint32_t	generation;		/* changes when it is closed */
	bool		open;			/* made for libcurl, and not closed yet */
	bool		http2;
	uint16_t	port;			/* of this side; 0: not known yet */
	uint32_t	used;			/* requests so far */
	uint32_t	active;			/* those of them that have not ended */
	struct sockaddr_storage peer;
} Socket;

/* --- sockets.c ------------------------------------------------------------- */

/* the entry of a descriptor, which is made; NULL: no memory */
extern Socket *jdg_socket(int fd);

/*
 * The one with this port on this side, to this address and port, or NULL; *fd
 * is its descriptor.  Connections to several addresses may share a port.
 */
extern Socket *jdg_socket_of_ports(int port, const char *to, int to_port, int *fd);

extern int	jdg_socket_open(const struct curl_sockaddr *address);
extern int	jdg_socket_close(void *arg, curl_socket_t fd);

/* CURLMOPT_SOCKETFUNCTION */
extern int	jdg_socket_watch(CURL *easy, curl_socket_t fd, int what,
							 void *pool, void *socket);

/* makes the set; false: not possible */
extern bool jdg_sockets_init(void);
extern int	jdg_sockets_descriptor(void);

/* drops what is known of a pool that is closed */
extern void jdg_sockets_drop(Pool *pool);

typedef struct SocketEvent
{
	Pool	   *pool;
	int			fd;
	int			what;			/* CURL_CSELECT_* */
} SocketEvent;

/*
 * What has happened, at most "max" events; one that is stale has no pool.
 */
extern int	jdg_sockets_wait(SocketEvent *events, int max);

/*
 * Is the descriptor of that event still the same?  Others of the same batch
 * may have closed it.
 */
extern bool jdg_socket_is_current(const SocketEvent *event);

/* --- transfer.c ------------------------------------------------------------ */

/* makes t->easy; false: no memory */
extern bool jdg_transfer_begin(JdgHttpTransfer *t);

/* it has ended with this code, and is no part of the multi handle any more */
extern void jdg_transfer_end(JdgHttpTransfer *t, CURLcode code);

/* it uses its connection no more */
extern void jdg_transfer_leave_socket(JdgHttpTransfer *t);

extern void jdg_transfer_forget(JdgHttpTransfer *t);

/* --- loop.c ---------------------------------------------------------------- */

extern const JdgHttpLibrary jdg_http_library;

#endif							/* JDG_HTTP_HTTP_H */
