/*-------------------------------------------------------------------------
 *
 * placeholder.h
 *	  The parameters that the text of a command uses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_PLACEHOLDER_H
#define JDG_HANDLER_PLACEHOLDER_H

#include "nodes/pg_list.h"

#include "handler/command.h"

/*
 * Raises VALIDATION_ERROR with the position of a parameter other than $1.
 * "trees" are the raw parse trees of the text, "kind" says what $1 is.
 */
extern void jdg_placeholders_check(const char *text, List *trees,
								   JdgCommandKind kind);

#endif							/* JDG_HANDLER_PLACEHOLDER_H */
