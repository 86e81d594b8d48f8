/*-------------------------------------------------------------------------
 *
 * print.h
 *	  The canonical text of a timing; texts of bounded length.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TIMING_PRINT_H
#define JDG_TIMING_PRINT_H

#include "timing/timing.h"

/* like snprintf, returns the full length */
extern size_t jdg_timing_print(const JdgTiming *t, char *buf, size_t size);

/* A bounded text: like snprintf, length grows past what fits. */
typedef struct JdgText
{
	char	   *buf;
	size_t		size;
	size_t		length;
} JdgText;

extern void jdg_text_init(JdgText *t, char *buf, size_t size);
extern void jdg_text_add(JdgText *t, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* JDG_TIMING_PRINT_H */
