/*-------------------------------------------------------------------------
 *
 * class.c
 *	  What the end of a call means for its task and for the breaker of the
 *	  endpoint, see response.h.
 *
 * A response that the request did not expect, and that is not of a kind that
 * passes by itself, is final: the same request would get it again.  501 and 505
 * say that the service will never do it.  To the breaker they say that it is
 * well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "request/response.h"

/* Is the status one of these, "204" or "2xx"? */
static bool
is_among(int status, List *statuses)
{
	char text[	12];
	ListCell   *lc;

	snprintf(text, sizeof(text), "%d", status);
	foreach(lc, statuses)
	{
		const char *s = lfirst(lc);
		bool		whole_class = pg_strcasecmp(s + 1, "xx") == 0;

		if (whole_class ? s[0] == text[0] && strlen(text) == 3 : strcmp(s, text) == 0)
			return true;
	}
	return false;
}

static bool
is_expected(const JdgRequest *r, int status)
{
	if (status == 304 && r->if_none_match)
		return true;
	if (r->expect == NIL)
		return status >= 200 && status <= 299;
	return is_among(status, r->expect);
}

JdgCallClass
jdg_response_class(const JdgRequest *r, const JdgResponse *resp,
				   JdgCallHealth *health)
{
	int			status = resp->status;

	*health = JDG_CALL_GOOD;
	if (is_expected(r, status))
		return JDG_CALL_COMPLETED;
	if (status == 429)
	{
		*health = JDG_CALL_SAYS_NOTHING;
		return JDG_CALL_RETRY;
	}
	/* it came to a server that is not this service's */
	if (status == 421)
		return JDG_CALL_RETRY;
	if (status != 408 && status != 425 && (status < 500 || status > 599 ||
										   status == 501 || status == 505))
		return JDG_CALL_FINAL;
	*health = JDG_CALL_BAD;
	return JDG_CALL_RETRY;
}

JdgCallClass
jdg_end_class(const JdgRequest *r, JdgCallEnd end, bool sent,
			  JdgCallHealth *health)
{
	*health = end == JDG_CALL_END_ADDRESS || end == JDG_CALL_END_LOST ?
		JDG_CALL_SAYS_NOTHING : JDG_CALL_BAD;
	if (end == JDG_CALL_END_ADDRESS || (sent && r->unsafe))
		return JDG_CALL_FINAL;
	return JDG_CALL_RETRY;
}

int
jdg_end_sqlerrcode(JdgCallEnd end)
{
	switch (end)
	{
		case JDG_CALL_END_TIMEOUT:
			return JDG_ERRCODE_TASK_TIMEOUT;
		case JDG_CALL_END_ADDRESS:
			return JDG_ERRCODE_ADDRESS_REFUSED;
		case JDG_CALL_END_LOST:
			return JDG_ERRCODE_WORKER_CRASHED;
		case JDG_CALL_END_RESOLVE:
		case JDG_CALL_END_CONNECT:
		case JDG_CALL_END_TLS:
		case JDG_CALL_END_RESET:
		case JDG_CALL_END_PROTOCOL:
			break;
	}
	return JDG_ERRCODE_SERVICE_UNAVAILABLE;
}
