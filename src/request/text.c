/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Bytes of a service as text of the database, see text.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "request/text.h"

/* The encoding of a name of a character set; -1: unknown to the server. */
static int
encoding_of(const char *charset)
{
	/* names that the server has not, or has for something else */
	static const struct
	{
		const char *name;
		int			encoding;
	}			names[] = {
		{"us-ascii", PG_UTF8},
		{"ascii", PG_UTF8},
		{"gb2312", PG_EUC_CN},
		{"cp1250", PG_WIN1250},
		{"cp1251", PG_WIN1251},
		{"cp1252", PG_WIN1252},
		{"cp1253", PG_WIN1253},
		{"cp1254", PG_WIN1254},
		{"cp1255", PG_WIN1255},
		{"cp1256", PG_WIN1256},
		{"cp1257", PG_WIN1257},
		{"cp1258", PG_WIN1258},
	};

	if (charset == NULL)
		return PG_UTF8;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (pg_strcasecmp(charset, names[i].name) == 0)
			return names[i].encoding;
	}
	return pg_char_to_encoding(charset);
}

/* The number of bytes that are whole characters; less than len: not valid. */
static size_t
valid_length(int encoding, const char *bytes, size_t len, bool cut)
{
	size_t		valid;

	if (memchr(bytes, '\0', len) != NULL)
		return 0;
	valid = (size_t) pg_encoding_verifymbstr(encoding, bytes, (int) len);
	/* the rest may be the beginning of one character */
	if (cut && valid < len &&
		len - valid < (size_t) pg_encoding_max_length(encoding) &&
		pg_encoding_mblen(encoding, bytes + valid) > (int) (len - valid))
		return valid;
	return valid == len ? len : 0;
}

/* Converts valid text; NULL: it has a character that the database has not. */
static char *
convert(int encoding, const char *bytes, size_t len)
{
	int			ours = GetDatabaseEncoding();
	Oid			proc;
	Size		room = len * MAX_CONVERSION_GROWTH + 1;
	unsigned char *out;
	int			done;

	if (encoding == ours || ours == PG_SQL_ASCII)
		return pnstrdup(bytes, len);
	/* letters of ASCII are the same everywhere */
	proc = FindDefaultConversionProc(encoding, ours);
	if (!OidIsValid(proc) || room > MaxAllocSize)
		return NULL;
	out = palloc(room);
	done = pg_do_encoding_conversion_buf(proc, encoding, ours,
										 (unsigned char *) unconstify(char *, bytes),
										 (int) len, out, (int) room, true);
	if (done < (int) len)
	{
		pfree(out);
		return NULL;
	}
	return (char *) out;
}

char *
jdg_text_of_bytes(const char *bytes, size_t len, const char *charset, bool cut)
{
	int			encoding = encoding_of(charset);
	size_t		valid;

	if (len == 0)
		return pstrdup("");
	if (encoding < 0 || encoding == PG_SQL_ASCII || len > MaxAllocSize / 8)
		return NULL;
	/* a mark of the byte order is no part of the text */
	if (encoding == PG_UTF8 && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
	{
		bytes += 3;
		len -= 3;
	}
	valid = valid_length(encoding, bytes, len, cut);
	if (valid == 0 && len > 0)
		return NULL;
	return convert(encoding, bytes, valid);
}

char *
jdg_text_of_line(const char *bytes, size_t len)
{
	char	   *copy = pnstrdup(bytes, len);
	char	   *text;

	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = copy[i] == '\t' ? ' ' : '?';
	}
	text = jdg_text_of_bytes(copy, len, NULL, true);

	if (text !=NULL)
		return text;

	for (size_t i = 0; i < len; i++)
	{
		if (copy[i] & 0x80)
			copy[i] = '?';
	}
	return copy;
}

char *
jdg_text_cut(char *text, size_t max)
{
	size_t		len = strlen(text);

	if (len > max)
		text[		pg_mbcliplen(text, (int) len, (int) max)] = '\0';
	return text;
}
