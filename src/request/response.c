/*-------------------------------------------------------------------------
 *
 * response.c
 *	  Headers of a response, see response.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "endpoint/header.h"
#include "request/response.h"
#include "request/retry_after.h"

bool
jdg_response_next(const JdgResponse *resp, size_t *at, JdgLine *line)
{
	while (*at < resp->headers_len)
	{
		const char *s = resp->headers + *at;
		size_t		left = resp->headers_len - *at;
		const char *end = memchr(s, '\n', left);
		size_t		len = end ? (size_t) (end - s) : left;
		const char *colon = memchr(s, ':', len);

		*at += len + (end ? 1 : 0);
		if (colon == NULL || !jdg_header_is_name(s, (size_t) (colon - s)))
			continue;
		line->name = s;
		line->name_len = (size_t) (colon - s);
		line->value = colon + 1;
		line->value_len = len - line->name_len - 1;
		while (line->value_len > 0 && strchr(" \t", line->value[0]) && line->value[0])
		{
			line->value++;
			line->value_len--;
		}
		while (line->value_len > 0 && line->value[line->value_len - 1] &&
			   strchr(" \t\r", line->value[line->value_len - 1]))
			line->value_len--;
		return true;
	}
	return false;
}

bool
jdg_line_is(const JdgLine *line, const char *name)
{
	return strlen(name) == line->name_len &&
		pg_strncasecmp(line->name, name, line->name_len) == 0;
}

bool
jdg_response_header(const JdgResponse *resp, const char *name, JdgLine *line)
{
	size_t		at = 0;

	while (jdg_response_next(resp, &at, line))
	{
		if (jdg_line_is(line, name))
			return true;
	}
	return false;
}

bool
jdg_response_retry_after(const JdgEndpoint *e, const JdgResponse *resp,
						 TimestampTz now, int64 *us)
{
	int64		clock = now / USECS_PER_SEC +
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * SECS_PER_DAY;
	int64		theirs;
	JdgLine		line;
	size_t		at = 0;
	bool		found = false;

	/* their date is one of their clock */
	theirs = clock;
	if (jdg_response_header(resp, "Date", &line) &&
		!jdg_http_date(line.value, line.value_len, clock, &theirs))
		theirs = clock;
	*us = 0;
	while (jdg_response_next(resp, &at, &line))
	{
		int64		wait;

		if (jdg_line_is(&line, "Retry-After") &&
			jdg_retry_after(line.value, line.value_len, theirs, &wait))
		{
			*us = Max(*us, wait);
			found = true;
		}
	}
	*us = Min(*us, e->retry_after_max_us);
	/* "at once" is no answer to too many requests */
	return found && !(resp->status == 429 && *us == 0);
}
