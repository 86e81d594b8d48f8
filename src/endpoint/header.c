/*-------------------------------------------------------------------------
 *
 * header.c
 *	  Names and values of HTTP headers, see header.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <string.h>
#include <strings.h>

#include "endpoint/header.h"

#define NAME_MAX_BYTES 256

bool
jdg_header_is_name(const char *name, size_t len)
{
	if (len == 0 || len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = name[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
			!(c >= 'A' && c <= 'Z') &&
			(c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return true;
}

bool
jdg_header_is_value(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) value[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Is it one of these, in any case?  The list ends with NULL. */
static bool
is_among(const char *name, size_t len, const char *const *list)
{
	for (; *list; list++)
	{
		if (strlen(*list) == len && strncasecmp(*list, name, len) == 0)
			return true;
	}
	return false;
}

bool
jdg_header_is_reserved(const char *name, size_t len)
{
	static const char *const reserved[] = {
		"Host", "Content-Length", "Transfer-Encoding", "Connection",
		"Keep-Alive", "Upgrade", "TE", "Trailer", "Expect", NULL
	};

	return is_among(name, len, reserved) ||
		(len >= 6 && strncasecmp(name, "Proxy-", 6) == 0);
}

bool
jdg_header_is_credential(const char *name, size_t len)
{
	static const char *const credentials[] = {
		"Authorization", "Cookie", "Cookie2", NULL
	};

	return is_among(name, len, credentials);
}

bool
jdg_header_sounds_secret(const char *name, size_t len)
{
	static const char *const words[] = {
		"token", "secret", "key", "passw", "credential", "authorization",
		"signature", "session", NULL
	};

	if (jdg_header_is_credential(name, len))
		return true;
	for (const char *const *word = words; *word; word++)
	{
		size_t		n = strlen(*word);

		for (size_t i = 0; i + n <= len; i++)
		{
			if (strncasecmp(name + i, *word, n) == 0)
				return true;
		}
	}
	return false;
}
