/*-------------------------------------------------------------------------
 *
 * target.h
 *	  The URL of a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_TARGET_H
#define JDG_REQUEST_TARGET_H

#include "endpoint/endpoint.h"
#include "request/payload.h"

/*
 * The URL of a payload for an endpoint, in the current memory context, and what
 * the parser says of it.  "secret_path" comes behind the path of the endpoint,
 * or is NULL.  Raises VALIDATION_ERROR, which does not contain it.
 */
extern char *jdg_target_url(const JdgPayload *p, const JdgEndpoint *e,
							const char *secret_path, JdgUrl *url);

/* "POST pay.example/v2/charges": for messages, without query and secret path */
extern char *jdg_target_shown(const JdgPayload *p, const JdgEndpoint *e,
							  const JdgUrl *url, bool secret);

#endif							/* JDG_REQUEST_TARGET_H */
