/*-------------------------------------------------------------------------
 *
 * request.h
 *	  HTTP requests: what tasks send, and where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_REQUEST_H
#define JDG_REQUEST_REQUEST_H

#include "utils/uuid.h"

#include "endpoint/endpoint.h"
#include "request/payload.h"
#include "task/task.h"

/* the name of the handler of HTTP tasks */
#define JDG_REQUEST_HANDLER "http"

/* where the request of a task goes */
typedef struct JdgRequestTarget
{
	int32		endpoint_id;
	char	   *host;			/* of a URL, if the endpoint has any_host, in
								 * lower case; else NULL */
} JdgRequestTarget;

/*
 * Checks the payload of a new task of "owner" by all rules, as the owner's: it
 * has USAGE on the endpoint and may read the blobs.  Raises VALIDATION_ERROR,
 * NOT_FOUND or FORBIDDEN.  The target is in the current memory context.
 * Outside jdg_internal_begin().
 */
extern void jdg_request_enqueue_target(const Jsonb *payload, Oid owner,
									   JdgRequestTarget *target);

/* the same check of a payload that is not enqueued */
extern void jdg_request_check_payload(const Jsonb *payload, Oid owner);

/* a request that can be sent; all of it is in the memory context of the call */
typedef struct JdgRequest
{
	const char *method;
	char	   *url;			/* percent-encoded; may have a secret path */
	char	   *shown;			/* method, host and path for messages: without
								 * secrets, query and port of the scheme */
	JdgUrl		target;			/* parsed from url */
	List	   *headers;		/* char *: "Name: value", "Name;" if it is
								 * empty, "Expect:" not to send it */
	const char *body;
	size_t		body_len;
	bool		has_body;

	int64		timeout_us;		/* of the attempt */
	int64		connect_timeout_us;
	int64		max_response;	/* bytes of the body that the process reads */
	int64		max_kept;		/* bytes that the result may have; 0: no more
								 * than max_response */
	JdgResponseKind response;
	List	   *expect;			/* char *: "204" or "2xx" */
	bool		if_none_match;	/* 304 is an answer */
	bool		unsafe;			/* POST or PATCH, and the endpoint says that
								 * they must not be sent twice */
	bool		fail_when_open;
	int			redirects;
	List	   *hidden;			/* what must not be kept: hide.h */
} JdgRequest;

/*
 * Makes the request of a task that runs now, from the payload of that request:
 * see jdg_template_of_task().  All rules are checked again: an error is one of
 * the task, and nothing is sent.  Outside or inside jdg_internal_begin().
 */
extern void jdg_request_build(const JdgTask *task, const Jsonb *payload,
							  const JdgEndpoint *e, const JdgSecrets *s,
							  JdgRequest *r);

#endif							/* JDG_REQUEST_REQUEST_H */
