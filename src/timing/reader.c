/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  The text being read, and errors with their position in it.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <stdarg.h>
#include <stdio.h>

#include "timing/reader.h"

/*
 * In a server encoding, every byte of a multibyte character has the high bit
 * set; so a cut after an ASCII byte is safe.
 */
int
jdg_reader_clip(const char *from, const char *to, int max)
{
	int			length = (to - from) > max ? max : (int) (to - from);

	if (length < to - from)
		while (length > 0 && (from[length - 1] & 0x80))
			length--;
	return length;
}

/*
 * The position counts UTF-8 characters: timing_type.c corrects it for other
 * encodings.
 */
bool
jdg_reader_fail(JdgReader *r, const char *where, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(r->err->message, sizeof(r->err->message), fmt, args);
	va_end(args);
	r->err->position = 0;
	r->err->offset = 0;
	if (where != NULL)
	{
		r->err->offset = (size_t) (where - r->text);
		r->err->position = 1;
		for (const char *p = r->text; p < where; p++)
			if ((*p & 0xC0) != 0x80)
				r->err->position++;
		snprintf(r->err->detail, sizeof(r->err->detail),
				 "The timing reads \"%.*s\".",
				 jdg_reader_clip(r->text, r->end, 200), r->text);
	}
	return false;
}

bool
jdg_reader_hint(JdgReader *r, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(r->err->hint, sizeof(r->err->hint), fmt, args);
	va_end(args);
	return false;
}

bool
jdg_word_is(const char *from, const char *to, const char *word)
{
	for (; from < to && *word != '\0'; from++, word++)
		if (jdg_lower(*from) != *word)
			return false;
	return from == to && *word == '\0';
}
