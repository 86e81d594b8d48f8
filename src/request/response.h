/*-------------------------------------------------------------------------
 *
 * response.h
 *	  The response of a service: its headers, and what it means for the task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_RESPONSE_H
#define JDG_REQUEST_RESPONSE_H

#include "utils/timestamp.h"

#include "request/request.h"

typedef struct JdgResponse
{
	int			status;
	const char *headers;		/* lines of the last response, as they came */
	size_t		headers_len;
	const char *body;			/* decoded */
	size_t		body_len;
	bool		truncated;		/* there was more of it */
	int64		size;			/* bytes of the body that were read */
	int64		us;				/* from the claim to the end */
} JdgResponse;

/* a header, in the lines of a response */
typedef struct JdgLine
{
	const char *name;
	size_t		name_len;
	const char *value;			/* without white space around it */
	size_t		value_len;
} JdgLine;

/*
 * The next header from "*at" on, which is moved on; false: there is none.  What
 * is no header, such as a status line, is passed over.
 */
extern bool jdg_response_next(const JdgResponse *resp, size_t *at,
							  JdgLine *line);

/* is it the name of the header, in any case? */
extern bool jdg_line_is(const JdgLine *line, const char *name);

/* the first header of that name */
extern bool jdg_response_header(const JdgResponse *resp, const char *name,
								JdgLine *line);

/* what happens with a task */
typedef enum JdgCallClass
{
	JDG_CALL_COMPLETED,
	JDG_CALL_RETRY,				/* if its policy allows it */
	JDG_CALL_FINAL
} JdgCallClass;

/* what a breaker learns from it */
typedef enum JdgCallHealth
{
	JDG_CALL_GOOD,
	JDG_CALL_BAD,
	JDG_CALL_SAYS_NOTHING
} JdgCallHealth;

/* how a call without an answer has ended */
typedef enum JdgCallEnd
{
	JDG_CALL_END_RESOLVE,		/* the name was not resolved */
	JDG_CALL_END_CONNECT,
	JDG_CALL_END_TLS,
	JDG_CALL_END_RESET,			/* the connection ended first */
	JDG_CALL_END_PROTOCOL,
	JDG_CALL_END_TIMEOUT,
	JDG_CALL_END_ADDRESS,		/* no address is allowed */
	JDG_CALL_END_LOST			/* the process has ended */
} JdgCallEnd;

extern JdgCallClass jdg_response_class(const JdgRequest *r,
									   const JdgResponse *resp,
									   JdgCallHealth *health);

/* "sent": the service may have got the request, or a part of it */
extern JdgCallClass jdg_end_class(const JdgRequest *r, JdgCallEnd end,
								  bool sent, JdgCallHealth *health);

/*
 * The wait for which a response asks by Retry-After, at most the endpoint's
 * retry_after_max.  False: it asks for none.
 */
extern bool jdg_response_retry_after(const JdgEndpoint *e,
									 const JdgResponse *resp, TimestampTz now,
									 int64 *us);

/*
 * The result of a task, in the current memory context: {"status", "headers",
 * "body", "encoding", "size", "truncated", "ms"}.  Never raises an error for
 * what the service has sent.  In a transaction, whose subtransactions it may
 * use; a blob belongs to the owner and the tenant of the task.
 */
extern Jsonb *jdg_response_result(const JdgTask *task, const JdgRequest *r,
								  const JdgEndpoint *e,
								  const JdgResponse *resp);

/* the headers that are kept, as an object */
extern Jsonb *jdg_response_headers(const JdgRequest *r, const JdgEndpoint *e,
								   const JdgResponse *resp);

/*
 * Errors of attempts, in the current memory context: {"code", "sqlstate",
 * "message", "detail", "hint", "kind", "status", "body", "headers",
 * "retry_after", "sent"}.  retry_after_us: -1 if the service asks for no wait.
 */
extern Jsonb *jdg_response_error(const JdgRequest *r, const JdgEndpoint *e,
								 const JdgResponse *resp,
								 int64 retry_after_us);

/*
 * The same without a response.  "phase" says how far it came, such as "waiting
 * for the response"; "message" is what the library says, or NULL.
 */
extern Jsonb *jdg_end_error(const JdgRequest *r, const JdgEndpoint *e,
							JdgCallEnd end, bool sent, const char *phase,
							const char *message);

/* the SQLSTATE of an end: SERVICE_UNAVAILABLE, TASK_TIMEOUT, ... */
extern int	jdg_end_sqlerrcode(JdgCallEnd end);

#endif							/* JDG_REQUEST_RESPONSE_H */
