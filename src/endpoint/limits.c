/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  The limits of requests to an endpoint, for its gates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "endpoint/endpoint.h"
#include "limit/limit.h"
#include "shared/guard.h"

/* requests to one host at a time, of an endpoint whose payloads name it */
#define HOST_CONCURRENCY 4

int
jdg_endpoint_limits(const JdgEndpoint *e, const char *host,
					JdgLimit limit[2])
{
	limit[0] = jdg_limit_of_id(JDG_SCOPE_ENDPOINT, e->endpoint_id, e->owner,
							   e->max_concurrency, &e->rate);
	if (host == NULL)
	{
		limit[0].breaker = jdg_breaker_keep(&limit[0], &e->breaker);
		return 1;
	}
	limit[1] = jdg_limit_of_id(JDG_SCOPE_HOST, e->endpoint_id, e->owner,
							   HOST_CONCURRENCY, NULL);
	limit[1].id[1] = hash_bytes_extended((const unsigned char *) host,
										 strlen(host), 0);
	/* its hosts have the options of the endpoint */
	limit[1].breaker = jdg_breaker_keep(&limit[0], &e->breaker);
	return 2;
}
