/*-------------------------------------------------------------------------
 *
 * request_property.c
 *	  Tests the pure code of src/request: encodings, Retry-After and dates.
 *
 * What is encoded is decoded by functions of this file, and dates are compared
 * with those of the C library.  Random texts, made of parts of valid ones, are
 * either refused or read within bounds.  Each text is a copy without a zero
 * byte, and each buffer has the size that the header promises, so that reading
 * and writing beyond them is noticed.
 *
 * Usage: request_property [seed [count]]
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request/encode.h"
#include "request/retry_after.h"

static int	failures = 0;
static uint64_t random_state;

static void
fail(const char *what, const char *text, size_t len)
{
	printf("FAILED: %s: \"", what);
	for (size_t i = 0; i < len; i++)
		printf(text[i] >= 0x20 && text[i] < 0x7f ? "%c" : "\\x%02x", (unsigned char) text[i]);
	printf("\"\n");
	failures++;
}

static uint64_t
random_bits(void)
{
	/* splitmix64 */
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static size_t
below(size_t n)
{
	return (size_t) (random_bits() % n);
}

/* Bytes in a buffer of just that size; never NULL. */
static char *
exact(const char *bytes, size_t len)
{
	char	   *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, bytes, len);
	return copy;
}

static char *
random_bytes(size_t len)
{
	char	   *bytes = malloc(len > 0 ? len : 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char) random_bits();
	return bytes;
}

/* ---- percent-encoding ---- */

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes; -1: it has a character that must not be there. */
static long
percent_decode(JdgEncoding encoding, const char *text, size_t len, char *out)
{
	const char *plain = encoding == JDG_ENCODE_FORM ? "*-._" : "-._~";
	long		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if (c == '+' && encoding == JDG_ENCODE_FORM)
			out[n++] = ' ';
		else if (c == '%')
		{
			if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
				return -1;
			out[n++] = (char) (hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
			i += 2;
		}
		else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				 (c >= '0' && c <= '9') || (c != '\0' && strchr(plain, c) != NULL))
			out[n++] = c;
		else
			return -1;
	}
	return n;
}

static void
test_percent(int count)
{
	for (int i = 0; i < count; i++)
	{
		size_t		len = below(70);
		char	   *bytes = random_bytes(len);
		char	   *out = malloc(JDG_ENCODED_MAX(len) + (len == 0));
		char	   *back = malloc(JDG_ENCODED_MAX(len) + 1);
		JdgEncoding encoding = i % 2 ? JDG_ENCODE_FORM : JDG_ENCODE_URL;
		size_t		n = jdg_percent_encode(encoding, bytes, len, out);

		if (n > JDG_ENCODED_MAX(len) ||
			percent_decode(encoding, out, n, back) != (long) len ||
			memcmp(back, bytes, len) != 0)
			fail("percent-encoding", bytes, len);
		free(bytes);
		free(out);
		free(back);
	}
}

/* ---- base64 ---- */

static const char *const base64_parts[] = {
	"A", "Zm9v", "YQ==", "YWI=", "=", "==", "+", "/", "-", "_", "\n", "\r\n",
	" ", "\t", "9", "z", "====", "A=", "*", "%3D", "AAAA"
};

/* Is it valid?  Straight from RFC 4648, on a copy without white space. */
static bool
is_base64(const char *text, size_t len)
{
	char		s[1024];
	size_t		n = 0;
	size_t		padding = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '\0')
			return false;
		if (strchr(" \t\r\n", text[i]) == NULL)
			s[n++] = text[i];
	}
	while (padding < 2 && padding < n && s[n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < n - padding; i++)
	{
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", s[i]) == NULL)
			return false;
	}
	return n % 4 == 0;
}

static void
test_base64(int count)
{
	int			valid = 0;

	for (int i = 0; i < count; i++)
	{
		size_t		len = below(100);
		char	   *bytes = random_bytes(len);
		size_t		size = JDG_BASE64_SIZE(len);
		char	   *text = malloc(size + (size == 0));
		char	   *back = malloc(size + (size == 0));
		size_t		n = 0;

		if (jdg_base64_encode(bytes, len, text) != size ||
			!jdg_base64_decode(text, size, back, &n) || n != len ||
			memcmp(back, bytes, len) != 0)
			fail("base64", bytes, len);
		free(bytes);
		free(text);
		free(back);
	}
	for (int i = 0; i < count; i++)
	{
		char		s[256];
		size_t		len = 0;
		char	   *text;
		char	   *out;
		size_t		n;
		bool		ok;

		for (size_t k = below(12); k > 0; k--)
		{
			const char *part = base64_parts[below(sizeof(base64_parts) / sizeof(base64_parts[0]))];

			memcpy(s + len, part, strlen(part));
			len += strlen(part);
			if (below(30) == 0)
				s[len++] = (char) random_bits();
		}
		text = exact(s, len);

		out = malloc(len + (len == 0));
		ok = jdg_base64_decode(text, len, out, &n);
		valid += ok;
		if (ok != is_base64(text, len))
			fail(ok ? "base64 is accepted" : "base64 is refused", text, len);
		if (n > len)
			fail("base64, position", text, len);
		free(text);
		free(out);
	}
	printf("%d of %d texts are base64\n", valid, count);
	if (valid == 0)
		fail("no text is base64", "", 0);
}

/* ---- dates and Retry-After ---- */

static const char *const formats[] = {
	"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"
};

static const char *const date_parts[] = {
	"Sun", "Sunday", "Mon", ", ", ",", " ", "  ", "06", "6", "31", "30", "29",
	"Feb", "Nov", "feb", "-", "1994", "94", "2000", "1900", "0000", "9999",
	"08:49:37", "24:00:00", "23:59:60", "00:00:00", " GMT", "GMT", " UTC",
	"0", "1", "120", "3600", "99999999999999999999", ".", ".5", "1.0", "-1",
	"+1", "1e3", "0x10", "\t"
};

/* A date of the C library is read as the same instant, in all three forms. */
static void
check_date(int64_t now)
{
	/* the century of a year of two digits is the nearest one */
	time_t		at = (time_t) (now + (int64_t) below(98 * UINT64_C(31556952)) -
							   49 * INT64_C(31556952));
	struct tm	tm;

	gmtime_r(&at, &tm);
	if (tm.tm_year < -1900 || tm.tm_year > 8099)
		return;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
	{
		char		s[64];
		size_t		len = strftime(s, sizeof(s), formats[i], &tm);
		char	   *text = exact(s, len);
		int64_t		seconds = 0;
		int64_t		us = -1;
		int64_t		wait = (int64_t) at > now ? (int64_t) at - now : 0;

		if (!jdg_http_date(text, len, now, &seconds) || seconds != (int64_t) at)
			fail("date", text, len);
		if (!jdg_retry_after(text, len, now, &us) ||
			us != (wait > JDG_RETRY_AFTER_MAX / 1000000 ? JDG_RETRY_AFTER_MAX : wait * 1000000))
			fail("date of Retry-After", text, len);
		free(text);
	}
}

static void
check_text(int64_t now, int *accepted)
{
	char		s[256];
	size_t		len = 0;
	char	   *text;
	int64_t		us = -1;
	int64_t		seconds;

	if (below(4) == 0)
	{
		/* a date, of which one byte is another */
		time_t		at = (time_t) below(UINT64_C(4102444800));
		struct tm	tm;

		gmtime_r(&at, &tm);
		len = strftime(s, sizeof(s), formats[below(3)], &tm);
		s[below(len)] = "0123456789 :,-GMT.\t"[below(19)];
	}
	else
	{
		for (size_t k = below(8); k > 0; k--)
		{
			const char *part = date_parts[below(sizeof(date_parts) / sizeof(date_parts[0]))];

			memcpy(s + len, part, strlen(part));
			len += strlen(part);
			if (below(30) == 0)
				s[len++] = (char) random_bits();
		}
	}
	text = exact(s, len);

	if (jdg_retry_after(text, len, now, &us))
	{
		(*accepted)++;
		if (us < 0 || us > JDG_RETRY_AFTER_MAX || us % 1000000 != 0)
			fail("Retry-After", text, len);
	}
	(void) jdg_http_date(text, len, now, &seconds);
	free(text);
}

static void
test_retry_after(int count)
{
	int			accepted = 0;

	for (int i = 0; i < count; i++)
	{
		/* from 1970 to 2300 */
		int64_t		now = (int64_t) below(UINT64_C(330) * 31556952);

		check_date(now);
		check_text(now, &accepted);
	}
	printf("%d of %d texts are values of Retry-After\n", accepted, count);
	if (accepted == 0)
		fail("no value is accepted", "", 0);
}

int
main(int argc, char **argv)
{
	int			count = argc > 2 ? atoi(argv[2]) : 200000;

	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	test_percent(count);
	test_base64(count);
	test_retry_after(count);
	if (failures == 0)
		printf("all tests passed\n");
	return failures != 0;
}
