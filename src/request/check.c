/*-------------------------------------------------------------------------
 *
 * check.c
 *	  The check of a payload when its task is enqueued, see request.h.
 *
 * Runs in sessions and workers.  What can be refused is refused here, where the
 * caller can do something about it, and not after the first attempt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/owner.h"
#include "base/errors.h"
#include "request/body.h"
#include "request/check.h"
#include "request/headers.h"
#include "request/request.h"
#include "request/target.h"

/* Raises FORBIDDEN unless the role may use the endpoint. */
static void
check_usage(const JdgEndpoint *e, Oid role)
{
	if (jdg_endpoint_may_use(e, role))
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_FORBIDDEN),
			 errmsg("permission denied for endpoint \"%s\"", e->name),
			 errdetail("Role \"%s\" does not have USAGE on that server.",
					   jdg_role_name(role)),
			 errhint("Its owner can run GRANT USAGE ON FOREIGN SERVER %s TO %s.",
					 quote_identifier(e->name),
					 quote_identifier(jdg_role_name(role)))));
}

void
jdg_request_check(const JdgPayload *p, const JdgEndpoint *e, Oid role)
{
	check_usage(e, role);
	jdg_headers_check(p, e);
	jdg_body_check(p, role, e->max_request);
}

/* Checks a payload by all rules, and sets its endpoint and URL. */
static void
check_payload(const Jsonb *payload, Oid owner, JdgEndpoint *e, JdgUrl *url)
{
	JdgPayload	p;

	jdg_payload_read(payload, &p);
	if (!jdg_endpoint_by_name(p.endpoint, e))
		jdg_endpoint_missing(p.endpoint);
	jdg_request_check(&p, e, owner);
	(void) jdg_target_url(&p, e, NULL, url);
}

void
jdg_request_check_payload(const Jsonb *payload, Oid owner)
{
	JdgEndpoint e;
	JdgUrl		url;

	check_payload(payload, owner, &e, &url);
}

void
jdg_request_enqueue_target(const Jsonb *payload, Oid owner,
						   JdgRequestTarget *target)
{
	JdgEndpoint e;
	JdgUrl		url;

	check_payload(payload, owner, &e, &url);
	target->endpoint_id = jdg_endpoint_intern(e.name);
	target->host = e.any_host ? pstrdup(url.host) : NULL;
}
