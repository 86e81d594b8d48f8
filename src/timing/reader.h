/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  The text being read, and errors with their position in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_READER_H
#define JDG_TIMING_READER_H

#include "timing/timing.h"

/* The text being read, [text, end), and the error to fill in. */
typedef struct JdgReader
{
	const char *text;
	const char *end;
	JdgTimingError *err;
} JdgReader;

/*
 * Set the message, with the position of where in the text (NULL: none), and
 * the hint.  Both return false, so that a caller can return their result.
 */
extern bool jdg_reader_fail(JdgReader *r, const char *where,
							const char *fmt,...)
			__attribute__((format(printf, 3, 4)));
extern bool jdg_reader_hint(JdgReader *r, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

/*
 * Number of bytes from "from" that an error message may quote: at most max,
 * and never a part of a multibyte character.
 */
extern int	jdg_reader_clip(const char *from, const char *to, int max);

static inline bool
jdg_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
jdg_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
jdg_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char
jdg_lower(char c)
{
	return (c >= 'A' && c <= 'Z') ? (char) (c - 'A' + 'a') : c;
}

/* Is [from, to) this word, in any case?  word is in lower case. */
extern bool jdg_word_is(const char *from, const char *to, const char *word);

#endif							/* JDG_TIMING_READER_H */
