/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  Endpoints: foreign servers of the wrapper jadugar_http.
 *
 * Rows refer to an endpoint by a number, endpoint_id, that stands for its
 * name: the OID of a server does not survive pg_upgrade or a dump.  A server
 * that was dropped and created again, or renamed and renamed back, is the same
 * endpoint.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_ENDPOINT_H
#define JDG_ENDPOINT_ENDPOINT_H

#include "base/compat.h"
#include "endpoint/options.h"
#include "shared/limit.h"

/*
 * The options of an endpoint as they are now.  False: it has no server.  What
 * *e points to is valid until the end of the transaction; use
 * jdg_endpoint_copy() to keep it longer.
 *
 * Options are kept until a server changes.  A process that waits for changes
 * compares e->generation.
 */
extern bool jdg_endpoint_get(int32 endpoint_id, JdgEndpoint *e);

/*
 * The same for a server, by its name or OID.  False: there is none, or it is of
 * another wrapper.  It is read anew in the current memory context, and
 * e->endpoint_id is 0.
 */
extern bool jdg_endpoint_by_name(const char *name, JdgEndpoint *e);
extern bool jdg_endpoint_of_server(Oid server, JdgEndpoint *e);

/* reads the options of an endpoint again, in the current memory context */
extern void jdg_endpoint_copy(const JdgEndpoint *from, JdgEndpoint *e);

/*
 * The number that stands for the name of a server, which is made if needed:
 * then this waits for a transaction that makes it, too.  Raises NOT_FOUND if
 * there is no such server.  Outside or inside jdg_internal_begin().
 */
extern int32 jdg_endpoint_intern(const char *name);

/* the same if the number is known, whether there is a server or not; else 0 */
extern int32 jdg_endpoint_known(const char *name);

/*
 * The name of an endpoint in the current memory context, also of one without a
 * server; NULL: there is no such number.
 */
extern char *jdg_endpoint_name(int32 endpoint_id);

/* NOT_FOUND with the name */
JDG_NORETURN extern void jdg_endpoint_missing(const char *name);

/* has the role USAGE on the server? */
extern bool jdg_endpoint_may_use(const JdgEndpoint *e, Oid role);

/* May the role force its breaker and test it?  Its owner and operators may. */
extern bool jdg_endpoint_may_manage(const JdgEndpoint *e, Oid role);

/* raises FORBIDDEN unless it may */
extern void jdg_endpoint_require_manage(const JdgEndpoint *e, Oid role);

/*
 * The secrets that count for tasks of a role: of its own user mapping, else of
 * PUBLIC's.  They are in the current memory context.  Files are read again
 * when they have changed; raises FORBIDDEN if one cannot be used.
 */
extern void jdg_endpoint_secrets(const JdgEndpoint *e, Oid role,
								 JdgSecrets *s);

/*
 * The same without reading files: a pointer that is not NULL says that the
 * secret is given.
 */
extern void jdg_endpoint_secrets_given(const JdgEndpoint *e, Oid role,
									   JdgSecrets *s);

/* is it a host that an endpoint with any_host may call? */
extern bool jdg_endpoint_allows_host(const JdgEndpoint *e, const JdgUrl *url);

/*
 * Sets the limits of requests to an endpoint, which is known by its number, and
 * to a host of it if payloads name it (else NULL).  Returns how many; the last
 * has the breaker, and is the one to be held.
 */
extern int	jdg_endpoint_limits(const JdgEndpoint *e, const char *host,
								JdgLimit limit[2]);

#endif							/* JDG_ENDPOINT_ENDPOINT_H */
