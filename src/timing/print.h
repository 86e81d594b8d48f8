/*-------------------------------------------------------------------------
 *
 * print.h
 *	  The canonical text of a timing, and text buffers of bounded length.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PRINT_H
#define JDG_TIMING_PRINT_H

#include "timing/timing.h"

/*
 * Writes the canonical text.  Like snprintf, returns the full length and
 * always ends buf with a zero if size is not 0.  JDG_TIMING_PRINT_SIZE is
 * always enough.
 */
extern size_t jdg_timing_print(const JdgTiming *t, char *buf, size_t size);

/*
 * A text in a buffer of the caller.  Text beyond size is cut off, but counts
 * in length, as with snprintf.
 */
typedef struct JdgText
{
	char	   *buf;
	size_t		size;
	size_t		length;
} JdgText;

/* Starts an empty text in buf, which must outlive it. */
extern void jdg_text_init(JdgText *t, char *buf, size_t size);

/* Appends formatted text. */
extern void jdg_text_add(JdgText *t, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* JDG_TIMING_PRINT_H */
