/*-------------------------------------------------------------------------
 *
 * cidr.c
 *	  Ranges of IP addresses, see cidr.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <arpa/inet.h>
#include <string.h>

#include "base/cidr.h"

/* Are the bits of the address after its prefix zero? */
static bool
is_aligned(const JdgCidr *range)
{
	for (int bit = range->bits; bit < range->size * 8; bit++)
	{
		if (range->addr[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

/*
 * inet_pton() of some systems takes numbers with leading zeros, which others
 * read as octal.
 */
static bool
has_octal(const char *s)
{
	for (const char *p = s; *p; p++)
	{
		if (*p == '0' && p[1] >= '0' && p[1] <= '9' && (p == s || p[-1] == '.'))
			return true;
	}
	return false;
}

/* Reads one range, a text without spaces.  NULL, or why it is none. */
static const char *
parse_one(char *text, JdgCidr *out)
{
	char	   *slash = strchr(text, '/');
	const char *colon;
	int			bits = 0;
	bool		v6;

	memset(out, 0, sizeof(*out));
	if (slash)
		*slash = '\0';
	colon = strrchr(text, ':');
	v6 = colon != NULL;
	if (strchr(text, '.') != NULL && has_octal(v6 ? colon + 1 : text))
		return "A number of the address has a leading zero.";
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, out->addr) != 1)
		return "It is not an IP address.";
	out->size = v6 ? 16 : 4;
	out->bits = out->size * 8;
	if (slash == NULL)
		return NULL;
	for (const char *p = slash + 1; *p; p++)
	{
		if (*p < '0' || *p > '9' || p - slash > 3)
			return "The prefix is not a number of bits.";
		bits = bits * 10 + (*p - '0');
	}
	if (slash[1] == '\0' || bits > out->size * 8 || (slash[1] == '0' && slash[2]))
		return "The prefix is not a number of bits.";
	out->bits = bits;
	if (!is_aligned(out))
		return "The address has bits after its prefix.";
	return NULL;
}

int
jdg_cidrs_parse(const char *text, JdgCidr *out, int max, const char **what,
				size_t *position)
{
	const char *p = text;
	int			n = 0;

	*what = NULL;
	*position = 0;
	p += strspn(p, " \t");
	if (*p == '\0')
		return 0;
	for (;;)
	{
		char		one[64];
		size_t		len = strcspn(p, ", \t");

		*position = (size_t) (p - text);
		if (len == 0)
			*what = "There is no address.";
		else if (len >= sizeof(one))
			*what = "It is not an IP address.";
		else if (n == max)
			*what = "The list has too many ranges.";
		if (*what != NULL)
			return -1;
		memcpy(one, p, len);
		one[len] = '\0';
		*what = parse_one(one, &out[n]);
		if (*what != NULL)
			return -1;
		n++;
		p += len;
		p += strspn(p, " \t");
		if (*p == '\0')
			return n;
		if (*p != ',')
		{
			*position = (size_t) (p - text);
			*what = "There is no comma between two ranges.";
			return -1;
		}
		p++;
		p += strspn(p, " \t");
	}
}

bool
jdg_cidr_contains(const JdgCidr *range, const uint8_t *addr, int size)
{
	int			bytes = range->bits / 8;
	int			rest = range->bits % 8;

	if (range->size != size || memcmp(range->addr, addr, (size_t) bytes) != 0)
		return false;
	return rest == 0 ||
		((range->addr[bytes] ^ addr[bytes]) & (0xff << (8 - rest)) & 0xff) == 0;
}

bool
jdg_cidrs_contain(const JdgCidr *ranges, int n, const uint8_t *addr, int size)
{
	for (int i = 0; i < n; i++)
	{
		if (jdg_cidr_contains(&ranges[i], addr, size))
			return true;
	}
	return false;
}
