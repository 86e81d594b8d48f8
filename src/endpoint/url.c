/*-------------------------------------------------------------------------
 *
 * url.c
 *	  Parser of URLs, see url.h.
 *
 * Pure.  For any bytes the result is either a URL or a fault with its
 * position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <arpa/inet.h>
#include <string.h>

#include "endpoint/url.h"

#define ASCII_HINT "Write the name in its ASCII form, which begins with \"xn--\"."
#define ENCODE_HINT "Percent-encode the character."
#define DECIMAL_HINT \
	"Write an IPv4 address as four decimal numbers without leading zeros."

/* Sets the fault; always false. */
static bool
refuse(JdgUrlFault *fault, size_t position, const char *what, const char *hint)
{
	fault->what = what;
	fault->hint = hint;
	fault->position = position;
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_control(char c)
{
	return (unsigned char) c < 0x20 || c == 0x7f;
}

static bool
is_ascii(char c)
{
	return ((unsigned char) c & 0x80) == 0;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* The value of a hexadecimal digit, -1 if it is none. */
static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
jdg_url_scheme_name(JdgUrlScheme scheme)
{
	return scheme == JDG_URL_HTTPS ? "https" : "http";
}

uint16_t
jdg_url_default_port(JdgUrlScheme scheme)
{
	return scheme == JDG_URL_HTTPS ? 443 : 80;
}

/* --------------------------------------------------------------------- hosts */

/* Is it four decimal numbers up to 255, without leading zeros? */
static bool
is_ipv4(const char *s, size_t len)
{
	int			numbers = 0;
	size_t		i = 0;

	while (numbers < 4)
	{
		int			value = 0;
		size_t		first = i;

		while (i < len && is_digit(s[i]) && i - first < 3)
			value = value * 10 + (s[i++] - '0');
		if (i == first || value > 255 || (s[first] == '0' && i - first > 1))
			return false;
		numbers++;
		if (numbers == 4)
			break;
		if (i == len || s[i++] != '.')
			return false;
	}
	return i == len;
}

/*
 * Might another program read this name as an IPv4 address?  They do if its last
 * label, a final dot left aside, is a number: decimal, octal or hexadecimal.
 */
static bool
ends_in_number(const char *s, size_t len)
{
	size_t		first;

	if (len > 0 && s[len - 1] == '.')
		len--;
	first = len;
	while (first > 0 && s[first - 1] != '.')
		first--;
	if (first == len)
		return false;
	if (len - first >= 2 && s[first] == '0' && lower(s[first + 1]) == 'x')
	{
		first += 2;
		while (first < len && hex_value(s[first]) >= 0)
			first++;
		return first == len;
	}
	while (first < len && is_digit(s[first]))
		first++;
	return first == len;
}

/* A character that a name may not have. */
static bool
refuse_host_byte(char c, size_t at, JdgUrlFault *fault)
{
	if (!is_ascii(c))
		return refuse(fault, at, "The host has a character that is not ASCII.",
					  ASCII_HINT);
	if (is_control(c))
		return refuse(fault, at, "The host has a control character.", NULL);
	if (c == '%')
		return refuse(fault, at, "The host has a percent sign.",
					  "Write the host without percent-encoding, and an IPv6 address without a zone.");
	if (c == '\\')
		return refuse(fault, at, "The URL has a backslash.", NULL);
	return refuse(fault, at, "The host has a character that no name has.", NULL);
}

/* Reads a name of letters, digits, hyphens and underscores between dots. */
static bool
parse_name(const char *s, size_t len, char *host, JdgUrlFault *fault)
{
	size_t		label = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = lower(s[i]);

		if (c == '.')
		{
			if (i == label)
				return refuse(fault, i, "The host has an empty label.", NULL);
			if (s[i - 1] == '-')
				return refuse(fault, i - 1, "A label of the host ends with a hyphen.", NULL);
			label = i + 1;
		}
		else if (c == '-' && i == label)
			return refuse(fault, i, "A label of the host begins with a hyphen.", NULL);
		else if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
			return refuse_host_byte(s[i], i, fault);
		if (i - label >= 63 && c != '.')
			return refuse(fault, label, "A label of the host is longer than 63 characters.", NULL);
		if (i >= JDG_HOST_MAX && !(i == JDG_HOST_MAX && c == '.'))
			return refuse(fault, i, "The host is longer than 253 characters.", NULL);
		host[i] = c;
	}
	host[len] = '\0';
	if (s[len - 1] == '-')
		return refuse(fault, len - 1, "A label of the host ends with a hyphen.", NULL);
	if (ends_in_number(s, len))
		return refuse(fault, 0, "The host is a number, or ends in one.",
					  DECIMAL_HINT);
	return true;
}

/* Reads an IPv6 address, without brackets. */
static bool
parse_ipv6(const char *s, size_t len, char *host, JdgUrlFault *fault)
{
	char text[	INET6_ADDRSTRLEN];
	struct in6_addr addr;

	for (size_t i = 0; i < len; i++)
	{
		if (s[i] == '%')
			return refuse(fault, i, "The IPv6 address has a zone.", NULL);
		if (s[i] != ':' && s[i] != '.' && hex_value(s[i]) < 0)
			return refuse(fault, i, "The host is not a valid IPv6 address.", NULL);
	}
	if (len < 2 || len >= sizeof(text))
		return refuse(fault, 0, "The host is not a valid IPv6 address.", NULL);
	memcpy(text, s, len);
	text[		len] = '\0';

	if (inet_pton(AF_INET6, text, &addr) != 1 ||
		inet_ntop(AF_INET6, &addr, host, JDG_HOST_SIZE) == NULL)
		return refuse(fault, 0, "The host is not a valid IPv6 address.", NULL);
	return true;
}

bool
jdg_host_parse(const char *text, size_t len, char *host, JdgHostKind *kind,
			   JdgUrlFault *fault)
{
	if (len == 0)
		return refuse(fault, 0, "The host is empty.", NULL);
	if (memchr(text, ':', len) != NULL)
	{
		*kind = JDG_HOST_IPV6;
		return parse_ipv6(text, len, host, fault);
	}
	if (is_ipv4(text, len))
	{
		*kind = JDG_HOST_IPV4;
		memcpy(host, text, len);
		host[len] = '\0';
		return true;
	}
	*kind = JDG_HOST_NAME;
	return parse_name(text, len, host, fault);
}

/* --------------------------------------------------------- paths and queries */

/*
 * Reads a byte of a path or query at *i, decoding it, and moves on.  -1: the
 * fault is set.
 */
static int
next_byte(const char *s, size_t len, size_t *i, JdgUrlFault *fault)
{
	size_t		at = (*i)++;
	char		c = s[at];

	if (!is_ascii(c))
		refuse(fault, at, "The URL has a character that is not ASCII.", ENCODE_HINT);
	else if (is_control(c))
		refuse(fault, at, "The URL has a control character.", NULL);
	else if (c == '\\')
		refuse(fault, at, "The URL has a backslash.", NULL);
	else if (c == '#')
		refuse(fault, at, "The URL has a fragment, which is never sent.", NULL);
	else if (strchr(" \"<>^`{|}", c) != NULL)
		refuse(fault, at, "The URL has a character that must be percent-encoded.",
			   ENCODE_HINT);
	else if (c != '%')
		return c;
	else if (len - at < 3 || hex_value(s[at + 1]) < 0 || hex_value(s[at + 2]) < 0)
		refuse(fault, at, "A percent sign is not followed by two hexadecimal digits.",
			   NULL);
	else
	{
		*i = at + 3;
		return hex_value(s[at + 1]) * 16 + hex_value(s[at + 2]);
	}
	return -1;
}

/* a segment of a path, decoded */
typedef struct Segment
{
	size_t		start;
	int			length;			/* of its name, up to a semicolon */
	bool		dots;			/* has it nothing but dots? */
	bool		parameters;
} Segment;

/*
 * Is it ".."?  Also with parameters after a semicolon, which some servers
 * remove first.
 */
static bool
is_parent(const Segment *seg)
{
	return seg->dots && seg->length == 2;
}

/*
 * The byte for which a decoded percent sign stands with what follows; -1: it is
 * just a percent sign.  A proxy and the server behind it may each decode a
 * path, so "%252e" is a dot, too.
 */
static int
decoded_again(const char *s, size_t len, size_t i)
{
	while (len - i >= 2 && s[i] == '2' && s[i + 1] == '5')
		i += 2;
	if (len - i < 2 || hex_value(s[i]) < 0 || hex_value(s[i + 1]) < 0)
		return -1;
	return hex_value(s[i]) * 16 + hex_value(s[i + 1]);
}

/* The number of bytes after which such an escape ends. */
static size_t
escape_end(const char *s, size_t len, size_t i)
{
	while (len - i >= 2 && s[i] == '2' && s[i + 1] == '5')
		i += 2;
	return i + 2;
}

bool
jdg_url_check_path(const char *text, size_t len, JdgUrlFault *fault)
{
	Segment		seg = {0, 0, true, false};
	size_t		i = 0;

	if (len == 0 || text[0] != '/')
		return refuse(fault, 0, "The path does not begin with a slash.", NULL);
	if (len > 1 && text[1] == '/')
		return refuse(fault, 1, "The path begins with two slashes.", NULL);
	while (i < len)
	{
		size_t		at = i;
		int			c = next_byte(text, len, &i, fault);

		if (c < 0)
			return false;
		if (c == '?' && text[at] == '?')
			return refuse(fault, at, "The path has a question mark.",
						  "Give the query apart from the path.");
		if (c == '%' && decoded_again(text, len, i) >= 0)
		{
			c = decoded_again(text, len, i);
			i = escape_end(text, len, i);
		}
		if (c < 0x20 || c == 0x7f)
			return refuse(fault, at, "The path has an encoded control character.", NULL);
		if (c == '\\')
			return refuse(fault, at, "The path has an encoded backslash.", NULL);
		if (c == '/')
		{
			if (is_parent(&seg))
				return refuse(fault, seg.start, "The path has a segment \"..\".", NULL);
			seg = (Segment)
			{
				i, 0, true, false
			};
		}
		else if (c == ';')
			seg.parameters = true;
		else if (!seg.parameters)
		{
			seg.length++;
			seg.dots &= c == '.';
		}
	}
	if (is_parent(&seg))
		return refuse(fault, seg.start, "The path has a segment \"..\".", NULL);
	return true;
}

bool
jdg_url_check_query(const char *text, size_t len, JdgUrlFault *fault)
{
	size_t		i = 0;

	while (i < len)
	{
		size_t		at = i;
		int			c = next_byte(text, len, &i, fault);

		if (c < 0)
			return false;
		if (c == 0)
			return refuse(fault, at, "The query has an encoded zero byte.", NULL);
	}
	return true;
}

/* ---------------------------------------------------------------- whole URLs */

/* Reads the scheme and "://"; returns the place behind it, 0: refused. */
static size_t
parse_scheme(const char *s, size_t len, JdgUrl *url, JdgUrlFault *fault)
{
	static const char *const begins[] = {"http://", "https://"};

	for (int k = 0; k < 2; k++)
	{
		size_t		n = strlen(begins[k]);
		size_t		i = 0;

		while (i < n && i < len && lower(s[i]) == begins[k][i])
			i++;
		if (i < n)
			continue;
		url->scheme = k == 0 ? JDG_URL_HTTP : JDG_URL_HTTPS;
		return n;
	}
	refuse(fault, 0, "The URL does not begin with http:// or https://.", NULL);
	return 0;
}

/* Reads a port, the text behind the colon. */
static bool
parse_port(const char *s, size_t from, size_t to, JdgUrl *url,
		   JdgUrlFault *fault)
{
	uint32_t	port = 0;

	if (from == to)
		return refuse(fault, from, "The port is empty.", NULL);
	for (size_t i = from; i < to; i++)
	{
		if (!is_digit(s[i]))
			return refuse(fault, i, "The port is not a number.", NULL);
		port = port * 10 + (uint32_t) (s[i] - '0');
		if (port > 65535)
			return refuse(fault, from, "The port is greater than 65535.", NULL);
	}
	if (s[from] == '0')
		return refuse(fault, from, port == 0 ? "The port is 0."
					  : "The port begins with a zero.", NULL);
	url->port = (uint16_t) port;
	url->port_given = true;
	return true;
}

/* Reads host and port, s[from] to s[to - 1]. */
static bool
parse_authority(const char *s, size_t from, size_t to, JdgUrl *url,
				JdgUrlFault *fault)
{
	bool		brackets = from < to && s[from] == '[';
	size_t		host = from + brackets;
	size_t		end = host;

	/* first, as it could hide any other host */
	for (size_t i = from; i < to; i++)
	{
		if (s[i] == '\\')
			return refuse(fault, i, "The URL has a backslash.", NULL);
		if (s[i] == '@')
			return refuse(fault, i, "The URL has a user or password.",
						  "Give them in a user mapping of the endpoint.");
	}
	while (end < to && s[end] != (brackets ? ']' : ':'))
		end++;
	if (brackets && (end == to || memchr(s + host, ':', end - host) == NULL))
		return refuse(fault, from, "The brackets hold no IPv6 address.", NULL);
	if (!jdg_host_parse(s + host, end - host, url->host, &url->kind, fault))
	{
		fault->position += host;
		return false;
	}
	end += brackets;
	if (end == to)
		return true;
	if (s[end] != ':')
		return refuse(fault, end, "The host is followed by something that is no port.", NULL);
	return parse_port(s, end + 1, to, url, fault);
}

bool
jdg_url_parse(const char *text, size_t len, JdgUrl *url, JdgUrlFault *fault)
{
	size_t		from;
	size_t		i;

	memset(url, 0, sizeof(*url));
	memset(fault, 0, sizeof(*fault));
	if (len > JDG_URL_MAX)
		return refuse(fault, JDG_URL_MAX, "The URL is longer than 8192 bytes.", NULL);
	from = parse_scheme(text, len, url, fault);
	if (from == 0)
		return false;
	url->port = jdg_url_default_port(url->scheme);
	i = from;
	while (i < len && text[i] != '/' && text[i] != '?' && text[i] != '#')
		i++;
	if (!parse_authority(text, from, i, url, fault))
		return false;
	url->path = text +i;

	while (i < len && text[i] != '?' && text[i] != '#')
		i++;
	url->path_len = (size_t) (text +i - url->path);
	if (url->path_len > 0 &&
		!jdg_url_check_path(url->path, url->path_len, fault))
	{
		fault->position += (size_t) (url->path - text);
		return false;
	}
	if (i == len)
		return true;
	if (text[i] == '#')
		return refuse(fault, i, "The URL has a fragment, which is never sent.", NULL);
	url->query = text +i + 1;

	url->query_len = len - i - 1;
	if (!jdg_url_check_query(url->query, url->query_len, fault))
	{
		fault->position += i + 1;
		return false;
	}
	return true;
}
