/*-------------------------------------------------------------------------
 *
 * parse.h
 *	  What the text of a command is: SQL that may run, and how, or a name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_PARSE_H
#define JDG_HANDLER_PARSE_H

#include "utils/elog.h"

/*
 * What a command given by a user is: parsed as SQL, or else looked up as a
 * handler by the caller of this (kind is JDG_COMMAND_HANDLER when the text
 * is not SQL).  Raises VALIDATION_ERROR with the parser's position for SQL
 * that can not be run (empty, transaction control, LISTEN).
 */
extern void jdg_command_classify(const char *text, char *kind,
								 bool *standalone, ErrorData **syntax_error);

/* is it SQL, acceptable or not?  Also true for empty texts and comments */
extern bool jdg_command_is_sql(const char *text);

#endif							/* JDG_HANDLER_PARSE_H */
