/*-------------------------------------------------------------------------
 *
 * jadugar_http.h
 *	  The interface between jadugar and its library of HTTP, jadugar_http.
 *
 * The process "jadugar http" loads jadugar_http, the only one that is linked
 * with libcurl.  The library finds JdgHttpHost in the rendezvous variable
 * JADUGAR_HTTP_VARIABLE, and calls its "main" with what it can do.  Both sides
 * compare size and abi: a server that has not been restarted after an upgrade
 * has an older jadugar in memory than the library on disk.
 *
 * The library knows nothing of tasks, and calls nothing of the server but what
 * its entry needs.  No function of JdgHttpLibrary raises an error or allocates
 * from the server's memory contexts.  While one runs, signals are blocked: the
 * threads in which libcurl resolves names inherit that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JADUGAR_HTTP_H
#define JADUGAR_HTTP_H

#include <sys/socket.h>

#define JADUGAR_HTTP_VARIABLE "jadugar_http"
#define JADUGAR_HTTP_ABI 2

/* how far a transfer has come */
typedef enum JdgHttpPhase
{
	JDG_HTTP_UNSENT,			/* resolves the name, connects */
	JDG_HTTP_SENT,				/* the request, or a part of it, was sent */
	JDG_HTTP_ANSWERING			/* the answer has begun */
} JdgHttpPhase;

/* how it ended */
typedef enum JdgHttpEnd
{
	JDG_HTTP_NOT_ENDED,
	JDG_HTTP_ANSWERED,			/* with a status; the body may be cut */
	JDG_HTTP_NO_NAME,			/* the name cannot be resolved */
	JDG_HTTP_NO_CONNECTION,
	JDG_HTTP_NO_TLS,
	JDG_HTTP_BROKEN,			/* the connection ended before the answer did */
	JDG_HTTP_PROTOCOL,			/* the answer is not HTTP */
	JDG_HTTP_SLOW,				/* slower than low_speed, or it stalled */
	JDG_HTTP_REFUSED,			/* none of the addresses is allowed */
	JDG_HTTP_STALE,				/* nothing was sent: the connection that would
								 * have been used again was not usable */
	JDG_HTTP_LOCAL				/* nothing was sent: this process has no
								 * memory, descriptor or thread left */
} JdgHttpEnd;

typedef struct JdgHttpTransfer
{
	/* set by the caller; what they point to stays until the end */
	const char *method;
	const char *url;
	const char *const *headers; /* "Name: value" */
	int			nheaders;
	const char *body;			/* NULL: none */
	size_t		body_size;
	size_t		max_answer;		/* bytes of the body that are kept */
	long		connect_timeout;	/* ms */
	long		low_speed;		/* bytes a second, 0: off; slower ones end */
	long		low_speed_time; /* after this many seconds */
	int			fresh;			/* on a connection of its own */
	int			http_version;	/* 1 or 2 */
	int			verify;			/* check the certificate */
	int			tls_13;			/* at least TLS 1.3, else 1.2 */
	const char *ca_file;		/* NULL: the system's */
	const char *certificate;	/* PEM; NULL: none */
	const char *key;
	const char *proxy;			/* NULL: none */
	void	   *caller;			/* the caller's own */
	/* may the process connect to this address? */
	int			(*allows) (void *caller, const struct sockaddr *address);

	/* set by the library */
	JdgHttpPhase phase;
	JdgHttpEnd	end;
	int			sends;			/* how often the request was sent */
	int			status;
	char	   *head;			/* status line and headers, one a line */
	size_t		head_size;
	char	   *answer;			/* the body, decoded */
	size_t		answer_size;
	int			truncated;		/* there was more, or it cannot be decoded */
	char		message[256];	/* of libcurl, if it did not end well */

	/* private to the library */
	void	   *easy;
	void	   *list;
	void	   *pool;
	size_t		head_room;
	int			head_ended;		/* by an empty line */
	size_t		answer_room;
	size_t		skipped;		/* bytes of the body that were not kept */
	int			refused;		/* addresses */
	int			opened;
	int			sent_here;		/* since it was added last */
	int			died;			/* and the connection has ended */
	int			local_error;
	int			socket;			/* on which it was sent, or -1 */
	unsigned int socket_generation;
	struct JdgHttpTransfer *next;
} JdgHttpTransfer;

typedef struct JdgHttpLibrary
{
	unsigned int size;
	unsigned int abi;
	const char *version;		/* of libcurl */

	/*
	 * What libcurl lacks for so many transfers at a time, or NULL; called
	 * once, before all others.
	 */
	const char *(*start) (int max_transfers);

	/* becomes readable when turn() has something to do */
	int			(*descriptor) (void);

	/* connections of one endpoint, NULL: no memory */
	void	   *(*open) (int max_idle);
	void		(*close) (void *pool);

	/* starts a transfer; what goes wrong at once is an end, too */
	void		(*add) (void *pool, JdgHttpTransfer *t);

	/* stops one that has not ended; nothing of it is sent from here on */
	void		(*remove) (JdgHttpTransfer *t);

	/* frees what the library keeps of one that has ended or was removed */
	void		(*forget) (JdgHttpTransfer *t);

	/*
	 * Sends and receives what is possible now.  Returns a list of the
	 * transfers that have ended, or NULL.  *drained: nothing else has
	 * arrived.
	 */
	JdgHttpTransfer *(*turn) (int *drained);

	/* ms until turn() has to be called again, -1: when there is news */
	long		(*timeout) (void);
} JdgHttpLibrary;

typedef struct JdgHttpHost
{
	unsigned int size;
	unsigned int abi;
	/* the process; does not return */
	void		(*main) (unsigned long arg, const JdgHttpLibrary *library);
} JdgHttpHost;

#endif							/* JADUGAR_HTTP_H */
