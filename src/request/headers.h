/*-------------------------------------------------------------------------
 *
 * headers.h
 *	  Headers of a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_HEADERS_H
#define JDG_REQUEST_HEADERS_H

#include "request/body.h"
#include "request/request.h"

/* the rules about headers that depend on the endpoint; VALIDATION_ERROR */
extern void jdg_headers_check(const JdgPayload *p, const JdgEndpoint *e);

/*
 * All headers of the request of a task, but for those that libcurl adds, as
 * lines for it, in the current memory context.
 */
extern List *jdg_headers_make(const JdgTask *task, const JdgPayload *p,
							  const JdgEndpoint *e, const JdgSecrets *s,
							  const JdgBody *body);

/* does the payload have the header, in any case? */
extern bool jdg_headers_has(const JdgPayload *p, const char *name);

#endif							/* JDG_REQUEST_HEADERS_H */
