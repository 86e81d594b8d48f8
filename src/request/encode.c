/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  Percent-encoding and base64, see encode.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <stdint.h>
#include <string.h>

#include "request/encode.h"

static const char hex_digits[] = "0123456789ABCDEF";

static const char base64_digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Does the byte stand for itself?  By RFC 3986, and by the form of WHATWG. */
static bool
is_plain(JdgEncoding encoding, char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
		return true;
	return c == (encoding == JDG_ENCODE_FORM ? '*' : '~');
}

size_t
jdg_percent_encode(JdgEncoding encoding, const char *text, size_t len,
				   char *out)
{
	char	   *at = out;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (is_plain(encoding, text[i]))
			*at++ = text[i];

		else if (c == ' ' && encoding == JDG_ENCODE_FORM)
			*at++ = '+';
		else
		{
			*at++ = '%';
			*at++ = hex_digits[c >> 4];
			*at++ = hex_digits[c & 15];
		}
	}
	return (size_t) (at - out);
}

size_t
jdg_base64_encode(const char *bytes, size_t len, char *out)
{
	const unsigned char *in = (const unsigned char *) bytes;
	char	   *at = out;

	for (size_t i = 0; i < len; i += 3)
	{
		size_t		n = len - i < 3 ? len - i : 3;
		uint32_t	bits = (uint32_t) in[i] << 16;

		if (n > 1)
			bits |= (uint32_t) in[i + 1] << 8;
		if (n > 2)
			bits |= in[i + 2];
		*at++ = base64_digits[bits >> 18];
		*at++ = base64_digits[(bits >> 12) & 63];
		*at++ = n > 1 ? base64_digits[(bits >> 6) & 63] : '=';
		*at++ = n > 2 ? base64_digits[bits & 63] : '=';
	}
	return (size_t) (at - out);
}

bool
jdg_base64_decode(const char *text, size_t text_len, char *out, size_t *len)
{
	uint32_t	bits = 0;
	int			n = 0;			/* characters of the current four */
	int			padding = 0;
	char	   *at = out;

	for (size_t i = 0; i < text_len; i++)
	{
		const char *digit;

		*len = i;
		if (text[i] != '\0' && strchr(" \t\r\n", text[i]) != NULL)
			continue;
		digit = text[i] == '\0' ? NULL : strchr(base64_digits, text[i]);

		if (text[i] == '=' && n >= 2)
			padding++;
		else if (digit == NULL || padding > 0)
			return false;
		bits = bits << 6 | (digit ? (uint32_t) (digit - base64_digits) : 0);
		if (++n < 4)
			continue;
		*at++ = (char) (bits >> 16);
		if (padding < 2)
			*at++ = (char) (bits >> 8);
		if (padding < 1)
			*at++ = (char) bits;
		bits = 0;
		/* nothing comes after the padding */
		n = padding > 0 ? -1 : 0;
		if (n < 0)
		{
			for (i++; i < text_len; i++)
			{
				*len = i;
				if (text[i] == '\0' || strchr(" \t\r\n", text[i]) == NULL)
					return false;
			}
			n = 0;
		}
	}
	*len = n == 0 ? (size_t) (at - out) : text_len;
	return n == 0;
}
