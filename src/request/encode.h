/*-------------------------------------------------------------------------
 *
 * encode.h
 *	  Percent-encoding and base64.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_ENCODE_H
#define JDG_REQUEST_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

/* how the bytes are written that are not letters, digits or a few others */
typedef enum JdgEncoding
{
	JDG_ENCODE_URL,				/* of a part of a path, or of a query */
	JDG_ENCODE_FORM				/* of a form: a space is a plus sign */
} JdgEncoding;

/* the bytes that an encoded text has at most, without a zero byte */
#define JDG_ENCODED_MAX(len) ((len) * 3)

/* Writes the encoded text, without a zero byte; returns its length. */
extern size_t jdg_percent_encode(JdgEncoding encoding, const char *text,
								 size_t len, char *out);

/* the same for base64 by RFC 4648, with padding */
#define JDG_BASE64_SIZE(len) (((len) + 2) / 3 * 4)
extern size_t jdg_base64_encode(const char *bytes, size_t len, char *out);

/*
 * Decodes base64, with padding, and with white space between its characters.
 * False: it is not valid; *len then is the position of the fault.  The output
 * has no more bytes than the text.
 */
extern bool jdg_base64_decode(const char *text, size_t text_len, char *out,
							  size_t *len);

#endif							/* JDG_REQUEST_ENCODE_H */
